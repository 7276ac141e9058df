"""A flow that waits for its signature: what is accepted in its place, who may give it up. Rules and words."""

from tdt.domain.errors import Refused
from tdt.domain.helios.encoding import find_contradiction, is_announced
from tdt.domain.helios.model import HeliosStatus as S
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.ids import HeliosId
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

UNKNOWN = "Numéro de transaction invalide."
CANCELLED = "Abandonné avant sa télétransmission par "
CODE = "PES_SIGNE_REFUSE"
CANCELLABLE = frozenset({S.EN_ATTENTE_D_ETRE_SIGNE, S.EN_ATTENTE_D_ETRE_TELETRANSMIS})


def check_waits(status: S, flow: HeliosId) -> None:
    """Raises Refused unless the flow waits for its signature."""
    if status is not S.EN_ATTENTE_D_ETRE_SIGNE:
        raise Refused(
            f"La transaction {flow} n'attend pas de signature : elle est à l'état {int(status)} "
            f"(« {STATUS_LABELS[status]} »).",
            code="PES_N_ATTEND_PAS",
        )


def not_waiting(flow: HeliosId) -> Refused:
    """For who comes second of two at once."""
    return Refused(f"La transaction {flow} n'attend plus de signature.", code="PES_N_ATTEND_PAS")


def check_cancellable(status: S, flow: HeliosId) -> None:
    """Raises Refused unless the flow still waits for somebody of the collectivité."""
    if status not in CANCELLABLE:
        raise Refused(
            f"La transaction {flow} n'attend ni signature, ni télétransmission : elle est à l'état {int(status)} "
            f"(« {STATUS_LABELS[status]} ») et ne s'abandonne plus.",
            code="PES_N_ATTEND_PAS",
        )


def cancelled(name: str) -> str:
    """Words of the workflow."""
    return f"{CANCELLED}{name}."[:WORKFLOW_MESSAGE_LENGTH]


def not_signed() -> Refused:
    """The document has no signature."""
    text = "Le fichier ne porte pas de signature : déposez le flux une fois signé (XAdES, élément ds:Signature)."
    return Refused(text, code=CODE)


def check_encoding(head: bytes) -> None:
    """The analysis would turn the flow to an error: what was deposited would be lost. Raises Refused."""
    if find_contradiction(head) or not is_announced(head):
        text = (
            "Le fichier signé n'est pas déclaré en ISO-8859-1 : l'outil de signature l'a réécrit. "
            "Signez-le sans en changer l'encodage."
        )
        raise Refused(text, code=CODE)


def check_compared(fault: str, readable: bool, same: bool, signatures: int) -> None:
    """What the comparison with the deposited document found. Raises Refused."""
    if fault:
        raise Refused("Le fichier signé ne peut pas être lu comme un flux XML.", code=CODE, details={"reason": fault})
    if not readable:
        text = (
            "Le flux déposé ne peut pas être lu comme un flux XML : rien ne peut en être signé. "
            "Abandonnez-le et déposez un flux lisible."
        )
        raise Refused(text, code=CODE)
    if not signatures:
        raise not_signed()
    if not same:
        text = (
            "Le fichier signé n'est pas le flux déposé : une fois ses signatures ôtées, il dit autre chose. "
            "Signez le flux tel que la plate-forme le rend (helios_download_file.php), ou abandonnez-le et "
            "déposez l'autre."
        )
        raise Refused(text, code=CODE)
