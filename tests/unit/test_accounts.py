"""Administration of accounts: who may change which, what is granted, when two accounts would be one, the fields."""

import pytest

from tdt.domain.accounts import (
    CERTIFICATE_TAKEN,
    DUPLICATE,
    NO_AUTHORITY,
    NO_GROUP,
    NOT_SAVED,
    TWO_PASSWORDS,
    Holder,
    Profile,
    administers,
    check_asked,
    check_identity,
    check_profile,
    granted_permissions,
    granted_role,
)
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Module, Owner, Permission, Principal, Role, User
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AccountId, AuthorityId, GroupId
from tests.unit.test_authorities import IDENTITY

MINE, OTHER = AuthorityId(1), AuthorityId(2)
GROUP, GROUP_2 = GroupId(7), GroupId(8)


def actor(role: Role, group: GroupId | None = None) -> Actor:
    user = User(AccountId(1), MINE, group, role, 1, "N", "G", "", "", None, "h", "", "", None)
    return Actor(Source.API, Principal(user, None, IDENTITY))


OPERATOR = Actor(Source.CLI, None, "root")
SADM, ADM, USER = actor(Role.SADM), actor(Role.ADM), actor(Role.USER)
GADM = actor(Role.GADM, GROUP)


def test_nobody_changes_an_account_above_itself_nor_of_another_group() -> None:
    here, there = Owner(AccountId(9), MINE, group_id=GROUP), Owner(AccountId(9), OTHER, group_id=GROUP_2)
    expected = {
        # actor: the roles whose accounts of its own collectivité (and group) it may change, the group of a GADM
        "operator": (OPERATOR, set(Role), True),
        "sadm": (SADM, set(Role), True),
        "gadm": (GADM, {Role.GADM, Role.ADM, Role.USER, Role.ARCH}, False),
        "adm": (ADM, {Role.ADM, Role.USER, Role.ARCH}, False),
        "user": (USER, set(), False),
    }
    for name, (by, roles, everywhere) in expected.items():
        for role in Role:
            group = GROUP if role is Role.GADM else None
            assert administers(by, here, role, group) == (role in roles), (name, role)
            assert administers(by, there, role, group) == everywhere, (name, role)
    assert not administers(GADM, here, Role.GADM, GROUP_2)
    assert not administers(GADM, here, Role.GADM, None)


def test_roles_that_are_granted() -> None:
    for by in (SADM, OPERATOR):
        assert [granted_role(by, role) for role in Role] == list(Role)
    for by in (GADM, ADM):
        assert [granted_role(by, role) for role in (Role.SADM, Role.GADM, Role.ADM)] == [Role.ADM] * 3
        assert granted_role(by, Role.USER, Role.ADM) is Role.USER
        with pytest.raises(Forbidden, match="Accès refusé"):
            granted_role(by, Role.ARCH, Role.USER)
        for role in (Role.ARCH, Role.GADM):  # what the account has already stays
            assert granted_role(by, role, role) is role


def test_permissions_are_all_rewritten_in_the_modules_of_the_collectivite() -> None:
    modules = frozenset({Module.ACTES, Module.HELIOS})
    asked = {Module.ACTES: "CS", Module.MAIL: "RW"}
    assert granted_permissions(ADM, asked, modules) == {Module.ACTES: Permission.CS, Module.HELIOS: Permission.NONE}
    for by, granted in ((ADM, Permission.NONE), (SADM, Permission.GRANT)):
        asked = {Module.ACTES: "GRANT", Module.HELIOS: "rw"}
        assert granted_permissions(by, asked, modules) == {Module.ACTES: granted, Module.HELIOS: Permission.NONE}
    assert granted_permissions(SADM, {Module.ACTES: "RW"}, frozenset()) == {}


def test_what_a_form_must_ask() -> None:
    with pytest.raises(Refused, match=NO_AUTHORITY):
        check_asked(Profile(), api=True)
    with pytest.raises(Refused, match=NO_GROUP):
        check_asked(Profile(role=Role.GADM), api=False)
    with pytest.raises(Refused, match=TWO_PASSWORDS):
        check_asked(Profile(), api=False, passwords_match=False)
    check_asked(Profile(role=Role.GADM, group="3", authority_id=MINE), api=True, passwords_match=False)
    check_asked(Profile(), api=False)


def test_two_accounts_are_never_one() -> None:
    me = AccountId(1)
    bare, named, second = (
        Holder(AccountId(2), "", ""),
        Holder(AccountId(3), "login", ""),
        Holder(AccountId(4), "", "PEM\n"),
    )
    fine = [
        ([], "", "", True),
        ([Holder(me, "", "")], "", "", False),
        ([named], "other", "", True),
        ([bare], "login", "", False),  # it was so before
        ([bare, second], "x", "PEM 2", False),
        ([second], "x", "", True),
    ]
    for holders, login, forwarded, arriving in fine:
        check_identity(holders, me, login, forwarded, arriving)
    refused = [
        ([named], "", "", True, DUPLICATE),
        ([named], "login", "", False, DUPLICATE),
        ([bare], "", "", False, DUPLICATE),
        ([second], "", "PEM", True, DUPLICATE),
        ([bare], "login", "", True, NOT_SAVED + CERTIFICATE_TAKEN),
    ]
    for holders, login, forwarded, arriving, message in refused:
        with pytest.raises(Refused) as raised:
            check_identity(holders, me, login, forwarded, arriving)
        assert raised.value.message == message
    with pytest.raises(Refused, match=DUPLICATE):
        check_identity([Holder(me, "", "")], None, "", "", True)


def test_the_fields_of_an_account() -> None:
    check_profile(Profile(name="N" * 100, givenname="G", email="a@b.fr", telephone="1" * 25), "CN=a", "CN=b")
    with pytest.raises(Refused) as raised:
        check_profile(Profile(email="a b", telephone="1" * 26, group="x", login="l" * 129), "", "")
    assert raised.value.message == (
        "Erreur lors de l'enregistrement de l'utilisateur :\n"
        "Adresse électronique doit être une adresse électronique valide.\n"
        "Dn du certificat doit être présent.\n"
        "DN du fournisseur du certificat doit être présent.\n"
        "Nom doit être présent.\n"
        "Prénom doit être présent.\n"
        "Le champ Téléphone est trop long (25 caractères maxi autorisés).\n"
        "Groupe doit être un entier.\n"
        "Le champ login est trop long (128 caractères maxi autorisés).\n"
    )
