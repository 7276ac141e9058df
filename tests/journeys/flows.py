"""PES flows of any size, written piece by piece."""

import base64
import random
from collections.abc import Iterator
from pathlib import Path

HEAD = """<?xml version="1.0" encoding="ISO-8859-1"?>
<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller" Id="FLUX1"><Enveloppe><Parametres>\
<Version V="2"/><TypFic V="PESALR1"/><NomFic V="{nomfic}"/></Parametres><Emetteur><Sigle V="ESSAI"/><Adresse V="1.0"/>\
</Emetteur></Enveloppe><EnTetePES><DteStr V="2026-01-15"/><IdPost V="034000"/><IdColl V="12345678200010"/>\
<CodCol V="123"/><CodBud V="01"/></EnTetePES><PES_PJ><EnTetePES_PJ><IdVer V="1"/></EnTetePES_PJ>"""
PJ_HEAD = '<PJ><Contenu><Fichier MIMEType="application/pdf">'
PJ_TAIL = '</Fichier></Contenu><IdUnique V="{id}"/><NomPJ V="piece.pdf"/><TypePJ V="003"/><Description V="p"/></PJ>'
TAIL = "</PES_PJ></n:PES_Aller>\n"
BLOCK = 3 << 18


def write_pes(path: Path, nomfic: str, pieces: int, total: int) -> int:
    """A PES of this many PJ, about `total` bytes long and never longer; gives its exact size."""
    each = (total - len(HEAD) - len(nomfic) - len(TAIL)) // pieces - len(PJ_HEAD) - len(PJ_TAIL) - 40
    with path.open("wb") as file:
        file.write(HEAD.format(nomfic=nomfic).encode())
        for number in range(pieces):
            file.write(PJ_HEAD.encode())
            for block in _base64(random.Random(f"{nomfic}{number}"), each):
                file.write(block)
            file.write(PJ_TAIL.format(id=f"{nomfic}P{number}").encode())
        file.write(TAIL.encode())
    return path.stat().st_size


def small_pes(nomfic: str) -> bytes:
    """A PES of one small PJ."""
    content = b"".join(_base64(random.Random(nomfic), 400))
    piece = PJ_HEAD.encode() + content + PJ_TAIL.format(id=f"{nomfic}P0").encode()
    return HEAD.format(nomfic=nomfic).encode() + piece + TAIL.encode()


def _base64(generator: random.Random, size: int) -> Iterator[bytes]:
    block = base64.b64encode(generator.randbytes(min(BLOCK, size)))
    size = size // 4 * 4
    while size > 0:
        yield block[:size]
        size -= len(block)
