"""Kills: at random, and at each named step; what dies is started again at once, to die at the step visited least."""

import asyncio
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from tdt.crash import VARIABLE, Step
from tests.chaos.processes import Death, Kept
from tests.chaos.stack import Stack
from tests.chaos.timeline import Timeline

PATIENCE_SECONDS, LONGEST_SECONDS = 7.0, 20.0
"""A process that has not reached its step by then is killed, and given another. A second more for each time that the
step was asked for in vain: some are far from the start on a slow machine."""
ARMED_SHARE = {"serve": 0.5, "work": 1.0}
"""Of the lives; the others are killed at random only, so that deposits go on."""
LOOK_SECONDS = 0.5

IN_SERVER = ("body.", "deposit.")
BOTH = ("body.",)


def steps_of(name: str) -> list[Step]:
    """Those that a process of this kind can reach."""
    if name.startswith("serve"):
        return [step for step in Step if step.startswith(IN_SERVER)]
    return [step for step in Step if step.startswith(BOTH) or not step.startswith(IN_SERVER)]


@dataclass(slots=True)
class Killer:
    """One kill at random in a `pace` of seconds; besides, processes that die where they were told to."""

    stack: Stack
    timeline: Timeline
    chance: random.Random
    pace: float
    stopped: bool = False
    _given: Counter[str] = field(default_factory=Counter)
    """How often each step was asked for since it was last reached: one that is hard to reach leaves room to others."""

    def start(self) -> None:
        """From now on every process is armed at its next start."""
        for kept in self.stack.ours:
            kept.on_death = self._hear

    async def run(self) -> None:
        """Until cancelled."""
        next_kill = time.monotonic() + self.pace
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, max(next_kill - time.monotonic(), 0.05)))
            for kept in self.stack.ours:
                if kept.lives and VARIABLE in kept.armed and time.monotonic() - kept.born > self._patience(kept):
                    self._kill(kept, "kill -9 of one that did not reach its step")
            if time.monotonic() >= next_kill:
                next_kill = time.monotonic() + self.chance.uniform(0.5, 1.5) * self.pace
                self._kill(self.chance.choice(self.stack.ours), "kill -9 at random")

    def _patience(self, kept: Kept) -> float:
        return min(PATIENCE_SECONDS + self._given[kept.armed[VARIABLE]], LONGEST_SECONDS)

    def stop(self) -> None:
        """Nothing is armed any more: what is, dies one last time."""
        self.stopped = True
        for kept in self.stack.ours:
            if VARIABLE in kept.armed:
                kept.kill()

    def _kill(self, victim: Kept, how: str) -> None:
        if victim.kill(self._arm(victim)):
            self.timeline.counts[f"{how}, {victim.name.partition('-')[0]}"] += 1

    def _arm(self, kept: Kept) -> dict[str, str]:
        """What its next life is to die of."""
        if self.stopped or self.chance.random() > ARMED_SHARE[kept.name.partition("-")[0]]:
            return {}
        taken = {other.armed.get(VARIABLE) for other in self.stack.ours if other is not kept}
        steps = [step for step in steps_of(kept.name) if step not in taken]
        self.chance.shuffle(steps)
        step = min(steps, key=lambda one: self.timeline.visits[one] + self._given[one] / 2)
        self._given[step] += 1
        return {VARIABLE: step}

    def _hear(self, death: Death) -> None:
        kept = self.stack.kept[death.name]
        if death.expected:
            return
        step = death.armed.get(VARIABLE, "")
        if step and death.code == -signal.SIGKILL:
            self.timeline.visits[step] += 1
            self.timeline.counts[f"kill -9 at a step, {death.name.partition('-')[0]}"] += 1
            self._given[step] = 0
        else:
            self.timeline.counts[f"died by itself with {death.code}, {death.name.partition('-')[0]}"] += 1
        kept.rearm(self._arm(kept))
