"""Who may do what: the table of rights, line by line."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tdt.domain.authorities import (
    Authority,
    Module,
    Owner,
    Permission,
    Principal,
    Right,
    Role,
    User,
    is_active,
    is_group_admin_or_super,
    may,
)
from tdt.domain.identity import Identity
from tdt.domain.ids import AccountId, AuthorityId, GroupId

A, B = AuthorityId(1), AuthorityId(2)
GROUP = GroupId(7)

TOWN = Authority(
    id=A,
    group_id=GROUP,
    group_active=True,
    name="Sablières",
    siren="123456782",
    nature=31,
    department="034",
    district="3",
    status=1,
    email="",
    telephone="",
    address="",
    postal_code="",
    city="",
    p_dest="",
    modules=frozenset({Module.ACTES}),
)


def user(role: Role = Role.USER, permission: Permission | None = None, group: GroupId | None = None) -> User:
    return User(
        id=AccountId(10),
        authority_id=A,
        group_id=group,
        role=role,
        status=1,
        name="Martin",
        givenname="Alix",
        email="",
        telephone="",
        login=None,
        certificate_hash="",
        subject_dn="",
        issuer_dn="",
        certificate_not_after=None,
        permissions={Module.ACTES: permission} if permission else {},
    )


IDENTITY = Identity("", b"", "", "", datetime(2030, 1, 1, tzinfo=UTC), True)


def who(me: User, authority: Authority | None = TOWN) -> Principal:
    return Principal(me, authority, IDENTITY)


TABLE = [
    # permission, canAccess, canEdit, CS, TT
    (None, False, False, False, False),
    (Permission.NONE, False, False, False, False),
    (Permission.RO, True, False, False, False),
    (Permission.RW, True, True, True, True),
    (Permission.CS, True, False, True, False),
    (Permission.TT, True, False, False, True),
    (Permission.GRANT, True, False, False, False),
]


@pytest.mark.parametrize(("permission", "access", "edit", "prepare", "transmit"), TABLE)
def test_what_a_permission_allows(
    permission: Permission | None, access: bool, edit: bool, prepare: bool, transmit: bool
) -> None:
    me = user(permission=permission)
    assert may(who(me), Right.ACCESS, Module.ACTES) is access
    assert may(who(me), Right.EDIT, Module.ACTES) is edit
    assert may(who(me), Right.CS, Module.ACTES) is prepare
    assert may(who(me), Right.TT, Module.ACTES) is transmit


def test_nothing_is_allowed_in_a_module_that_the_collectivite_lacks() -> None:
    me = replace(user(), permissions={Module.HELIOS: Permission.RW})
    for right in (Right.ACCESS, Right.EDIT, Right.CS, Right.TT):
        assert not may(who(me), right, Module.HELIOS)


@pytest.mark.parametrize(
    ("role", "group", "admin"),
    [(Role.SADM, None, True), (Role.GADM, GROUP, True), (Role.GADM, None, False), (Role.ADM, GROUP, False)],
)
def test_a_group_administrator_needs_a_group(role: Role, group: GroupId | None, admin: bool) -> None:
    me = user(role, group=group)
    assert is_group_admin_or_super(me) is admin
    assert may(who(me, None), Right.TT, Module.HELIOS) is admin


def test_an_account_is_active_with_its_collectivite_and_its_group() -> None:
    assert is_active(user(), TOWN)
    assert is_active(user(Role.SADM), None)
    assert not is_active(replace(user(), status=0), TOWN)
    assert not is_active(user(), replace(TOWN, status=0))
    assert not is_active(user(), replace(TOWN, group_active=False))


MINE = Owner(AccountId(10), A)
THEIRS = Owner(AccountId(11), A)
FOREIGN = Owner(AccountId(12), B)


@pytest.mark.parametrize(
    ("me", "owner", "view", "follow"),
    [
        (user(permission=Permission.RW), MINE, True, True),
        (user(permission=Permission.RW), THEIRS, False, False),
        (user(permission=Permission.RW), replace(THEIRS, colleague=True), True, False),
        (user(permission=Permission.RW), FOREIGN, False, False),
        (user(permission=Permission.NONE), MINE, False, True),
        (user(Role.ADM, Permission.RO), THEIRS, True, True),
        (user(Role.ADM, Permission.RO), FOREIGN, False, False),
        (user(Role.ARCH), THEIRS, True, True),
        (user(Role.ARCH), FOREIGN, False, False),
        (user(Role.SADM), FOREIGN, True, False),
    ],
)
def test_who_sees_what_somebody_deposited(me: User, owner: Owner, view: bool, follow: bool) -> None:
    assert may(who(me), Right.VIEW, Module.ACTES, owner) is view
    assert may(who(me), Right.FOLLOW, owner=owner) is follow
