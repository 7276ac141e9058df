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
    """What checkDroit asks for: to prepare, to télétransmettre."""

    CS = "CS"
    TT = "TT"


class Module(StrEnum):
    """The modules that a collectivité may have."""

    ACTES = "actes"
    HELIOS = "helios"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Authority:
    """A collectivité. `group_active` is true when it belongs to no group."""

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


@dataclass(frozen=True, slots=True)
class User:
    """An account: a person, or a software that speaks for its collectivité."""

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
    """Who deposited something, as seen by somebody: `colleague` when a service makes them colleagues."""

    account_id: AccountId | None
    authority_id: AuthorityId
    colleague: bool = False


def is_group_admin_or_super(user: User) -> bool:
    """SADM, or a GADM that really has a group."""
    return user.role is Role.SADM or (user.role is Role.GADM and user.group_id is not None)


def is_active(user: User, authority: Authority | None) -> bool:
    """The account, its collectivité and the group of that collectivité must all be active."""
    if user.status != ACTIVE:
        return False
    return authority is None or (authority.status == ACTIVE and authority.group_active)


def may_access(user: User, authority: Authority | None, module: Module) -> bool:
    """S2LOW's canAccess: any permission but NONE, in a collectivité that has the module."""
    return _permitted(user, authority, module, frozenset(Permission) - {Permission.NONE})


def may_edit(user: User, authority: Authority | None, module: Module) -> bool:
    """S2LOW's canEdit."""
    return _permitted(user, authority, module, frozenset({Permission.RW}))


def may(user: User, authority: Authority | None, right: Right, module: Module) -> bool:
    """S2LOW's checkDroit: RW, or this very right."""
    return _permitted(user, authority, module, frozenset({Permission.RW, Permission(right)}))


def can_view(me: User, authority: Authority | None, owner: Owner, module: Module) -> bool:
    """S2LOW's canView: may I see what this owner deposited?"""
    if me.role is Role.SADM:
        return True
    if me.role is Role.ARCH and me.authority_id == owner.authority_id:
        return True
    if may_access(me, authority, module) and (_administers(me, owner) or me.id == owner.account_id):
        return True
    return owner.colleague


def can_follow(me: User, owner: Owner) -> bool:
    """Who may ask for the status and the files of an acte: its owner, an ADM or an ARCH of the collectivité."""
    if me.id == owner.account_id or _administers(me, owner):
        return True
    return me.role is Role.ARCH and me.authority_id == owner.authority_id


def _administers(me: User, owner: Owner) -> bool:
    return me.role is Role.ADM and me.authority_id == owner.authority_id


def _permitted(user: User, authority: Authority | None, module: Module, accepted: frozenset[Permission]) -> bool:
    if is_group_admin_or_super(user):
        return True
    if authority is None or module not in authority.modules:
        return False
    return user.permissions.get(module, Permission.NONE) in accepted
