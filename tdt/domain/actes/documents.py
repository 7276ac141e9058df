"""The words for documents that cannot be sent as they are, for whoever posted them."""

from tdt.domain.actes.status import INVALID_ENVELOPE
from tdt.domain.errors import Refused
from tdt.domain.tries import Killed

FAULTS = {
    "password": "est un PDF protégé par un mot de passe : le ministère ne pourrait pas l'ouvrir. "
    "Enregistrez-le sans mot de passe, puis déposez-le à nouveau.",
    "restricted": "est un PDF verrouillé (impression, copie ou modification restreinte) : le ministère le refuse. "
    "Enregistrez-le sans restriction, puis déposez-le à nouveau.",
    "damaged": "est un PDF endommagé ou incomplet : il ne peut pas être lu jusqu'au bout. "
    "Enregistrez-le à nouveau depuis le logiciel qui l'a produit, puis déposez-le.",
    "no_page": "est un PDF sans aucune page. Vérifiez le document, puis déposez-le à nouveau.",
}
"""By the fault that the inspection tells."""

ALTERED = "ACTE_ALTERE"
"""Code of what was refused, or set aside, because its stored bytes changed."""
ALTERED_FILE = "Le fichier {} a été altéré depuis son dépôt sur la plateforme : rien n'est transmis."
ALTERED_ARCHIVE = (
    "L'archive de l'acte a été altérée depuis sa préparation par la plateforme : elle n'est pas transmise."
)


def unreadable_pdf(file: str, fault: str) -> str:
    """The refusal of a PDF for this fault."""
    return f"{INVALID_ENVELOPE}Le fichier {file} {FAULTS[fault]}"


def too_much(file: str, killed: Killed) -> str:
    """The refusal of a document that no check survives."""
    return (
        f"{INVALID_ENVELOPE}Le fichier {file} n'a pas pu être contrôlé après {killed.tries} essais : {killed.reason}. "
        "Enregistrez-le plus simplement (nouvelle impression en PDF, images allégées), puis déposez-le à nouveau."
    )


def altered_file(file: str) -> Refused:
    """A file that is not the one that was deposited any more."""
    return Refused(INVALID_ENVELOPE + ALTERED_FILE.format(file), code=ALTERED)


def altered_archive() -> Refused:
    """An archive that is not the one that was built any more; no byte of it has left with this try."""
    return Refused(ALTERED_ARCHIVE, code=ALTERED, details={"unreached": True})
