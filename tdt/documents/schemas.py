"""What children are asked about sets of schemas: do they compile, and does a flow follow them?"""

from dataclasses import dataclass, field

from tdt.documents.child import Task


@dataclass(frozen=True, slots=True)
class SetOrder:
    """The file is the set, as a zip."""


@dataclass(frozen=True, slots=True)
class CompiledSet:
    """`roots`: the schema of each root that a flow may have (`{namespace}PES_Aller`), all of which compile."""

    roots: dict[str, str]


@dataclass(frozen=True, slots=True)
class ActiveSet:
    """A set, whose zip is one of the files: its name, and the schema of each root."""

    name: str
    roots: dict[str, str]


@dataclass(frozen=True, slots=True)
class CheckOrder:
    """The files are the flow, then the sets in this order; `sent`: its bordereaux that left before, in which flow."""

    sets: list[ActiveSet]
    sent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetVerdict:
    """What a set says of a flow. `faults` counts them, `known` is false when it does not have the root of this flow."""

    name: str
    known: bool
    faults: int
    more: bool = False
    """There are more than were counted."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Of a flow: its root, the verdict of each set, the first faults, how many rules are broken."""

    root: str
    sets: list[SetVerdict]
    controls: int
    findings: list[dict[str, object]] = field(default_factory=list)


COMPILE_SET = Task("tdt.documents.schema_set", "compile_set", SetOrder, CompiledSet)
CHECK_FLOW = Task("tdt.documents.schema_check", "check_flow", CheckOrder, Checked)
