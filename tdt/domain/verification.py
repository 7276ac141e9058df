"""What a verification of the stored bodies may find: a stable code, who must act, what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tdt.domain.ids import AuthorityId
from tdt.domain.notice_text import Text


class Code(StrEnum):
    """What differs. Those of LEFTOVERS are no loss: nothing that anybody deposited or received is concerned."""

    DIGEST = "EMPREINTE_DIFFERENTE"
    SIZE = "TAILLE_INATTENDUE"
    CHUNK = "MORCEAU_ABSENT"
    SPOOL_FILE = "FICHIER_ABSENT"
    BODY = "CONTENU_ABSENT"
    SHA1 = "SHA1_DIFFERENT"
    ROW = "LIGNE_DIFFERENTE"
    ATTEMPT = "ENVOI_DIFFERENT"
    RECEPTION = "RECEPTION_DIFFERENTE"
    SCHEMAS = "SCHEMAS_DIFFERENTS"
    SPARE_FILE = "FICHIER_SANS_CONTENU"
    SPARE_BODY = "CONTENU_SANS_LIGNE"
    SPARE_CHUNK = "MORCEAU_SANS_CONTENU"


LEFTOVERS = frozenset({Code.SPARE_FILE, Code.SPARE_BODY, Code.SPARE_CHUNK})


@dataclass(frozen=True, slots=True)
class Advice:
    """What a code means, in French, and what to do; it is always the operator who must act."""

    message: str
    remedy: str


RESTORE = "Ne rien renvoyer ; restaurer ce contenu d'une sauvegarde (docs/operations.md, « Backup and restore »)."
ROW_REMEDY = "Comparer la ligne avec celle d'une sauvegarde et avec l'audit : l'une des deux a été modifiée à la main."

ADVICE: Mapping[Code, Advice] = {
    Code.DIGEST: Advice("Les octets conservés ne sont plus ceux qui ont été reçus.", RESTORE),
    Code.SIZE: Advice("Le contenu conservé est plus court ou plus long que ce qui a été reçu.", RESTORE),
    Code.CHUNK: Advice("Un morceau du contenu archivé manque, ou est en trop.", RESTORE),
    Code.SPOOL_FILE: Advice(
        "Le fichier du dépôt local qui porte ce contenu n'existe pas.",
        "Remettre le fichier de ce nom dans le dépôt local, d'une copie de celui-ci ; sinon, demander au déposant de "
        "déposer de nouveau.",
    ),
    Code.BODY: Advice("Une ligne désigne un contenu qui n'existe pas.", RESTORE),
    Code.SHA1: Advice("Le SHA-1 du PES n'est pas celui de ses octets.", ROW_REMEDY),
    Code.ROW: Advice("La taille que porte une ligne n'est pas celle de son contenu.", ROW_REMEDY),
    Code.ATTEMPT: Advice(
        "Ce qui a été envoyé à l'État n'est pas ce qui serait renvoyé aujourd'hui.",
        "Retenir ce flux avant tout renvoi ; comparer l'archive avec une sauvegarde.",
    ),
    Code.RECEPTION: Advice("Ce qui a été reçu de l'État n'est pas ce que sa ligne désigne.", ROW_REMEDY),
    Code.SCHEMAS: Advice("Un jeu de schémas n'est plus celui qui a été importé.", "Importer de nouveau ce jeu."),
    Code.SPARE_FILE: Advice(
        "Un fichier ancien du dépôt local n'est désigné par rien (dépôt refusé ou coupé).",
        "Rien : `tdt sweep` et les travailleurs le suppriment.",
    ),
    Code.SPARE_BODY: Advice("Un contenu n'est désigné par aucune ligne.", "Rien : il est conservé."),
    Code.SPARE_CHUNK: Advice(
        "Des morceaux archivés n'appartiennent à aucun contenu.",
        "Comparer avec une sauvegarde : un contenu a pu être supprimé à la main.",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `subject`: `content:12`, `attempt:3`, `spool:NAME`; `detail`: what was expected and found."""

    code: Code
    subject: str
    detail: str
    authority_id: AuthorityId | None = None

    @property
    def is_fault(self) -> bool:
        """Is something lost or altered? What is merely left over is told and harms nobody."""
        return self.code not in LEFTOVERS

    def told(self) -> dict[str, object]:
        """For JSON and for the alert."""
        advice = ADVICE[self.code]
        return {
            "code": self.code.value,
            "fault": self.is_fault,
            "subject": self.subject,
            "authority": self.authority_id,
            "message": advice.message,
            "detail": self.detail,
            "who": "l'exploitant",
            "remedy": advice.remedy,
        }


def write_alert(findings: int, shown: list[Finding], number: int, platform: str) -> Text:
    """The mail to the operators."""
    lines = [f"{one.code} {one.subject} : {one.detail}" for one in shown]
    more = [f"… et {findings - len(shown)} autres."] if findings > len(shown) else []
    text = [
        f"La vérification n° {number} des contenus conservés a trouvé {findings} différence(s).",
        "",
        *lines,
        *more,
        "",
        "À faire par l'exploitant : `tdt verify --show` donne, pour chacune, sa cause et son remède. Ne rien renvoyer "
        "à l'État de ce qui est concerné avant d'avoir compris.",
        platform,
    ]
    return Text(f"Contenus altérés ou manquants : {findings}", "\n".join(text) + "\n")
