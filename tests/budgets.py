"""Budgets in XML of our own making: sealed by libxml2's canonical form, which the program does not use; or damaged."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from lxml import etree

from tests.xsd import shared_directory

NAMESPACE = "http://www.minefi.gouv.fr/cp/demat/docbudgetaire"
SIREN = "123456782"
STEP = "   "

Line = tuple[str, str, dict[str, str]]
"""Account by nature, R or D, amounts and other elements by name."""
LINES: Sequence[Line] = (
    ("60612", "D", {"ContNat": "011", "MtBudgPrec": "1000.00", "MtPropNouv": "1200.10", "MtPrev": "1200.10"}),
    ("65311", "D", {"ContNat": "65", "MtPropNouv": "-0.10", "MtPrev": "-0.10"}),
    ("73111", "R", {"ContNat": "731", "MtPropNouv": "1200.00", "MtPrev": "1200.00"}),
    ("2158", "D", {"ContNat": "21", "MtPropNouv": "300", "MtPrev": "300"}),
    ("021", "R", {"ContNat": "021", "MtPropNouv": "300.00", "MtPrev": "300.00", "OpBudg": "1"}),
)


def budget(
    siret: str = f"{SIREN}00010",
    exercice: str = "2026",
    decision: str = "01",
    nomenclature: str = "M57-M57_A",
    lines: Sequence[Line] = LINES,
    city: str = "COMMUNE D'ÉTÉ & Cie",
) -> bytes:
    """A budget as TotEM lays it out, not sealed yet."""
    city = city.replace("&", "&amp;")
    head = (
        f'<DocumentBudgetaire xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<VersionSchema V="100"/><BlocEditeur><CodeEditeur V="EXEMPLE"/></BlocEditeur>'
        '<VersionOutil outil="DSC_COMMON" version="30"/><VersionOutil outil="REMAT" version="4_2026"/>'
        '<EnTeteDocBudgetaire><DteStr V="2026-03-01"/><LibellePoste V="TRESORERIE"/><IdPost V="034000"/>'
        f'<LibelleColl V="{city}"/><IdColl V="{siret}"/><NatCEPL V="Commune"/><Departement V="034"/>'
        f'</EnTeteDocBudgetaire><Budget><EnTeteBudget><LibelleEtab V="{city}"/><CodColl V="001"/><CodBud V="00"/>'
        f'<Nomenclature V="{nomenclature}"/></EnTeteBudget><BlocBudget><NatDec V="{decision}"/><Exer V="{exercice}"/>'
        '<DteDec V="2026-03-09"/><BudgPrec V="1"/><ReprRes V="1"/><NatFonc V="3"/><CodTypBud V="P"/></BlocBudget>'
        "<InformationsGenerales/>"
    )
    tail = "</Budget></DocumentBudgetaire>"
    root = etree.fromstring(head + "".join(_line(*line) for line in lines) + tail)
    return written(root)


ORDER = (
    "Groupe", "Nature", "ContNat", "ArtSpe", "CodRD", "MtBudgPrec", "MtRARPrec", "MtPropNouv", "MtPrev", "CredOuv",
    "MtReal", "MtRAR3112", "OpBudg",
)  # fmt: skip
"""As the schema wants it."""


def _line(account: str, sense: str, more: dict[str, str]) -> str:
    values = {"Nature": account, "ArtSpe": "false", "CodRD": sense, "OpBudg": "0"} | more
    elements = "".join(f'<{name} V="{values[name]}"/>' for name in ORDER if values.get(name))
    return f"<LigneBudget>{elements}</LigneBudget>"


def written(root: etree._Element) -> bytes:
    """Indented and encoded as TotEM does."""
    etree.indent(root, STEP)
    return _encoded(root)


def sealed(data: bytes, date: str = "2026-03-10T09:30:00") -> bytes:
    """The same with the seal that TotEM would put, on a line of its own."""
    canonical = etree.tostring(etree.fromstring(data), method="c14n", with_comments=False)
    md5, sha1 = (hashlib.new(name, canonical, usedforsecurity=False).hexdigest() for name in ("md5", "sha1"))
    seal = f'<Scellement md5="{md5.upper()}" sha1="{sha1.upper()}" date="{date}"/>\n{STEP}'.encode()
    return data.replace(b"<EnTeteDocBudgetaire>", seal + b"<EnTeteDocBudgetaire>", 1)


def minified(data: bytes) -> bytes:
    """What a tool that drops the indentation makes of it."""
    root = etree.fromstring(data, etree.XMLParser(remove_blank_text=True))
    return _encoded(root)


def _encoded(root: etree._Element) -> bytes:
    data = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=True)
    assert isinstance(data, bytes)
    return data


def official_schema(version: str, directory: Path) -> etree.XMLSchema | None:
    """The State's schema of budgets where the reference is present, made readable by libxml2 in `directory`.

    Its declaration of CodeEditeur is dropped, which libxml2 finds ambiguous beside its sibling xs:any that covers it.
    """
    origin = shared_directory() / "data/actes/xsd" / version
    if not origin.is_dir():
        return None
    folder = directory / version
    shutil.copytree(origin, folder, copy_function=shutil.copyfile)
    tree = etree.parse(str(origin / "Class_DocumentBudgetaire.xsd"))
    [block] = [one for one in tree.iter("{*}complexType") if one.get("name") == "TBlocEditeur"]
    for element in [one for one in block.iter("{*}element") if one.get("name") == "CodeEditeur"]:
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
    tree.write(str(folder / "Class_DocumentBudgetaire.xsd"))
    return etree.XMLSchema(etree.parse(str(folder / "DocumentBudgetaire.xsd")))
