"""One pass over a budget in XML, chunk by chunk: its headers, the sums of its lines, both digests of its seal."""

import hashlib
import re
from collections.abc import Sequence
from decimal import Decimal

from tdt.domain.actes.budget import (
    AMOUNTS,
    NAMESPACE,
    ROOT,
    Budget,
    BudgetUnreadable,
    NotBudget,
    Seal,
    Section,
    Sense,
    Total,
    section_of,
)
from tdt.domain.canonical import Canonical, Indented
from tdt.domain.xml import XmlError, feed_names, name_parser

STEP = "   "
"""TotEM indents by three spaces."""
HEADERS = {
    ("EnTeteDocBudgetaire",): frozenset({"LibelleColl", "IdColl", "NatCEPL"}),
    ("Budget", "EnTeteBudget"): frozenset({"LibelleEtab", "IdEtab", "CodBud", "Nomenclature"}),
    ("Budget", "BlocBudget"): frozenset({"NatDec", "NumDec", "Exer", "ProjetBudget", "DteDec", "CodTypBud"}),
}
SINGLE = frozenset({"Scellement", "EnTeteDocBudgetaire", "Budget", "EnTeteBudget", "BlocBudget"})
LENGTH = 200
"""Of a value that is kept: the schema stops at 100."""

_AMOUNT = re.compile(r"\s*([+-]?[0-9]{1,14}(?:\.[0-9]{1,6})?)\s*")
_SENSES: dict[str, Sense] = {"R": "recettes", "D": "depenses"}


class _Print:
    """MD5 and SHA-1 of canonical text, which comes in small pieces."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._pieces: list[str] = []
        self.write = self._pieces.append

    def flush(self) -> None:
        """Digest what has come since the last time."""
        data = "".join(self._pieces).encode()
        self._pieces.clear()
        self._md5.update(data)
        self._sha1.update(data)

    def equals(self, seal: Seal) -> bool:
        """Whether these are the digests of the seal, whatever the case of their letters."""
        self.flush()
        found = (self._md5.hexdigest(), self._sha1.hexdigest())
        return found == (seal.md5.strip().lower(), seal.sha1.strip().lower())


class BudgetReader:
    """Feed it the file, then close it. `indented` digests the file as TotEM would have indented it."""

    def __init__(self, indented: bool = False):
        self._budget = Budget()
        self._print = _Print()
        self._canonical = Canonical(self._print.write)
        self._layout = Indented(self._canonical, STEP) if indented else None
        self._out = self._layout or self._canonical
        self._indented = indented
        self._path: list[str] = []
        self._seen: set[str] = set()
        self._line: dict[str, str] = {}
        self._skipped = 0
        """Elements open in Scellement, itself included: none of it counts for the digests."""
        self._tail: str | None = None
        """Text after Scellement, while it may be blank: that goes with it."""
        self._parser = name_parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.ProcessingInstructionHandler = self._instruction
        self._parser.CommentHandler = self._comment

    def feed(self, chunk: bytes) -> None:
        """Read on. Raises BudgetUnreadable."""
        self._parse(chunk, final=False)
        self._print.flush()

    def close(self) -> Budget:
        """The end of the file. Raises BudgetUnreadable."""
        self._parse(b"", final=True)
        budget = self._budget
        if budget.seal is not None and self._print.equals(budget.seal):
            budget.sealed_as = "indented" if self._indented else "written"
        return budget

    def _parse(self, data: bytes, final: bool) -> None:
        try:
            feed_names(self._parser, data, final)
        except XmlError as error:
            raise BudgetUnreadable(str(error)) from error

    # --- what the parser calls

    def _start(self, name: str, attributes: Sequence[str]) -> None:
        if self._skipped:
            raise BudgetUnreadable("Scellement is not empty")
        self._end_tail()
        path = self._path
        if len(path) == 1 and name.rpartition(":")[2] == "Scellement":
            self._read_seal(attributes)
            self._skipped = 1
            return
        self._out.start(name, attributes)
        local = name.rpartition(":")[2]
        if not path and (local != ROOT or self._canonical.namespace(name) != NAMESPACE):
            raise NotBudget(f"the root is {name[:LENGTH]}")
        path.append(local)
        if 2 <= len(path) <= 4:
            self._read(path, attributes)

    def _end(self, name: str) -> None:
        if self._skipped:
            self._skipped, self._tail = 0, ""
            return
        self._end_tail()
        self._out.end(name)
        if len(self._path) == 3 and self._path[2] == "LigneBudget":
            self._add_line()
        self._path.pop()

    def _text(self, data: str) -> None:
        if self._skipped:
            if data.strip():
                raise BudgetUnreadable("Scellement is not empty")
        elif self._tail is not None:
            self._tail += data
        else:
            self._out.text(data)

    def _instruction(self, target: str, data: str) -> None:
        self._end_tail()
        self._out.instruction(target, data)

    def _comment(self, _data: str) -> None:
        self._end_tail()
        if self._layout is not None:
            self._layout.comment()

    def _end_tail(self) -> None:
        tail, self._tail = self._tail, None
        if tail and tail.strip():
            self._out.text(tail)

    # --- what is kept

    def _read_seal(self, attributes: Sequence[str]) -> None:
        self._once("Scellement")
        values = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self._budget.seal = Seal(*(values.get(key, "")[:LENGTH] for key in ("md5", "sha1", "date")))

    def _read(self, path: list[str], attributes: Sequence[str]) -> None:
        """An element of the second to the fourth level."""
        local = path[-1]
        if local in SINGLE and len(path) <= 3:
            self._once(local)
        if len(path) == 4 and path[2] == "LigneBudget":
            self._line[local] = _value(attributes, "V")
        elif local in HEADERS.get(tuple(path[1:-1]), ()):
            if local in self._budget.values:
                raise BudgetUnreadable(f"{local} stands twice")
            self._budget.values[local] = _value(attributes, "V")[:LENGTH]
        elif len(path) == 2 and local == "VersionSchema":
            self._budget.schema = _value(attributes, "V")[:LENGTH]
        elif len(path) == 2 and local == "VersionOutil" and len(self._budget.tools) < 100:
            self._budget.tools.append((_value(attributes, "outil")[:LENGTH], _value(attributes, "version")[:LENGTH]))

    def _once(self, name: str) -> None:
        if name in self._seen:
            raise BudgetUnreadable(f"{name} stands twice")
        self._seen.add(name)

    def _add_line(self) -> None:
        line, self._line = self._line, {}
        budget = self._budget
        account = line.get("Nature", "")
        # TotEM adds lines that only repeat the sums of a chapter or of a group
        if line.get("OpBudg") == "T" or (not account and "Groupe" in line):
            budget.total_lines += 1
            return
        budget.lines += 1
        section: Section = section_of(budget.values.get("Nomenclature", ""), account or line.get("ContNat", ""))
        total = budget.totals.setdefault((section, _SENSES.get(line.get("CodRD", ""), "inconnu")), Total())
        total.lines += 1
        for name in AMOUNTS:
            if name in line:
                self._add_amount(total, name, line[name])

    def _add_amount(self, total: Total, name: str, text: str) -> None:
        match = _AMOUNT.fullmatch(text)
        if match is None:
            self._budget.unread_amounts += 1
        else:
            total.amounts[name] = total.amounts.get(name, Decimal(0)) + Decimal(match[1])


def _value(attributes: Sequence[str], name: str) -> str:
    for key, value in zip(attributes[::2], attributes[1::2], strict=True):
        if key == name:
            return value
    return ""
