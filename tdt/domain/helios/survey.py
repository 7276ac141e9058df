"""What a file of the DGFiP says of itself, for whoever must find out whose it is: names, numbers, how much it holds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tdt.domain.helios.stream import Observer, ScanTarget
from tdt.domain.xml import local_name

MAX_TOLD = 200
"""Characters of one value; the values of the schemas are far shorter."""
MOST = 20
"""Values kept of one kind."""

_CLUES: Mapping[str, str] = {
    # by local name in lower case: roots that are not routed write them their own way
    "idcoll": "sirets",
    "idcollben": "sirets",
    "siret": "sirets",
    "idpost": "posts",
    "codique": "posts",
    "codcol": "columns",
    "codcoll": "columns",
}
_ROUTED = frozenset({"pes_acquit", "pes_nonacquit", "pes_retour", "pes_aller"})
_COUNTED = frozenset({"ElementACQUIT", "Bordereau", "Piece", "PJ", "Client", "Asap"})
_SIRET_IN_NAME = re.compile(r"(?<![0-9])[0-9]{14}(?![0-9])", re.ASCII)
_DATES_IN_NAME = re.compile(r"20[0-9]{12}", re.ASCII)
# PES2R_DEP_P_710_20_044090_20250307_…: CodColl, CodBud, codique
_RETOUR_NAME = re.compile(r"PES2R_[A-Z]+_[A-Za-z]+_([0-9]{3})_[0-9A-Z][0-9]_(?:[0-9]{14}_)?([0-9][0-9AB][0-9]{4,5})_")


class Survey(ScanTarget):
    """The scan of a document, with the numbers that it holds anywhere and how many of its elements there are."""

    def __init__(self, observer: Observer | None = None) -> None:
        super().__init__(observer)
        self._elements = 0
        self._counts: dict[str, int] = {}
        self._clues: dict[str, dict[str, None]] = {}
        self._kinds: dict[str, tuple[str, str]] = {}

    def start(self, tag: str, attributes: Mapping[str, str], namespaces: Mapping[str | None, str]) -> None:
        super().start(tag, attributes, namespaces)
        self._elements += 1
        kind = self._kinds.get(tag)
        if kind is None:
            name = local_name(tag)
            kind = self._kinds[tag] = (name if name in _COUNTED else "", _CLUES.get(name.lower(), ""))
        counted, clue = kind
        if counted:
            self._counts[counted] = self._counts.get(counted, 0) + 1
        if clue:
            values = self._clues.setdefault(clue, {})
            value = attributes.get("V", "").strip()
            if value and len(values) < MOST:
                values[value[:MAX_TOLD]] = None

    def tell(self) -> Mapping[str, object]:
        """As it is kept beside the reception."""
        scan = self.scan
        if not scan.root:
            return {}
        told: dict[str, object] = {"root": scan.root[:MAX_TOLD], "namespace": scan.namespace[:MAX_TOLD]}
        told |= {name: value[:MAX_TOLD] for name, value in scan.values.items()}
        told |= {"children": [name[:MAX_TOLD] for name in list(scan.children)[:MOST]], "elements": self._elements}
        if self._counts:
            told["counts"] = dict(sorted(self._counts.items()))
        if scan.root.lower() not in _ROUTED:
            # in an acquit or a PES_Retour those of the body are the numbers of the tiers
            told |= {name: list(values) for name, values in self._clues.items()}
        return told


@dataclass(frozen=True, slots=True)
class Clues:
    """Whose a file may be, the surest clue first; nothing of it is proof, it spares an operator the search."""

    nomfic: str
    sirets: tuple[str, ...]
    couples: tuple[tuple[str, str], ...]
    """(IdPost, CodCol)."""


def find_clues(said: Mapping[str, object], name: str) -> Clues:
    """What a file and its name tell."""
    sirets = [_text(said, "id_coll"), *_list(said, "sirets")]
    posts = [_text(said, "id_post"), *_list(said, "posts")]
    columns = [_text(said, "cod_col"), *_list(said, "columns")]
    sirets += [found for found in _SIRET_IN_NAME.findall(name) if not _DATES_IN_NAME.fullmatch(found)]
    couples = [(post, column) for post in posts for column in columns if post and column]
    couples += [(post, column) for column, post in _RETOUR_NAME.findall(name)]
    return Clues(
        _text(said, "nomfic"),
        tuple(dict.fromkeys(one for one in sirets if len(one) == 14 and one.isascii() and one.isdigit())),
        tuple(dict.fromkeys(couples))[:MOST],
    )


def _text(said: Mapping[str, object], key: str) -> str:
    return str(said.get(key) or "").strip()


def _list(said: Mapping[str, object], key: str) -> list[str]:
    found = said.get(key)
    return [str(one) for one in found] if isinstance(found, Sequence) and not isinstance(found, str) else []
