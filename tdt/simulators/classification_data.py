"""The national classification of the simulated préfecture: natures, types of document, matières of two levels."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parent / "data" / "classification.txt"


@dataclass(frozen=True, slots=True)
class Nature:
    code: int
    abbreviation: str
    label: str
    types: dict[str, str]


@dataclass(frozen=True, slots=True)
class Matiere:
    code: int
    label: str
    children: dict[int, str]


@dataclass(frozen=True, slots=True)
class Classification:
    natures: dict[int, Nature]
    matieres: dict[int, Matiere]


@cache
def national_classification() -> Classification:
    natures: dict[int, Nature] = {}
    matieres: dict[int, Matiere] = {}
    entry: Nature | Matiere | None = None
    for line in SOURCE.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        key, _, rest = line.partition(" ")
        if key == "nature":
            code, abbreviation, label = rest.split(" ", 2)
            entry = natures[int(code)] = Nature(int(code), abbreviation, label, {})
        elif key == "matiere":
            code, label = rest.split(" ", 1)
            entry = matieres[int(code)] = Matiere(int(code), label, {})
        elif isinstance(entry, Nature):
            entry.types[key] = rest
        elif isinstance(entry, Matiere):
            entry.children[int(key)] = rest
    return Classification(natures, matieres)
