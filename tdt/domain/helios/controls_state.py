"""What the controls of a flow remember while it is read, and the faults that they tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tdt.domain.helios.control_words import CONTROLS, LEVELS
from tdt.domain.helios.findings import MOST_FINDINGS, Finding, Where, clip
from tdt.domain.helios.scan import Group

MOST_KEYS = 500_000
"""Numbers that are remembered, to see one that comes twice: some 50 MB."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a fault is told: the line, the path, the place."""

    line: int
    path: str
    where: Where


@dataclass(slots=True)
class Block:
    """PES_DepenseAller or PES_RecetteAller; `paperless`: where InfoDematerialisee says so."""

    name: str
    paperless: Spot | None = None
    signed: bool = False


@dataclass(slots=True)
class Judged:
    """The bordereau, the pièce, the ligne and the PJ being read."""

    blocks: list[Block] = field(default_factory=list)
    root_signed: bool = False
    slip: Group | None = None
    """BlocBordereau."""
    taxed: bool = False
    """A line of this bordereau has VAT."""
    account_line: int = 0
    """Where this line of pièce has a bank account; 0: it has none."""
    payment: Group | None = None
    asap: bool = False
    """These invoices are avis des sommes à payer."""
    attachments_version: str = ""
    has_content: bool = False
    references: list[Group] = field(default_factory=list)
    """RefCompta of this PJ."""


class Told:
    """The first faults; `total` counts them all."""

    def __init__(self, sent: Mapping[str, str] | None = None) -> None:
        self.sent = sent or {}
        """By key, the bordereaux that the DGFiP has already, or may have: in which flow."""
        self.findings: list[Finding] = []
        self.total = 0
        self.state = Judged()
        self._seen: set[int] = set()
        """Hashes of what is to come once: the keys themselves would take five times as much."""

    def tell(self, code: str, at: Spot | Group, found: str = "", **words: str) -> None:
        """Record a fault."""
        self.total += 1
        if len(self.findings) >= MOST_FINDINGS:
            return
        control = CONTROLS[code]
        parts = at.path.split("/")
        level = control.level or LEVELS.get(parts[1], "flux")
        named = {"found": clip(found), "name": parts[-1], **words}
        self.findings.append(
            Finding(
                code=code,
                source="control",
                level=level,
                line=at.line,
                element=at.path,
                where=at.where,
                found=named["found"],
                expected=control.expected.format(**named),
                message=control.message.format(**named),
                remedy=control.remedy.format(**named),
            )
        )

    def tell_value(self, code: str, group: Group, name: str, **words: str) -> None:
        """Record a fault of a value of a group, at its own line."""
        self.tell(code, Spot(group.line_of(name), f"{group.path}/{name}", group.where), group.get(name), **words)

    def is_new(self, *key: str) -> bool:
        """Whether this key comes for the first time."""
        known = hash(key)
        if known in self._seen:
            return False
        if len(self._seen) < MOST_KEYS:
            self._seen.add(known)
        return True


Judge = Callable[[Told, Group, str], None]
"""Given a complete group and the block it stands in."""
