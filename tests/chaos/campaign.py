"""The course of a campaign: traffic and faults for so long, then rest, then the verdict."""

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.chaos.answers import compare_answers
from tests.chaos.books import check_books
from tests.chaos.clients import Traffic, renew_classification, run_client, send_large
from tests.chaos.evidence import gather_evidence
from tests.chaos.faults import Faults
from tests.chaos.kills import Killer
from tests.chaos.ledger import Ledger, read_ledger
from tests.chaos.mounts import Disk, tell_forms
from tests.chaos.notices import send_notices
from tests.chaos.report import Report
from tests.chaos.stack import Stack, running
from tests.chaos.state import DGFIP, DGFIP_NORMAL, PREFECTURE, PREFECTURE_NORMAL, State
from tests.chaos.tenants import TENANTS
from tests.chaos.timeline import Timeline
from tests.chaos.verification import Case, verify

CLIENTS = 2
"""Of each collectivité."""
CLIENTS_SECONDS = 60.0
"""What they have begun must be answered in this time once nothing is broken any more."""
LOOK_SECONDS = 0.5
QUIET_SECONDS = 9.0
"""Longer than the simulators take to answer, their longest delay included."""
LONG_MINUTES = 5.0
"""From so many minutes on, one PES is above 100 MB, and the préfecture publishes a newer classification."""

RENEWED_SECONDS = 15.0
"""Between the publication and the first software that asks for it, and so on: until then its acts are refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for on the command line."""

    minutes: float
    seed: int
    directory: Path
    pace: float
    rest_seconds: float
    mounting: bool
    """Whether disks may be mounted; else the spool is full by a shim."""


async def run_campaign(plan: Plan) -> Report:
    """All of it; the files are left in the directory."""
    timeline, began = Timeline(), time.monotonic()
    ledger = Ledger(plan.directory / "ledger.jsonl")
    disks: dict[str, Disk] = {}
    retours: dict[str, str] = {}
    passed = False
    try:
        async with running(plan.directory, disks, mounting=plan.mounting) as stack:
            started = time.monotonic()
            await _break(plan, stack, timeline, Traffic(ledger, plan.seed), retours)
            broken = time.monotonic()
            rested = await _rest(plan, stack)
            ended = time.monotonic()
            # nothing moves while it is looked at, also when it did not come to rest
            await asyncio.gather(*(one.stop() for one in stack.ours))
            seen = await gather_evidence(stack.owner, stack.control, stack.layout.directory)
            unsound, balances = await check_books(stack)
        told = read_ledger(ledger.path)
        case = Case(told, seen, timeline)
        findings = [*verify(case), *compare_answers(case, retours), *unsound]
        passed = not findings
    finally:
        ledger.close()
        for disk in disks.values():
            disk.unmount() if passed else disk.keep()
    seconds = {"start": started - began, "faults": broken - started, "rest": ended - broken}
    return Report(plan.seed, told, seen, timeline, findings, seconds, rested, tell_forms(disks), balances)


async def _break(plan: Plan, stack: Stack, timeline: Timeline, traffic: Traffic, retours: dict[str, str]) -> None:
    """Traffic and faults together; then no fault, and the clients end what they have begun."""
    clients = [
        asyncio.create_task(run_client(traffic, tenant, stack.clients(tenant), index))
        for tenant in TENANTS
        for index in range(CLIENTS)
    ]
    killer = Killer(stack, timeline, random.Random(f"{plan.seed}/kills"), plan.pace)
    killer.start()
    state = State(stack.control, timeline, random.Random(f"{plan.seed}/state"), retours)
    around = Faults(stack, timeline, random.Random(f"{plan.seed}/faults"))
    await state.calm()  # from the start as between two behaviours
    faults = [
        asyncio.create_task(one)
        for one in (
            killer.run(),
            around.run(),
            send_notices(stack),
            state.misbehave("prefecture", PREFECTURE, PREFECTURE_NORMAL),
            state.misbehave("dgfip", DGFIP, DGFIP_NORMAL),
            state.send_odd_things(),
        )
    ]
    if plan.minutes >= LONG_MINUTES:
        half = plan.minutes * 30
        faults.append(asyncio.create_task(state.publish_classification(half)))
        renewals = [
            renew_classification(traffic, stack.clients(tenant), half + RENEWED_SECONDS * number)
            for number, tenant in enumerate(TENANTS, 1)
        ]
        clients += [asyncio.create_task(one) for one in renewals]
        clients.append(asyncio.create_task(send_large(traffic, TENANTS[0], stack.clients(TENANTS[0]), 1)))
    done, _ = await asyncio.wait([*faults, *clients], timeout=plan.minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
    for task in faults:
        task.cancel()
    await asyncio.wait(faults)
    killer.stop()
    traffic.stopped.set()
    await state.calm()
    for task in done:
        task.result()  # a fault of the campaign itself
    await asyncio.gather(*(one.wait_ready() for one in stack.kept.values()))
    async with asyncio.timeout(CLIENTS_SECONDS):
        await asyncio.gather(*clients)


async def _rest(plan: Plan, stack: Stack) -> bool:
    """Until nothing is left to do and nothing has come for a while; False when that takes longer than allowed."""
    deadline, last, quiet_since = time.monotonic() + plan.rest_seconds, (-1, -1), time.monotonic()
    connection = await asyncpg.connect(stack.owner)
    try:
        while time.monotonic() < deadline:
            busy, waiting = await connection.fetchrow(BUSY)
            if busy or (busy, waiting) != last:
                last, quiet_since = (busy, waiting), time.monotonic()
            if time.monotonic() - quiet_since > QUIET_SECONDS:
                return True
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await connection.close()
    return False


BUSY = """
    select (select count(*) from job where state <> 'dead')
            + (select count(*) from acte_transaction where status in (1, 2))
            + (select count(*) from helios_transaction where status in (1, 2)) as busy,
        (select count(*) from acte_transaction where status in (3, 7))
            + (select count(*) from helios_transaction where status = 3) as waiting"""
