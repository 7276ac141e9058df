"""Write a PES_Retour for one collectivité (dépense, recette, client, ASAP), under the name the DGFiP gives it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree

from tdt.simulators.dgfip_acquit import PARIS, RETOUR, serialise
from tdt.simulators.dgfip_retour_blocks import BLOCKS, STATES, Said, Tree

KINDS = tuple(BLOCKS)
RESTITUTIONS = ("R", "P", "S")
"""Rejects of the day, changes of the period, stock (of recette only)."""
LARGEST = 512 << 20
INVOICES = {"R": "Rejetes", "P": "PostalisesNotifies"}
SEQUENCES: Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]] = {
    "paid": {"depense": (("P", "01"), ("P", "02"), ("P", "05")), "recette": (("P", "01"), ("P", "02"), ("S", "02"))},
    "rejected": {"depense": (("P", "01"), ("R", "04")), "recette": (("P", "01"), ("R", "04"))},
}
"""What becomes of the pièces of an accepted flow: the files of the days that follow, and the state of each."""

# The collectivité of a SIRET whose flows were never seen.
UNKNOWN = {"IdPost": "034000", "CodCol": "123", "CodBud": "01", "LibelleColBud": "COLLECTIVITE DE SIMULATION"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written. `state` is that of the pièces, empty: the usual one of this restitution.

    `reissue`: sent a second time by the DGFiP; `orders`: of rôles (ORMC); `size`: bytes that it has at least.
    """

    siret: str
    kind: str
    restitution: str = "P"
    state: str = ""
    reissue: bool = False
    orders: bool = False
    size: int = 0

    def fault(self) -> str:
        """Why such a file does not exist, or nothing."""
        if self.kind not in KINDS:
            return f"kind must be one of {', '.join(KINDS)}"
        if self.restitution not in RESTITUTIONS or (self.restitution == "S" and self.kind != "recette"):
            return "restitution must be R or P; S for a recette"
        if self.state and self.state not in STATES.get(self.kind, ()):
            return f"state must be one of {', '.join(STATES.get(self.kind, ()))}"
        if self.orders and self.kind not in ("recette", "asap"):
            return "orders is for a recette, or for invoices"
        if self.size and self.kind not in ("depense", "recette"):
            return "size is for a dépense or a recette"
        return ""


@dataclass(frozen=True, slots=True)
class Retour:
    name: str
    content: bytes


def build_retour(
    wanted: Wanted, header: Mapping[str, str], instant: datetime, sent: Mapping[str, str] | None = None
) -> Retour:
    """`header`: the EnTetePES of the last flow of this SIRET, empty when there was none; `sent`: its first pièce."""
    known = {**UNKNOWN, **{name: value for name, value in header.items() if value}}
    moment = instant.astimezone(PARIS)
    name = _name(wanted, known, moment)
    root = etree.Element(f"{{{RETOUR}}}PES_Retour", nsmap={"n": RETOUR})
    parameters: Tree = [("Version", "1"), ("TypFic", name[: len("PES2R_DEP")]), ("NomFic", name)]
    identity: Tree = [
        ("DteStr", f"{moment:%Y-%m-%d}"),
        ("IdPost", known["IdPost"]),
        ("IdColl", wanted.siret),
        ("CodColl", known["CodCol"]),
        ("CodBud", known["CodBud"]),
        ("LibelleColBud", known["LibelleColBud"]),
    ]
    said = Said(wanted.siret, wanted.restitution, wanted.state, wanted.orders, moment, sent or {})
    _write(root, [("Enveloppe", [("Parametres", parameters)]), ("EnTetePES", identity), BLOCKS[wanted.kind](said)])
    return Retour(name, _fill(serialise(root), wanted.size))


def _name(wanted: Wanted, header: Mapping[str, str], moment: datetime) -> str:
    place = f"{header['CodCol']}_{header['CodBud']}"
    dates = f"{moment - timedelta(days=1):%Y%m%d}_{moment:%Y%m%d}_{moment:%Y%m%d%H%M%S}"
    again = "R" if wanted.reissue else ""
    if wanted.kind == "asap":
        what = f"{again}ASAP{'ORMC' if wanted.orders else 'Titres'}{INVOICES[wanted.restitution]}"
        return f"PES2R_FCT_{what}_{place}_{wanted.siret}_{header['IdPost']}_{dates}.xml"
    what = "CO" if wanted.kind == "client" else wanted.restitution + ("O" if wanted.orders else "")
    domain = "DEP" if wanted.kind == "depense" else "RCE"
    return f"PES2R_{domain}_{again}{what}_{place}_{header['IdPost']}_{dates}.xml"


def _fill(content: bytes, size: int) -> bytes:
    """The same pièce again and again under other numbers, until the file has this size."""
    found = re.search(rb" *<Piece>.*?</Piece>\n", content, re.DOTALL)
    if size <= len(content) or found is None:
        return content
    piece = found[0]
    many = -(-(size - len(content)) // len(piece))
    more = b"".join(re.sub(rb'<IdPce V="\d+"', b'<IdPce V="%d"' % number, piece) for number in range(2, many + 2))
    return content[: found.end()] + more + content[found.end() :]


def _write(parent: etree._Element, tree: Tree) -> None:
    for name, content in tree:
        element = etree.SubElement(parent, name)
        if isinstance(content, str):
            element.set("V", content)
        else:
            _write(element, content)
