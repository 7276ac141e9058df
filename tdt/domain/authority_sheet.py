"""Administration of collectivités and groups, by S2LOW's rules: what a form may set and for whom, and its words."""

import re
from dataclasses import dataclass, fields, replace

from tdt.domain.audit import Actor
from tdt.domain.authorities import Module, Owner, Role
from tdt.domain.errors import Refused
from tdt.domain.fields import INTEGER, Field, Kind, check_fields
from tdt.domain.ids import AuthorityId, ContentId, GroupId
from tdt.domain.siren import is_siren
from tdt.domain.territory import NATURES, is_district
from tdt.domain.text import is_email

FORBIDDEN = "Accès refusé"
UNKNOWN = "Erreur lors de la modification de la collectivité"
NOT_CONSULTED = "Accès refusé pour la consultation de cette collectivité"
NOT_FOUND = "Aucune collectivité trouvée"
NO_DISTRICT = "Le code département ou le code arrondissement sont incorrects"
SIREN_NOT_ALLOWED = "Ce numéro de SIREN ({siren}) n'est pas autorisé pour le groupe {group}"
WRONG_EMAIL = "L'email {} n'est pas valide."
NOT_SAVED = "Erreur lors de l'enregistrement de la collectivité&nbsp;:\n"
SAVE_FAILED = "Erreur lors de la sauvegarde de la collectivité."
SIREN_TAKEN = "Numéro de SIREN doit être unique.\n"
NOT_A_SIREN = "Numéro de SIREN doit être un SIREN : neuf chiffres dont le dernier contrôle les autres.\n"
NOT_A_STATUS = "État doit être 0 ou 1.\n"
NOT_A_NATURE = "Type de collectivité doit être un type connu.\n"
NOT_A_PDF = "Erreur lors de la sauvegarde de la convention (PDF attendu)"
WRONG_SIRET = "Le numéro SIRET n'est pas valide"
NO_SIRET = "Aucun numéro SIRET trouvé"
GROUP_NAME_TAKEN = "Le nom de ce groupe est déjà utilisé"
GROUP_NAMELESS = "Le nom du groupe est obligatoire"
NO_GROUP = "Aucun groupe trouvé"
SIREN_NOT_OF_GROUP = "Ce numéro de SIREN ({}) n'est pas autorisé pour ce groupe."
GROUP_NOT_EMPTY = "Le groupe n'est pas vide. Suppression impossible."

SEPARATORS = re.compile(r"[,;\s]+")
BROADCAST_LENGTH = 2000
STATUSES = ("0", "1")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a collectivité is, as a form says it: all of it, what the form leaves out is empty.

    `nature` is S2LOW's authority_type_id as posted. `group` is the group it is in today.
    """

    name: str = ""
    siren: str = ""
    group: GroupId | None = None
    agreement: str = ""
    status: str = ""
    nature: str = ""
    department: str = ""
    district: str = ""
    p_dest: str = ""
    modules: frozenset[Module] = frozenset()
    email: str = ""
    default_broadcast_email: str = ""
    broadcast_email: str = ""
    address: str = ""
    postal_code: str = ""
    city: str = ""
    telephone: str = ""
    fax: str = ""
    email_mail_securise: str = ""
    descr_mail_securise: str = ""
    nomfic_uniqueness_waived: bool = False


OF_THE_HOUSE = (
    "email",
    "default_broadcast_email",
    "broadcast_email",
    "address",
    "postal_code",
    "city",
    "telephone",
    "fax",
    "email_mail_securise",
    "descr_mail_securise",
)
"""What the administrator of a collectivité sets itself; the rest is for those above."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A collectivité whole, as its administrators see and change it."""

    id: AuthorityId
    sheet: Sheet
    agreement_content_id: ContentId | None = None

    @property
    def owner(self) -> Owner:
        """Whose it is, for the question of who may administer it."""
        return Owner(None, self.id, group_id=self.sheet.group)


def granted(by: Actor, asked: Sheet, current: Sheet | None = None) -> Sheet:
    """What the collectivité becomes: of what is asked for, what this actor may set; the rest stays.

    An ADM sets the ways to reach its collectivité; a GADM all but the group, which is its own, and the waiver of
    NomFic; a SADM and the operator everything.
    """
    if by.who is None or by.who.user.role is Role.SADM:
        return asked
    if by.who.user.role is Role.GADM:
        waived = current is not None and current.nomfic_uniqueness_waived
        return replace(asked, group=by.who.user.group_id, nomfic_uniqueness_waived=waived)
    if current is None:
        raise RuntimeError("an administrator of a collectivité creates none")
    return replace(current, **{name: getattr(asked, name) for name in OF_THE_HOUSE})


def check_place(sheet: Sheet) -> None:
    """S2LOW's first check, whoever asks: the département and the arrondissement exist together. Raises Refused."""
    if not is_district(sheet.department, sheet.district):
        raise Refused(NO_DISTRICT)


def check_sheet(sheet: Sheet, current: Sheet | None = None) -> None:
    """The addresses, then the rules of the fields, in S2LOW's order. Raises Refused with all that is wrong.

    What stood before stands: an old SIREN that is none does not keep its collectivité from being modified.
    """
    for address in (*split_emails(sheet.default_broadcast_email), *split_emails(sheet.broadcast_email)):
        if not is_email(address):
            raise Refused(WRONG_EMAIL.format(address))
    faults = check_fields(
        (
            Field("Nom", sheet.name, mandatory=True, length=255),
            Field("Numéro de SIREN", sheet.siren, mandatory=True, length=9),
            Field("Référence convention", sheet.agreement, length=255),
            Field("Adresse électronique", sheet.email, length=255, kind=Kind.EMAIL),
            Field("Adresse électronique de diffusion", sheet.broadcast_email, length=BROADCAST_LENGTH),
            Field("Adresse électronique de diffusion par défaut", sheet.default_broadcast_email, length=255),
            Field("État", sheet.status, mandatory=True, kind=Kind.INTEGER, length=1),
            Field("Type de collectivité", sheet.nature, mandatory=True, kind=Kind.INTEGER),
            Field("Adresse", sheet.address, mandatory=True, length=255),
            Field("Code postal", sheet.postal_code, mandatory=True, length=10),
            Field("Ville", sheet.city, mandatory=True, length=255),
            Field("Département", sheet.department, mandatory=True),
            Field("Arrondissement", sheet.district, mandatory=True),
            Field("Téléphone", sheet.telephone, length=25),
            Field("Fax", sheet.fax, length=25),
            Field("Email pour le module de mail sécurisé", sheet.email_mail_securise, length=255, kind=Kind.EMAIL),
            Field("Nom d'expéditeur du mail sécurisé", sheet.descr_mail_securise, length=255),
            Field("P_DEST", sheet.p_dest, length=255),
        )
    )
    if sheet.siren and not is_siren(sheet.siren) and (current is None or current.siren != sheet.siren):
        faults += NOT_A_SIREN
    if INTEGER.fullmatch(sheet.status) and sheet.status not in STATUSES:
        faults += NOT_A_STATUS
    # compared as text: a sign or thousands of digits make no type either
    if INTEGER.fullmatch(sheet.nature) and sheet.nature not in map(str, NATURES):
        faults += NOT_A_NATURE
    if faults:
        raise Refused(NOT_SAVED + faults)


def split_emails(text: str) -> list[str]:
    """The addresses of a list, however they are separated."""
    return [address for address in SEPARATORS.split(text) if address]


def audited(sheet: Sheet) -> dict[str, object]:
    """What the audit keeps of a collectivité."""
    values = {one.name: getattr(sheet, one.name) for one in fields(sheet)}
    return {**values, "modules": sorted(map(str, sheet.modules))}


def group_name(text: str) -> str:
    """The name of a group as S2LOW keeps it: it has no apostrophe. Raises Refused when there is none."""
    name = text.strip().replace("'", "_")
    if not name:
        raise Refused(GROUP_NAMELESS)
    if faults := check_fields([Field("Nom", name, length=255)]):
        raise Refused(faults.rstrip("\n"))
    return name


def read_sirens(text: str) -> list[str]:
    """The SIREN of a file that holds one a line; what is none is skipped, as S2LOW does."""
    found = (line.replace(" ", "").strip() for line in text.splitlines())
    return sorted({line for line in found if is_siren(line)})
