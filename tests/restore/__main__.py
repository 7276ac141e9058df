"""`python -m tests.restore`: kills a machine while clients deposit, restores it in every way, prints RPO and RTO."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tdt.sandbox import postgres
from tests.chaos.documents import MIB
from tests.restore.archive import Archive, adapt
from tests.restore.deposits import Answered, Depositor, list_missing
from tests.restore.going_on import goes_on
from tests.restore.machine import Machine, another, now

APART = 1.5
"""Seconds without a deposit around the point in time."""


@dataclass(frozen=True, slots=True)
class Case:
    """One restoration: what is missing of what was answered, and what of that is expected by its nature."""

    name: str
    rpo: float
    rto: float
    expected: int
    missing: Sequence[Answered]
    bodies: int
    faults: int
    notes: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return not self.missing and not self.notes

    def line(self) -> str:
        """For people."""
        verdict = "ok" if self.passed else f"{len(self.missing)} MISSING {' '.join(self.notes)}"
        return (
            f"{self.name:<58} RPO {self.rpo:6.2f} s   RTO {self.rto:6.1f} s   {self.expected:3} deposits, "
            f"{self.bodies} bodies verified, {self.faults} faults   {verdict}"
        )


@dataclass(slots=True)
class Story:
    """What happened before the machine died."""

    machine: Machine
    archive: Archive
    depositor: Depositor
    point: float = 0.0
    killed_at: float = 0.0
    cases: list[Case] = field(default_factory=list)

    @property
    def answered(self) -> list[Answered]:
        return self.depositor.answered


async def live(directory: Path, seed: int) -> Story:
    """A machine that lives, and dies in the end whatever happens."""
    machine = Machine(directory / "first")
    await machine.start()
    archive = Archive(directory / "barman", machine.cluster)
    try:
        return await _live(Story(machine, archive, Depositor(machine, seed)))
    finally:
        machine.kill()
        archive.stop()


async def _live(story: Story) -> Story:
    """Deposits before and after a point in time, and right up to the kill."""
    machine = story.machine
    await machine.start_second()
    await story.archive.begin()
    await story.depositor.some(10)
    await asyncio.sleep(3)  # the large ones are archived
    machine.pause_workers(signal.SIGSTOP)
    await story.depositor.some(4, archived=True)
    await asyncio.sleep(APART)
    story.point = now()
    await asyncio.sleep(APART)
    machine.pause_workers(signal.SIGCONT)
    await story.depositor.some(8)
    await story.archive.switch()
    await asyncio.sleep(2)
    # nothing more is moved out of the spool: the large ones answered from here on are there only
    machine.pause_workers(signal.SIGSTOP)
    await story.depositor.send("pes", size=3 * MIB)
    clients = [asyncio.create_task(story.depositor.until_cut(archived)) for archived in (False, True, False)]
    await asyncio.sleep(3)
    story.killed_at = now()
    machine.kill()
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return story


async def restart(story: Story, directory: Path) -> Case:
    """The disk survived: PostgreSQL recovers from its own WAL, the spool is there."""
    machine = another(story.machine, directory, spool=True)
    begun = now()
    shutil.copytree(story.machine.cluster.data, machine.cluster.data, symlinks=True)
    adapt(machine.cluster)
    return await _run(story, machine, "disk survived: its own WAL", begun)


async def rebuild(story: Story, directory: Path) -> Case:
    """The disk is lost but for the spool (on another one): everything to the last commit."""
    machine = another(story.machine, directory, spool=True)
    begun = now()
    story.archive.restore(machine.cluster)
    async with machine.database():
        pass  # the WAL is replayed
    return await _run(story, machine, "disk lost: Barman, to the last commit, spool saved", begun)


async def _run(story: Story, machine: Machine, name: str, begun: float) -> Case:
    """Start everything, look at a deposit answered anew, verify."""
    try:
        await machine.start()
    except BaseException:
        machine.kill()
        raise
    before = len(story.answered)
    fresh = Depositor(machine, 7_000_000)
    await fresh.send("pes", size=1000)
    rto = now() - begun
    try:
        said = await asyncio.to_thread(machine.verify)
        missing = await list_missing(machine.cluster.dsn(), story.answered, said)
    finally:
        machine.stop()
    notes = [] if fresh.answered else ["a new deposit is not answered"]
    return Case(name, _rpo(story, missing), rto, before, missing, said["bodies"], said["faults"], notes)


async def without_spool(story: Story, directory: Path) -> Case:
    """Both lost: what was answered by `answer_after = "spool"` and not archived yet has no bytes; nothing else."""
    machine = another(story.machine, directory, spool=False)
    begun = now()
    story.archive.restore(machine.cluster)
    async with machine.database():
        rto = now() - begun
        said = await asyncio.to_thread(machine.verify)
        missing = await list_missing(machine.cluster.dsn(), story.answered, said)
    surprising = [one for one in missing if one.archived or (one.kind == "acte" and one.size < MIB // 4)]
    absent = sum(one["code"] == "FICHIER_ABSENT" for one in said["findings"])
    notes = [] if absent else ["tdt verify finds no absent file"]
    name = f"the same, spool lost: {len(missing)} large (answer_after=spool)"
    rpo = _rpo(story, missing)
    return Case(name, rpo, rto, len(story.answered), surprising, said["bodies"], said["faults"], notes)


async def without_last_segment(story: Story, directory: Path) -> Case:
    """Only whole segments: what plain archiving (archive_command) has when a disk is lost."""
    machine = another(story.machine, directory, spool=True)
    begun = now()
    story.archive.restore(machine.cluster, partial=False)
    async with machine.database():
        rto = now() - begun
        said = await asyncio.to_thread(machine.verify)
        missing = await list_missing(machine.cluster.dsn(), story.answered, said)
    name = f"whole segments only: {len(missing)} deposits short"
    old = [one for one in missing if one.at < story.point]
    return Case(name, _rpo(story, missing), rto, len(story.answered), old, said["bodies"], said["faults"])


async def back_in_time(story: Story, directory: Path) -> Case:
    """To a point in the past: exactly what was answered before it."""
    machine = another(story.machine, directory, spool=True)
    begun = now()
    until = datetime.fromtimestamp(story.point, UTC).isoformat(sep=" ", timespec="microseconds")
    story.archive.restore(machine.cluster, until=until, partial=False)
    async with machine.database():
        pass  # the WAL is replayed
    try:
        await machine.start()
        rto = now() - begun
        said = await asyncio.to_thread(machine.verify)
        before = [one for one in story.answered if one.at < story.point]
        missing = await list_missing(machine.cluster.dsn(), before, said)
        after = [one for one in story.answered if one.sent_at > story.point]
        kept = len(after) - len(await list_missing(machine.cluster.dsn(), after, said))
        wrong = await goes_on(machine)
    finally:
        machine.stop()
    notes = [f"{kept} deposits of after the point"] if kept else []
    faults = [] if not said["faults"] else [f"{said['faults']} faults"]
    name = "to a point in time; held, confirmed, goes on"
    return Case(name, 0.0, rto, len(before), missing, said["bodies"], said["faults"], [*notes, *faults, *wrong])


def _rpo(story: Story, missing: Sequence[Answered]) -> float:
    """From the first answered deposit that is missing to the kill."""
    return story.killed_at - min(one.at for one in missing) if missing else 0.0


async def run(directory: Path, seed: int) -> list[Case]:
    """All of it, one restoration after the other."""
    story = await live(directory, seed)
    large = sum(one.size > MIB // 4 for one in story.answered)
    print(f"{len(story.answered)} deposits answered OK ({large} large) until the kill -9 of everything", flush=True)
    for number, restoration in enumerate((restart, rebuild, without_spool, without_last_segment, back_in_time)):
        case = await restoration(story, directory / f"restored{number}")
        print(case.line(), flush=True)
        story.cases.append(case)
    return story.cases


def main() -> int:
    """The exit code says whether an answered deposit is missing where none may be."""
    parser = argparse.ArgumentParser(prog="scripts/restore-test", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--dir", type=Path, help="an empty folder for everything; kept")
    arguments = parser.parse_args()
    directory = (arguments.dir or Path(tempfile.mkdtemp(prefix="tdt-restore-"))).resolve()
    begun = now()
    passed = all(case.passed for case in asyncio.run(run(directory, arguments.seed)))
    print(
        f"{'PASSED' if passed else 'FAILED'} in {now() - begun:.0f} s" + ("" if passed else f"; all is in {directory}")
    )
    if passed and arguments.dir is None:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except postgres.PostgresMissing as error:
        sys.exit(str(error))
