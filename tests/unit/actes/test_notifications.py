"""Who is told, how, and with which files."""

from dataclasses import replace
from typing import Any

import pytest

from tdt.domain.actes.notifications import Lists, Mode, Reason, addresses, list_recipients

LISTS = Lists(1, "agent@a.example", "secretariat@a.example", "presse@b.example", False, {})


def told(**changes: Any) -> list[tuple[str, str, str, bool]]:
    return [(r.address, r.reason, r.mode, r.with_files) for r in list_recipients(replace(LISTS, **changes))]


def test_the_owner_without_files_the_default_list_with_them_the_deposit_when_it_says_so() -> None:
    owner, default = ("agent@a.example", "owner", "immediate", False), ("secretariat@a.example", "authority")
    assert told() == [owner, (*default, "immediate", True), ("presse@b.example", "deposit", "immediate", False)]
    assert told(send_sources=True)[2] == ("presse@b.example", "deposit", "immediate", True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"default_list": "AGENT@a.example"}, [("agent@a.example", Reason.OWNER, True)]),
        ({"default_list": "", "deposit_list": "Agent@A.example"}, [("agent@a.example", Reason.OWNER, False)]),
        ({"owner": "", "deposit_list": "secretariat@a.example"}, [("secretariat@a.example", Reason.AUTHORITY, True)]),
        ({"owner": "", "default_list": "", "deposit_list": ""}, []),
        ({"type": 7}, [("agent@a.example", Reason.OWNER, False)]),
    ],
)
def test_an_address_is_told_once_whatever_lists_it_is_on(changes: dict[str, Any], expected: list[object]) -> None:
    alone = {"deposit_list": ""} | changes
    assert [(one, reason, files) for one, reason, _, files in told(**alone)] == expected


def test_the_accounts_of_an_address_say_how_the_most_eager_of_them_decides() -> None:
    wishes = {"agent@a.example": [Mode.NONE, Mode.DIGEST], "secretariat@a.example": [Mode.NONE, Mode.NONE]}
    modes = {address: mode for address, _, mode, _ in told(wishes=wishes, refused=frozenset({"presse@b.example"}))}
    assert modes == {"agent@a.example": "digest", "secretariat@a.example": "none", "presse@b.example": "refused"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@a.example,B@a.example ; c@a.example", ["a@a.example", "b@a.example", "c@a.example"]),
        ("a@a.example,,A@A.EXAMPLE", ["a@a.example"]),
        ("a@a.example\r\nBcc: x@x.example", ["a@a.example", "x@x.example"]),
        ("pas une adresse, a@, é@a.example, <a@a.example>", []),
        ("a@a.example\0", []),
        ("", []),
    ],
)
def test_only_what_is_an_address_is_one(text: str, expected: list[str]) -> None:
    assert addresses(text) == expected
