"""What was done when: kills and faults, so that the verification can tell what it explains."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

MARGIN_SECONDS = 3.0
"""Around the time of a behaviour: a reception may be decided just before and recorded just after."""


@dataclass(slots=True)
class Span:
    """A fault that lasted; `end` is 0 while it does."""

    kind: str
    detail: str
    begin: float
    end: float = 0.0

    def covers(self, instant: datetime) -> bool:
        at = instant.timestamp()
        return self.begin - MARGIN_SECONDS <= at <= (self.end or at) + MARGIN_SECONDS


@dataclass(slots=True)
class Timeline:
    """`counts` of what happened by kind; `spans` of what lasted."""

    counts: Counter[str] = field(default_factory=Counter)
    spans: list[Span] = field(default_factory=list)
    visits: Counter[str] = field(default_factory=Counter)
    """Crash points reached, by step."""

    @contextmanager
    def during(self, kind: str, detail: str = "") -> Iterator[None]:
        span = Span(kind, detail, time.time())
        self.counts[f"{kind} {detail}".strip()] += 1
        self.spans.append(span)
        try:
            yield
        finally:
            span.end = time.time()

    def explains(self, kind: str, beginnings: tuple[str, ...], instants: list[datetime]) -> bool:
        """Whether a fault of this kind, with such a detail, was on at one of these instants."""
        wanted = [one for one in self.spans if one.kind == kind and one.detail.startswith(beginnings)]
        return any(span.covers(instant) for span in wanted for instant in instants)
