"""What a scenario found: interleaved rounds, medians with their ranges, a ratio and its target."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one side. `cpu`: milliseconds of server CPU for one unit of work, by server."""

    value: float
    cpu: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """The rounds of one side."""

    name: str
    samples: Sequence[Sample]

    @property
    def median(self) -> float:
        return statistics.median(sample.value for sample in self.samples)

    @property
    def cpu(self) -> dict[str, float]:
        """Median CPU by server."""
        return {
            server: round(statistics.median(sample.cpu[server] for sample in self.samples), 2)
            for server in self.samples[0].cpu
        }

    def describe(self, unit: str) -> str:
        values = [sample.value for sample in self.samples]
        spread = f" [{_short(min(values))}–{_short(max(values))}]" if len(values) > 1 else ""
        return f"{_short(self.median)}{spread} {unit}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table. `at_least`: the ratio must reach the target, else it must stay below it.

    `of_value`: the target is for our own figure, whatever the ratio.
    """

    scenario: str
    unit: str
    ours: Side
    baseline: Side | None
    ratios: Sequence[float]
    target: float | None
    at_least: bool = True
    note: str = ""
    of_value: bool = False

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return "–"
        figure = self.ours.median if self.of_value else self.ratio
        reached = figure >= self.target if self.at_least else figure <= self.target
        return "reached" if reached else "MISSED"

    def row(self) -> list[str]:
        """The cells of the table."""
        spread = f" [{min(self.ratios):.2f}–{max(self.ratios):.2f}]" if len(self.ratios) > 1 else ""
        sign = "≥" if self.at_least else "≤"
        unit = f" {self.unit}" if self.of_value else ""
        return [
            self.scenario,
            self.ours.describe(self.unit),
            self.baseline.describe(self.unit) if self.baseline else "–",
            f"{self.ratio:.2f}{spread}" if self.baseline else "–",
            f"{sign} {self.target:g}{unit}" if self.target is not None else "–",
            self.verdict,
        ]


COLUMNS = ("scenario", "ours", "baseline", "ratio", "target", "verdict")


def compare(
    scenario: str,
    unit: str,
    sides: tuple[Side, Side],
    target: float | None,
    *,
    at_least: bool = True,
    note: str = "",
) -> Outcome:
    """Ours against the baseline, round by round: what the machine did meanwhile slowed both sides of a round."""
    ours, baseline = sides
    pairs = zip(ours.samples, baseline.samples, strict=True)
    ratios = [ours_sample.value / other.value for ours_sample, other in pairs]
    return Outcome(scenario, unit, ours, baseline, ratios, target, at_least, note)


def interleave(
    rounds: int, ours: tuple[str, Callable[[int], Sample]], baseline: tuple[str, Callable[[int], Sample]]
) -> tuple[Side, Side]:
    """Run both sides in turn, the one that begins changing at each round; round 0 warms up and does not count."""
    found: dict[str, list[Sample]] = {ours[0]: [], baseline[0]: []}
    for number in range(rounds + 1):
        for name, run in (ours, baseline) if number % 2 else (baseline, ours):
            sample = run(number)
            if number:
                found[name].append(sample)
                print(f"    {number}/{rounds} {name}: {_short(sample.value)} {_cpu_text(sample.cpu)}", flush=True)
    return Side(ours[0], found[ours[0]]), Side(baseline[0], found[baseline[0]])


def print_table(outcomes: Sequence[Outcome]) -> None:
    """The table, with a line of notes and CPU under it."""
    rows = [list(COLUMNS), *(outcome.row() for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    rows.insert(1, ["-" * width for width in widths])
    print()
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    print()
    for outcome in outcomes:
        sides = [side for side in (outcome.ours, outcome.baseline) if side is not None]
        cpu = "; ".join(f"{side.name}: {_cpu_text(side.cpu)}" for side in sides if side.cpu)
        for text in filter(None, (cpu, outcome.note)):
            print(f"{outcome.scenario}: {text}")


def write_json(path: Path, outcomes: Sequence[Outcome], machine: Mapping[str, object]) -> None:
    """The same with every round, for whoever compares runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine,
        "outcomes": [{**asdict(outcome), "ratio": outcome.ratio, "verdict": outcome.verdict} for outcome in outcomes],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cpu_text(cpu: Mapping[str, float]) -> str:
    if not cpu:
        return ""
    return "CPU ms " + ", ".join(f"{server} {value:.2f}" for server, value in cpu.items())
