"""What `actes_transac_reponse_create.php` checks of an answer to a letter, in S2LOW's order and words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tdt.domain.actes import filetype
from tdt.domain.actes.model import MessageCode, PostedFile
from tdt.domain.errors import Refused

_CODE_PJ = re.compile(r"[A-Z0-9_]{5}", re.ASCII)
COURRIER_SIMPLE = 2
"""The `type_reponse` of an answer to a courrier simple: S2LOW gives it one, lest it be taken for a letter."""

_CHOICES = {"3": 3, "4": 4}


@dataclass(frozen=True, slots=True)
class Reply:
    """The form, decoded but not yet judged: every value as text, empty when absent."""

    type_envoie: str
    type_acte: str
    acte: PostedFile | None
    attachments: tuple[PostedFile, ...] = ()
    type_pj: tuple[str, ...] = ()
    acte_signature: str = ""
    attachment_signatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedPiece:
    """A file of an answer that may leave; `index` is its place among those posted, the act first."""

    index: int
    code_pj: str
    mime: str
    signature: str


@dataclass(frozen=True, slots=True)
class CheckedReply:
    """An answer that passed: its message code (`3-4`), S2LOW's type_reponse, the files that travel."""

    code: str
    type_reponse: int
    pieces: tuple[CheckedPiece, ...]


def check_reply(reply: Reply, kind: int) -> CheckedReply:
    """Judge an answer to a letter of this type (2, 3, 4). Raises Refused with exactly the text that S2LOW answers."""
    if reply.acte is None or not reply.acte.posted_filename:
        raise Refused("Envoi de fichier illégal.")
    _check_codes(reply)
    posted = [reply.acte, *reply.attachments]
    for file in posted:
        mime = filetype.sniff(file.head)
        if not filetype.extension(mime):
            fault = f'Le fichier de réponse " {file.posted_filename} " est de type " {mime} ".'
            raise Refused(
                f"Erreur de validation du fichier de l'acte :\n{fault} Fichier PDF, XML, PNG ou JPEG requis.\n"
            )
    code, type_reponse = _code(reply, kind)
    # S2LOW takes annexes for pieces complémentaires only; Pastell posts again those of its former answers
    sent = posted if code == "3-4" else posted[:1]
    signatures = [reply.acte_signature, *reply.attachment_signatures]
    codes = [reply.type_acte, *reply.type_pj]
    return CheckedReply(
        code,
        type_reponse,
        tuple(
            CheckedPiece(
                index,
                codes[index],
                filetype.sniff(file.head),
                signatures[index].rstrip() if index < len(signatures) else "",
            )
            for index, file in enumerate(sent)
        ),
    )


def _check_codes(reply: Reply) -> None:
    if not reply.type_acte:
        # in the other dialect of this page too, this one refusal is said as everywhere
        raise Refused("Erreur lors de la réception du fichier : typologie absente", details={"reply": True})
    codes: Sequence[str] = reply.type_pj
    for index, file in enumerate(reply.attachments):
        if index >= len(codes) or not codes[index]:
            message = f"Erreur lors de la réception du fichier annexe {file.posted_filename} : typologie absente"
            raise Refused(message, details={"reply": True})
    for code in (reply.type_acte, *codes[: len(reply.attachments)]):
        if not _CODE_PJ.fullmatch(code):
            raise Refused("Erreur de validation du fichier de l'acte :\nLe code de la PJ doit faire 5 caractères\n")


def _code(reply: Reply, kind: int) -> tuple[str, int]:
    if kind == MessageCode.COURRIER_SIMPLE:
        return "2-2", COURRIER_SIMPLE
    if kind not in (MessageCode.PIECES_COMPLEMENTAIRES, MessageCode.LETTRE_OBSERVATIONS):
        raise Refused("Erreur lors de la génération de l'acte : Mauvais type de transaction.")
    if reply.type_envoie not in _CHOICES:
        raise Refused("Erreur lors de la génération de l'acte : Vous devez choisir un type de réponse")
    choice = _CHOICES[reply.type_envoie]
    return f"{kind}-{choice}", choice
