"""Collectivités, users, their roles and rights: who may do what (S2LOW's rules, without exception)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tdt.domain.identity import Identity
from tdt.domain.ids import AccountId, AuthorityId, GroupId

ACTIVE = 1


class Role(StrEnum):
    """S2LOW's roles."""

    SADM = "SADM"
    GADM = "GADM"
    ADM = "ADM"
    USER = "USER"
    ARCH = "ARCH"


ROLE_LABELS: Mapping[Role, str] = {
    Role.SADM: "Super administrateur",
    Role.GADM: "Administrateur de groupe",
    Role.ADM: "Administrateur collectivité",
    Role.USER: "Utilisateur",
    Role.ARCH: "Archiviste",
}


class Permission(StrEnum):
    """What a user may do in one module; CS prepares, TT télétransmet, RW does both."""

    NONE = "NONE"
    RO = "RO"
    RW = "RW"
    CS = "CS"
    TT = "TT"
    GRANT = "GRANT"


class Right(StrEnum):
    """What somebody may want to do.

    ACCESS, EDIT, CS (prepare) and TT (télétransmettre) are asked of a module; VIEW (canView: its files) and FOLLOW
    (its status) and MANAGE (its fate) of what somebody deposited; ADMINISTER of a collectivité, an account, a service.
    """

    ACCESS = "access"
    EDIT = "edit"
    CS = "CS"
    TT = "TT"
    VIEW = "view"
    FOLLOW = "follow"
    MANAGE = "manage"
    ADMINISTER = "administer"


class Module(StrEnum):
    """The modules that a collectivité may have."""

    ACTES = "actes"
    HELIOS = "helios"
    MAIL = "mail"


MODULE_IDS: Mapping[Module, int] = {Module.ACTES: 1, Module.HELIOS: 2, Module.MAIL: 4}
"""What the wire calls them: `perm_1` in a form, keys of the answers."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A collectivité, with its group of the day. `group_active` is true when it belongs to no group.

    `closed`: its stop date has come; what it has can be read, nothing can be deposited.
    """

    id: AuthorityId
    group_id: GroupId | None
    group_active: bool
    name: str
    siren: str
    nature: int
    department: str
    district: str
    status: int
    email: str
    telephone: str
    address: str
    postal_code: str
    city: str
    p_dest: str
    modules: frozenset[Module]
    nomfic_uniqueness_waived: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """An account: a person, or a software that speaks for its collectivité.

    `own_group_active`: whether the group that it administers is; true when it administers none.
    """

    id: AccountId
    authority_id: AuthorityId | None
    group_id: GroupId | None
    role: Role
    status: int
    name: str
    givenname: str
    email: str
    telephone: str
    login: str | None
    certificate_hash: str
    subject_dn: str
    issuer_dn: str
    certificate_not_after: datetime | None
    permissions: Mapping[Module, Permission] = field(default_factory=dict)
    own_group_active: bool = True

    @property
    def pretty_name(self) -> str:
        """Given name and name, as S2LOW shows them."""
        return f"{self.givenname} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request: the account found for the certificate, its collectivité, the certificate itself."""

    user: User
    authority: Authority | None
    identity: Identity


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose something is, as seen by somebody: `colleague` when a service makes them colleagues.

    `group_id` is the group of the collectivité today; `account_id` is None for what belongs to the collectivité itself.
    """

    account_id: AccountId | None
    authority_id: AuthorityId | None
    colleague: bool = False
    group_id: GroupId | None = None


def is_group_admin_or_super(user: User) -> bool:
    """SADM, or a GADM that really has a group."""
    return user.role is Role.SADM or (user.role is Role.GADM and user.group_id is not None)


def is_administrator(user: User) -> bool:
    """SADM, GADM of a group, or ADM of a collectivité."""
    return is_group_admin_or_super(user) or (user.role is Role.ADM and user.authority_id is not None)


def is_active(user: User, authority: Authority | None) -> bool:
    """The account, its collectivité, the group of that collectivité and the one that it administers must be active.

    Its own collectivité may be of no group or of another: suspending a group must stop its administrators nevertheless.
    """
    if user.status != ACTIVE or (user.role is Role.GADM and not user.own_group_active):
        return False
    return authority is None or (authority.status == ACTIVE and authority.group_active)


IN_A_MODULE: Mapping[Right, frozenset[Permission]] = {
    Right.ACCESS: frozenset(Permission) - {Permission.NONE},
    Right.EDIT: frozenset({Permission.RW}),
    Right.CS: frozenset({Permission.RW, Permission.CS}),
    Right.TT: frozenset({Permission.RW, Permission.TT}),
}
"""S2LOW's canAccess, canEdit and checkDroit: the permissions that each accepts."""


def may(who: Principal, right: Right, module: Module | None = None, owner: Owner | None = None) -> bool:
    """Every question about rights, S2LOW's rules without exception: may `who` do this, in this module, to this?

    `module` is needed for all but FOLLOW, MANAGE and ADMINISTER, `owner` for VIEW, FOLLOW, MANAGE and ADMINISTER.
    """
    if right in IN_A_MODULE:
        return module is not None and _permitted(who, module, IN_A_MODULE[right])
    if owner is None:
        return False
    match right:
        case Right.VIEW:
            return module is not None and _can_view(who, module, owner)
        case Right.FOLLOW:
            return who.user.id == owner.account_id or _is_of_the_house(who, (Role.ADM, Role.ARCH), owner)
        case Right.MANAGE:
            return who.user.id == owner.account_id or _is_of_the_house(who, (Role.ADM,), owner)
    return _administers(who, owner)


def _permitted(who: Principal, module: Module, accepted: frozenset[Permission]) -> bool:
    if is_group_admin_or_super(who.user):
        return True
    if who.authority is None or module not in who.authority.modules:
        return False
    return who.user.permissions.get(module, Permission.NONE) in accepted


def _can_view(who: Principal, module: Module, owner: Owner) -> bool:
    if who.user.role is Role.SADM or _is_of_the_house(who, (Role.ARCH,), owner):
        return True
    if may(who, Right.ACCESS, module) and (
        _is_of_the_house(who, (Role.ADM,), owner) or who.user.id == owner.account_id
    ):
        return True
    return owner.colleague


def _is_of_the_house(who: Principal, roles: tuple[Role, ...], owner: Owner) -> bool:
    return who.user.role in roles and who.user.authority_id is not None and who.user.authority_id == owner.authority_id


def _administers(who: Principal, owner: Owner) -> bool:
    user = who.user
    if user.role is Role.SADM:
        return True
    if user.role is Role.GADM:
        return user.group_id is not None and user.group_id == owner.group_id
    return _is_of_the_house(who, (Role.ADM,), owner)
