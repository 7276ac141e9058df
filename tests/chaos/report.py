"""What a campaign says in the end: text for people, JSON for programs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tdt.crash import Step
from tests.chaos.evidence import Evidence
from tests.chaos.ledger import Told
from tests.chaos.timeline import Timeline
from tests.chaos.verification import KINDS, Finding

SHOWN = 15
STEPS_A_LINE = 3


@dataclass(frozen=True, slots=True)
class Report:
    """The counts and the verdict."""

    seed: int
    told: Mapping[str, Told]
    seen: Evidence
    timeline: Timeline
    findings: list[Finding]
    seconds: Mapping[str, float]
    rested: bool
    disks: str
    """Which could be full, and how."""
    balances: int
    """Made of the days of the campaign."""

    @property
    def passed(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        outcomes = Counter(str(told.outcome) for told in self.told.values())
        return {
            "seed": self.seed,
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
            "flows": {
                "posted": len(self.told),
                "tries": sum(told.tries for told in self.told.values()),
                "answered": dict(outcomes),
                "largest": max((file.size for told in self.told.values() for file in told.flow.files), default=0),
            },
            "kills": sum(count for kind, count in self.timeline.counts.items() if kind.startswith("kill")),
            "faults": dict(sorted(self.timeline.counts.items())),
            "steps": {step: self.timeline.visits[step] for step in Step},
            "least_visits": min(self.timeline.visits[step] for step in Step),
            "received": {kind: len(receptions) for kind, receptions in self.seen.receptions.items()},
            "statuses": dict(sorted(Counter(f"{t.kind} {t.status}" for t in self.seen.transactions.values()).items())),
            "verdict": {kind: sum(finding.kind == kind for finding in self.findings) for kind in KINDS},
            "findings": [[one.kind, one.what, one.why] for one in self.findings],
            "balances": self.balances,
            "rested": self.rested,
            "disks": self.disks,
        }

    def lines(self) -> Iterator[str]:
        """The text."""
        said = self.as_json()
        flows, seconds = said["flows"], said["seconds"]
        yield "  ".join(f"{name} {value} s" for name, value in seconds.items())
        answered = ", ".join(f"{name} {count}" for name, count in sorted(flows["answered"].items()))
        yield f"flows posted {flows['posted']} in {flows['tries']} tries, the largest of {flows['largest']:,} bytes"
        yield f"answered: {answered}"
        yield f"received by the State: {said['received']}; statuses: {said['statuses']}"
        yield f"disks: {said['disks']}; balances made: {said['balances']}"
        yield f"kills {said['kills']}; each of the {len(Step)} steps visited at least {said['least_visits']} times"
        for kind, count in said["faults"].items():
            yield f"  {count:5d}  {kind}"
        steps = [f"{step} {count}" for step, count in said["steps"].items()]
        for first in range(0, len(steps), STEPS_A_LINE):
            yield "  " + "  ".join(f"{one:<34}" for one in steps[first : first + STEPS_A_LINE]).rstrip()
        if not self.rested:
            yield "it did not come to rest in the time allowed: what was still on its way counts as stuck"
        for kind, count in said["verdict"].items():
            yield f"{kind}: {count}"
        for one in self.findings[:SHOWN]:
            yield f"  {one.kind}: {one.what}: {one.why}"
        if len(self.findings) > SHOWN:
            yield f"  … and {len(self.findings) - SHOWN} more in the JSON report"

    def dump(self) -> str:
        return json.dumps(self.as_json(), ensure_ascii=False, indent=1)
