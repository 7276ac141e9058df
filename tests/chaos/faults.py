"""Faults of what is around our processes: links, servers, disks, clocks; each kind in turn."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tdt.crash import VARIABLE
from tdt.db.pool import UNREACHABLE
from tests.chaos.clock import JUMPS, find_library, wrong_clock
from tests.chaos.stack import Stack, set_route
from tests.chaos.timeline import Timeline

Fault = Callable[[], Awaitable[None]]

AWAY_SECONDS = (1.0, 4.0)
FULL_SECONDS = 4.0
WRONG_SECONDS = 8.0
STILL_SECONDS = 7.0
"""A process that stands still so long is taken for dead, and wakes up among those that took over."""
PAUSE_SECONDS = (0.5, 2.5)


@dataclass(slots=True)
class Faults:
    """The plan: every kind once, in an order of the seed, again and again."""

    stack: Stack
    timeline: Timeline
    chance: random.Random
    library: str | None = field(default_factory=find_library)

    async def run(self) -> None:
        """Until cancelled; a fault that is on is ended first."""
        kinds = self.list_kinds()
        while True:
            for name in self.chance.sample(sorted(kinds), len(kinds)):
                await asyncio.sleep(self.chance.uniform(*PAUSE_SECONDS))
                with self.timeline.during(name):
                    await kinds[name]()

    def list_kinds(self) -> dict[str, Fault]:
        """By the name that the report prints."""
        kinds: dict[str, Fault] = {
            "postgres killed": lambda: self._signal("postgres", signal.SIGKILL),
            "postgres restarted": lambda: self._signal("postgres", signal.SIGINT),
            "mailbox killed": lambda: self._signal("mailbox", signal.SIGKILL),
            "simulators killed": lambda: self._signal("simulators", signal.SIGKILL),
            "rabbitmq killed": lambda: self._restart_broker(clean=False),
            "rabbitmq restarted": lambda: self._restart_broker(clean=True),
            "mail server refusing for a while": self._refuse_mails,
            "worker standing still": lambda: self._stand_still("work"),
            "server standing still": lambda: self._stand_still("serve"),
            "credentials in the address": self._show_credentials,
        }
        for way in self.stack.proxies:
            kinds[f"link cut: {way}"] = lambda way=way: self._cut(way)  # type: ignore[misc]
            kinds[f"link down: {way}"] = lambda way=way: self._take_down(way)  # type: ignore[misc]
        for name, disk in self.stack.disks.items():
            if disk.fills:
                kinds[f"disk full: {name}"] = lambda name=name: self._fill(name)  # type: ignore[misc]
        if self.library is not None:
            for jump in JUMPS:
                kinds[f"clock {jump}"] = lambda jump=jump: self._jump(jump)  # type: ignore[misc]
        return kinds

    async def _signal(self, name: str, number: int) -> None:
        kept = self.stack.kept[name]
        kept.kill(number=number)
        await asyncio.sleep(0.5)
        with contextlib.suppress(AssertionError):
            await kept.wait_ready(20.0)

    async def _restart_broker(self, *, clean: bool) -> None:
        broker = self.stack.rabbit
        await asyncio.to_thread(broker.stop if clean else broker.kill)
        await asyncio.to_thread(broker.start)

    async def _refuse_mails(self) -> None:
        assert self.stack.mails is not None
        self.stack.mails.data_answer = "451 Try again later"
        try:
            await asyncio.sleep(self.chance.uniform(*AWAY_SECONDS))
        finally:
            self.stack.mails.data_answer = ""

    async def _show_credentials(self) -> None:
        """The préfecture is told who we are in the address, as its older servers want it, instead of by Basic."""
        try:
            for way in ("query", "basic"):
                await asyncio.wait_for(set_route(self.stack.owner, "actes", {"authentication": way}), 5.0)
                await asyncio.sleep(WRONG_SECONDS if way == "query" else 0)
        except UNREACHABLE:
            return  # the database is not back yet; both ways are right

    async def _cut(self, way: str) -> None:
        for _ in range(3):
            self.stack.proxies[way].cut()
            await asyncio.sleep(self.chance.uniform(0.2, 0.8))

    async def _take_down(self, way: str) -> None:
        proxy = self.stack.proxies[way]
        await proxy.close()
        try:
            await asyncio.sleep(self.chance.uniform(*AWAY_SECONDS))
        finally:
            await proxy.open()

    async def _fill(self, name: str) -> None:
        disk = self.stack.disks[name]
        await asyncio.to_thread(disk.fill)
        try:
            await asyncio.sleep(FULL_SECONDS)
        finally:
            await asyncio.to_thread(disk.empty)
        if name == "postgres":
            await self.stack.kept["postgres"].wait_ready(30.0)

    async def _stand_still(self, kind: str) -> None:
        """Stopped, not killed: it goes on from the very instruction, as after a swap storm or a frozen machine."""
        kept = self.chance.choice([one for one in self.stack.ours if one.name.startswith(kind)])
        process = kept.process
        if process is None:
            return
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(STILL_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)

    async def _jump(self, jump: str) -> None:
        """One of our processes is started again with this clock; after a time, with the right one."""
        assert self.library is not None
        free = [one for one in self.stack.ours if VARIABLE not in one.armed] or self.stack.ours
        kept = self.chance.choice(free)
        kept.kill(wrong_clock(jump, self.library))
        await asyncio.sleep(WRONG_SECONDS)
        if "FAKETIME" in kept.armed:
            kept.kill()
