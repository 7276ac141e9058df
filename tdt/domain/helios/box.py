"""Why a file of the DGFiP waits in the operator's box: stable codes, and the words, S2LOW's where it has some."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tdt.domain.helios.model import DgfipReturn
from tdt.domain.ids import AuthorityId, HeliosId


class BoxCode(StrEnum):
    """The causes, each with its remedy in docs/errors.md."""

    NO_FLOW = "ACQUIT_SANS_FLUX"
    NO_NOMFIC = "ACQUIT_SANS_NOMFIC"
    SEVERAL_OWNERS = "ACQUIT_PLUSIEURS_COLLECTIVITES"
    OTHER_ACQUIT = "ACQUIT_AUTRE"
    SAME_ACQUIT = "ACQUIT_IDENTIQUE"
    NO_SIRET = "RETOUR_SANS_SIRET"
    SIRET_UNKNOWN = "RETOUR_SIRET_INCONNU"
    SIRET_BLOCKED = "RETOUR_SIRET_BLOQUE"
    SIRET_SHARED = "RETOUR_SIRET_PARTAGE"
    OCRE = "FICHIER_OCRE"
    UNKNOWN_ROOT = "FICHIER_INCONNU"
    UNREADABLE = "FICHIER_ILLISIBLE"
    EMPTY = "FICHIER_VIDE"


AGAIN = frozenset({BoxCode.NO_FLOW, BoxCode.SIRET_UNKNOWN, BoxCode.SIRET_BLOCKED, BoxCode.SIRET_SHARED})
"""What may find its collectivité by itself later: these are looked at again."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something waits."""

    code: BoxCode
    detail: str


def no_flow(answer: DgfipReturn) -> Reason:
    """An acquit that answers nothing that we sent."""
    if not answer.nomfic:
        return Reason(BoxCode.NO_NOMFIC, "L'acquittement ne porte pas de NomFic.")
    return Reason(BoxCode.NO_FLOW, f"{_couple(answer)} n'est associé à aucune transaction dans la base de données")


def several_owners(answer: DgfipReturn) -> Reason:
    """An acquit that flows of several collectivités may have called for."""
    return Reason(BoxCode.SEVERAL_OWNERS, f"{_couple(answer)} ne désigne pas une seule collectivité.")


def other_acquit(flow: HeliosId, status: int) -> Reason:
    """Another acquit for a flow that has its own; it stays in the history of the flow."""
    return Reason(
        BoxCode.OTHER_ACQUIT, f"Autre acquittement pour la transaction {flow}, qui est à l'état {int(status)}."
    )


def same_acquit(answered: HeliosId, waiting: HeliosId) -> Reason:
    """The bytes of an acquit that one flow has, while another of the same names waits for its own."""
    return Reason(
        BoxCode.SAME_ACQUIT,
        f"Mêmes octets que l'acquittement de la transaction {answered}, alors que la transaction {waiting}, de même "
        "NomFic et CodCol, attend le sien.",
    )


def other_acquit_note(flow: HeliosId, name: str) -> str:
    """What the history of that flow says of it."""
    return f"Transaction {flow} : autre acquittement reçu ({name})"


def kept_acquit_note(flow: HeliosId, name: str) -> str:
    """What it says when an operator made it the acquit of the flow."""
    return f"Transaction {flow} : autre acquittement retenu ({name})"


def find_retour_owner(siret: str | None, holders: Sequence[tuple[AuthorityId, bool]]) -> AuthorityId | Reason:
    """Whose a PES_Retour is: the one that holds its SIRET (true: blocked there) without blocking it; never by SIREN."""
    if not siret:
        return Reason(BoxCode.NO_SIRET, "Le PES_Retour ne porte pas de SIRET (EnTetePES/IdColl).")
    free = [holder for holder, blocked in holders if not blocked]
    if len(free) == 1:
        return free[0]
    if free:
        detail = f"Le SIRET {siret} est associé à plusieurs collectivités. Le PES_Retour n'est donc pas attribué"
        return Reason(BoxCode.SIRET_SHARED, detail)
    detail = (
        f"La collectivité {siret} n'est pas abonnée à l'application Comptabilité Publique du TdT, elle n'est donc pas"
        " autorisée à recevoir le PES_Retour "
    )
    return Reason(BoxCode.SIRET_BLOCKED if holders else BoxCode.SIRET_UNKNOWN, detail)


def _couple(answer: DgfipReturn) -> str:
    return f"Le couple NomFic {answer.nomfic} et CodCol {answer.cod_col or ''}"
