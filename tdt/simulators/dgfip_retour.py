"""Write a PES_Retour (dépense, recette, ASAP) for one collectivité, under the name the DGFiP gives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree

from tdt.simulators.dgfip_acquit import PARIS, RETOUR, serialise

KINDS = ("depense", "recette", "asap")

# The collectivité of a SIRET whose flows were never seen.
UNKNOWN = {"IdPost": "034000", "CodCol": "123", "CodBud": "01", "LibelleColBud": "COLLECTIVITE DE SIMULATION"}

Tree = list[tuple[str, "str | Tree"]]


@dataclass(frozen=True, slots=True)
class Retour:
    name: str
    content: bytes


def build_retour(siret: str, kind: str, header: Mapping[str, str], instant: datetime) -> Retour:
    """`header`: the EnTetePES of the last flow of this SIRET, empty when there was none."""
    known = {**UNKNOWN, **{name: value for name, value in header.items() if value}}
    moment = instant.astimezone(PARIS)
    name = _name(siret, kind, known, moment)
    file_type = name[: len("PES2R_DEP")]
    root = etree.Element(f"{{{RETOUR}}}PES_Retour", nsmap={"n": RETOUR})
    parameters: Tree = [("Version", "1"), ("TypFic", file_type), ("NomFic", name)]
    today = f"{moment:%Y-%m-%d}"
    identity: Tree = [
        ("DteStr", today),
        ("IdPost", known["IdPost"]),
        ("IdColl", siret),
        ("CodColl", known["CodCol"]),
        ("CodBud", known["CodBud"]),
        ("LibelleColBud", known["LibelleColBud"]),
    ]
    day_before = f"{moment - timedelta(days=1):%Y-%m-%d}"
    block = {"depense": _expense, "recette": _revenue, "asap": _invoice}[kind](siret, f"{moment:%Y}", day_before)
    _write(root, [("Enveloppe", [("Parametres", parameters)]), ("EnTetePES", identity), block])
    return Retour(name, serialise(root))


def _name(siret: str, kind: str, header: Mapping[str, str], moment: datetime) -> str:
    place = f"{header['CodCol']}_{header['CodBud']}"
    dates = f"{moment - timedelta(days=1):%Y%m%d}_{moment:%Y%m%d}_{moment:%Y%m%d%H%M%S}"
    if kind == "asap":
        return f"PES2R_FCT_ASAPTitresRejetes_{place}_{siret}_{header['IdPost']}_{dates}.xml"
    return f"PES2R_{'DEP' if kind == 'depense' else 'RCE'}_P_{place}_{header['IdPost']}_{dates}.xml"


def _write(parent: etree._Element, tree: "Tree") -> None:
    for name, content in tree:
        element = etree.SubElement(parent, name)
        if isinstance(content, str):
            element.set("V", content)
        else:
            _write(element, content)


def _expense(_siret: str, year: str, day: str) -> tuple[str, Tree]:
    line: Tree = [
        (
            "BlocLignePiece",
            [
                ("InfoLignePiece", [("IdLigne", "1"), ("EtatLigPce", "08"), ("MtHT", "100.00"), ("MtTVA", "20.00")]),
                ("InfoPaiement", [("NbrPay", "1"), ("MtPayTot", "120.00")]),
            ],
        ),
        ("PaiementEmargement", [("OrgEma", "01"), ("DtePay", day), ("MtPay", "120.00")]),
    ]
    piece: Tree = [
        (
            "InfoPiece",
            [("IdPce", "1"), ("TypPce", "01"), ("NatPce", "01"), ("DtePcePec", day), ("EtatPce", "05")],
        ),
        ("LigneDePiece", line),
    ]
    return "PES_DepenseRetour", [_heading("EnTeteDepense"), _bordereau(year, piece)]


def _revenue(_siret: str, year: str, day: str) -> tuple[str, Tree]:
    line: Tree = [
        (
            "BlocLignePiece",
            [
                ("InfoLignePiece", [("IdLigne", "1"), ("EtatLigPce", "05"), ("MtHT", "50.00")]),
                ("InfoRecouvrement", [("NbrReco", "1"), ("MtRecoTot", "50.00")]),
            ],
        ),
        ("EncaissementEmargement", [("OrgEma", "02"), ("DteReco", day), ("MtReco", "50.00")]),
    ]
    piece: Tree = [
        (
            "BlocPiece",
            [("IdPce", "1"), ("TypPce", "01"), ("NatPce", "01"), ("DtePcePec", day), ("EtatPce", "02")],
        ),
        ("LigneDePiece", line),
    ]
    return "PES_RecetteRetour", [_heading("EnTeteRecette"), _bordereau(year, piece)]


def _invoice(siret: str, year: str, day: str) -> tuple[str, Tree]:
    invoice: Tree = [
        ("IdUniquePJASAP", f"{siret}ASAP0001"),
        ("Exer", year),
        ("IdBord", "1"),
        ("TypBord", "01"),
        ("IdPce", "1"),
        ("TypPce", "01"),
        ("Rejet", [("DateRejet", day), ("MotifRejetPostalisation", "02")]),
    ]
    return "PES_AsapRetour", [("EnTeteAsap", [("IdVer", "2")]), ("Asap", invoice)]


def _heading(name: str) -> tuple[str, Tree]:
    return name, [("TypRestit", "02"), ("IdVer", "2"), ("NatInf", "2")]


def _bordereau(year: str, piece: Tree) -> tuple[str, Tree]:
    return "Bordereau", [("BlocBordereau", [("Exer", year), ("IdBord", "1"), ("TypBord", "01")]), ("Piece", piece)]
