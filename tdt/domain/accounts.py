"""Administration of accounts, by S2LOW's rules: who may change which, what a form may ask, when two would be one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tdt.domain.audit import Actor
from tdt.domain.authorities import Module, Owner, Permission, Role
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.fields import Field, Kind, check_fields
from tdt.domain.ids import AccountId, AuthorityId, GroupId

NO_AUTHORITY = "authority_id est obligatoire"
NO_GROUP = "Vous devez indiquer un groupe pour créer un administrateur de groupe"
TWO_PASSWORDS = "Les mots de passe ne correspondent pas"
NO_CREDENTIALS = "Le login et le mot de passe sont obligatoire pour cloner un certificat"
NO_CERTIFICATE = "Le certificat utilisateur est obligatoire"
DUPLICATE = "Un utilisateur avec les mêmes informations de connexion et d'identification existe dans la base S2low"
CERTIFICATE_TAKEN = (
    "Un utilisateur avec les mêmes données de certificat existe déjà. "
    "Vous pouvez mettre un login/mot de passe pour les différencier"
)
NOT_SAVED = "Erreur lors de l'enregistrement de l'utilisateur :\n"
SAVE_FAILED = "Erreur lors de la sauvegarde de l'utilisateur."
FORBIDDEN = "Accès refusé"
UNKNOWN = "Erreur lors de la modification de l'utilisateur"
NOT_YOURS = "Accès refusé pour la modification de cet utilisateur"
NOT_CLONED = "Erreur lors du clonage de l'utilisateur"
NOT_IN_GROUP = "La collectivité n'appartient pas au groupe courant"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an account keeps of its certificate; `hash` as in tdt.domain.identity, `pem` the certificate alone."""

    hash: str
    pem: str
    subject_dn: str
    issuer_dn: str
    serial: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """What an account is, its means of identification apart; a form gives all of it, what it leaves out is empty.

    `group` is a group's id as posted, for an administrator of a group. `permissions` holds S2LOW's words as posted.
    """

    name: str = ""
    givenname: str = ""
    email: str = ""
    telephone: str = ""
    active: bool = False
    role: Role = Role.USER
    authority_id: AuthorityId | None = None
    group: str = ""
    login: str = ""
    permissions: Mapping[Module, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """How the account is to be told from others: what comes new. Empty password: unchanged. `forwarded` is a PEM.

    `certificate_only` erases login and password; `keep_forwarded` leaves the second certificate that the account may
    demand, which is erased otherwise unless a new one is given.
    """

    certificate: Certificate | None = None
    forwarded: str = ""
    password: str = ""
    certificate_only: bool = False
    keep_forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """An account that holds a certificate, whatever its collectivité. `forwarded`: it also demands a second one."""

    id: AccountId
    login: str
    forwarded: str


def administers(by: Actor, target: Owner, role: Role, group: GroupId | None) -> bool:
    """May this actor change this account? Nobody changes an account above itself, nor that of another group.

    `target` is whose the account is; `role` and `group` are the account's own.
    """
    if not by.administers(target):
        return False
    if by.who is None or by.who.user.role is Role.SADM or role not in (Role.SADM, Role.GADM):
        return True
    me = by.who.user
    return role is Role.GADM and me.role is Role.GADM and me.group_id == group


def is_super(by: Actor) -> bool:
    """A super-administrator, or the operator."""
    return by.who is None or by.who.user.role is Role.SADM


def granted_role(by: Actor, asked: Role, current: Role | None = None) -> Role:
    """The role that the account gets: what it has already, or what the actor may give.

    SADM and GADM become ADM without a word, as S2LOW does. Raises Forbidden for ARCH, that only a super-administrator
    gives.
    """
    if is_super(by) or asked is current:
        return asked
    if asked is Role.ARCH:
        raise Forbidden(FORBIDDEN)
    return Role.ADM if asked in (Role.SADM, Role.GADM) else asked


def granted_permissions(by: Actor, asked: Mapping[Module, str], modules: frozenset[Module]) -> dict[Module, Permission]:
    """The permissions to write, all of them: NONE for a module that is not asked for or a word that is not one.

    Only in the modules of the collectivité; GRANT is for super-administrators to give.
    """
    known = {str(permission) for permission in Permission}
    if not is_super(by):
        known.discard(Permission.GRANT)
    return {
        module: Permission(asked[module]) if asked.get(module) in known else Permission.NONE
        for module in Module
        if module in modules
    }


def check_asked(profile: Profile, api: bool, passwords_match: bool = True) -> None:
    """What S2LOW demands of the form before it looks at anything. Raises Refused."""
    if api and profile.authority_id is None:
        # of a modification too, which never moves the account
        raise Refused(NO_AUTHORITY)
    if profile.role is Role.GADM and not profile.group:
        raise Refused(NO_GROUP)
    if not api and not passwords_match:
        raise Refused(TWO_PASSWORDS)


def check_identity(
    holders: Sequence[Holder], account: AccountId | None, login: str, forwarded: str, arriving: bool
) -> None:
    """Would this account be told from the others that hold its certificate? Raises Refused.

    `arriving`: the certificate is new to the account. `account` is None while it does not exist.
    """
    others = [holder for holder in holders if holder.id != account]
    if forwarded:
        same = [other for other in others if other.forwarded.rstrip("\n") == forwarded.rstrip("\n")]
    elif login:
        same = [other for other in others if other.login == login]
    else:
        same = others
    if same:
        raise Refused(DUPLICATE)
    if arriving and any(not other.login and not other.forwarded for other in others):
        raise Refused(NOT_SAVED + CERTIFICATE_TAKEN)


def check_profile(profile: Profile, subject_dn: str, issuer_dn: str) -> None:
    """The rules of the fields, in S2LOW's order. Raises Refused with all that is wrong."""
    faults = check_fields(
        (
            Field("Adresse électronique", profile.email, mandatory=True, length=255, kind=Kind.EMAIL),
            Field("Dn du certificat", subject_dn, mandatory=True),
            Field("DN du fournisseur du certificat", issuer_dn, mandatory=True),
            Field("Nom", profile.name, mandatory=True, length=100),
            Field("Prénom", profile.givenname, mandatory=True, length=100),
            Field("Téléphone", profile.telephone, length=25),
            Field("Groupe", profile.group, length=18, kind=Kind.INTEGER),
            Field("login", profile.login, length=128),
        )
    )
    if faults:
        raise Refused(NOT_SAVED + faults)
