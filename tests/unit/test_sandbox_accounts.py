"""The accounts of the sandbox are such as an administrator could make: each can be modified afterwards."""

import pytest

from tdt.domain.accounts import Profile, check_profile
from tdt.sandbox.provision import ACCOUNTS, Person


@pytest.mark.parametrize("person", ACCOUNTS, ids=lambda person: person.name)
def test_an_account_has_every_field_that_is_asked_for(person: Person) -> None:
    profile = Profile(person.family_name, person.given_name, f"{person.name}@sablieres.example", role=person.role)
    check_profile(profile, "CN=x", "CN=y")
