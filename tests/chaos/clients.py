"""The software of the collectivités: deposits at its own pace, and tries again what got no answer, as it does."""

import asyncio
import http.client
import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tdt.sandbox.client import ACTES, HELIOS, Client
from tests.chaos.documents import MIB, Deposit, make_acte, make_pes
from tests.chaos.ledger import Ledger, Outcome
from tests.chaos.tenants import Tenant

PAUSE_SECONDS = (1.0, 6.0)
"""So much that our processes have work at each instant, so little that two cores go on starting them again."""
AGAIN_SECONDS = (0.3, 1.5)
LARGE = 110 * MIB
CAME, REFUSED = b"4", b"-1"
"""Statuses of a request for the classification."""
PES_OK = re.compile(rb"<id>(\d+)</id>\s*<resultat>OK")


@dataclass(slots=True)
class Traffic:
    """What all the clients share. `stopped` says that nothing new is begun; what was begun goes on being tried."""

    ledger: Ledger
    seed: int
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    posted: int = 0
    answered: int = 0


async def run_client(traffic: Traffic, tenant: Tenant, servers: Sequence[Client], index: int) -> None:
    """One thread of one software, until told to stop."""
    chance = random.Random(f"{traffic.seed}/{tenant.key}/{index}")
    while not traffic.stopped.is_set():
        key = f"{tenant.key}{index}_{next(traffic.numbers)}"
        make = make_acte if chance.random() < 0.5 else make_pes
        deposit = await asyncio.to_thread(make, tenant, key, chance)
        await _deposit(traffic, servers, deposit, chance)
        await _pause(traffic, chance.uniform(*PAUSE_SECONDS))


async def send_large(traffic: Traffic, tenant: Tenant, servers: Sequence[Client], number: int) -> None:
    """One PES above 100 MB."""
    chance = random.Random(f"{traffic.seed}/large/{number}")
    deposit = await asyncio.to_thread(make_pes, tenant, f"{tenant.key}_LARGE_{number}", chance, LARGE)
    await _deposit(traffic, servers, deposit, chance)


async def renew_classification(traffic: Traffic, servers: Sequence[Client], after: float) -> None:
    """Ask for the classification again once so much time has passed, as software does each night, until it comes."""
    await _pause(traffic, after)
    turns = itertools.cycle(servers)
    while not traffic.stopped.is_set():
        asked = await asyncio.to_thread(_ask, next(turns), "actes_classification_request.php")
        answer = b""
        while asked[:1] == [b"OK"] and answer not in (CAME, REFUSED) and not traffic.stopped.is_set():
            await _pause(traffic, 1.0)
            told = await asyncio.to_thread(_ask, next(turns), "actes_transac_get_status.php", transaction=int(asked[1]))
            answer = told[1] if told[:1] == [b"OK"] else b""
        if answer == CAME:
            return
        await _pause(traffic, 1.0)


def _ask(client: Client, script: str, **query: int) -> list[bytes]:
    try:
        return client.get(f"{ACTES}/{script}", api=1, **query).split(b"\n")
    except (OSError, http.client.HTTPException):
        return []


async def _deposit(traffic: Traffic, servers: Sequence[Client], deposit: Deposit, chance: random.Random) -> None:
    traffic.posted += 1
    turns = itertools.cycle(chance.sample(list(servers), len(servers)))
    while True:
        await asyncio.to_thread(traffic.ledger.sends, deposit.flow)
        outcome, number, text = await asyncio.to_thread(_try, next(turns), deposit)
        await asyncio.to_thread(traffic.ledger.hears, deposit.flow, outcome, number, text)
        traffic.answered += outcome is Outcome.OK
        if outcome is not Outcome.NOTHING:
            return
        await asyncio.sleep(chance.uniform(*AGAIN_SECONDS))


def _try(client: Client, deposit: Deposit) -> tuple[Outcome, int, str]:
    """One POST; `NOTHING` also for what asks to come back later."""
    path = (
        f"{ACTES}/actes_transac_create.php" if deposit.flow.kind == "acte" else f"{HELIOS}/helios_importer_fichier.php"
    )
    try:
        status, body = client.deposit(path, deposit.fields, deposit.uploads)
    except (OSError, http.client.HTTPException) as error:
        return Outcome.NOTHING, 0, type(error).__name__
    text = body.decode("utf-8", errors="replace")
    if status >= 500:
        return Outcome.NOTHING, 0, f"{status} {text}"
    number = _number(deposit.flow.kind, body)
    return (Outcome.OK, number, "") if number else (Outcome.KO, 0, text)


def _number(kind: str, body: bytes) -> int:
    if kind == "acte":
        lines = body.split(b"\n")
        return int(lines[1]) if lines[0] == b"OK" and lines[1:2] and lines[1].isdigit() else 0
    found = PES_OK.search(body)
    return int(found[1]) if found else 0


async def _pause(traffic: Traffic, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await traffic.stopped.wait()
    except TimeoutError:
        pass
