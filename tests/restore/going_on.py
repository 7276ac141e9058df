"""After a restoration to the past: nothing leaves before the operator says so, then everything does under its name."""

import asyncio
import json
import subprocess
import sys
import urllib.request

import asyncpg

from tests.restore.machine import Machine

HELD_SECONDS = 4.0
REST_SECONDS = 90.0
ATTEMPTS = "select count(*) from attempt"
HELD = "select count(*) from job where last_error like 'BASE_RESTAUREE%'"
UNFINISHED = """
    select (select count(*) from acte_transaction where status in (1, 2, 17) and type <> 7)
        + (select count(*) from helios_transaction where status in (1, 2))"""


async def goes_on(machine: Machine) -> list[str]:
    """What went otherwise; nothing when all is well."""
    wrong: list[str] = []
    connection = await asyncpg.connect(machine.cluster.dsn())
    try:
        before = await connection.fetchval(ATTEMPTS)
        await _until(connection, f"select ({HELD}) > 0", REST_SECONDS)
        await asyncio.sleep(HELD_SECONDS)
        if await connection.fetchval(ATTEMPTS) != before:
            wrong.append("something was sent before the confirmation")
        if not await connection.fetchval(HELD):
            wrong.append("nothing was held")
        await asyncio.to_thread(_confirm, machine)
        if not await _until(connection, f"select ({UNFINISHED}) = 0", REST_SECONDS):
            wrong.append(f"{await connection.fetchval(UNFINISHED)} flows did not leave after the confirmation")
    finally:
        await connection.close()
    return wrong + await asyncio.to_thread(_list_ambiguous, machine)


def _confirm(machine: Machine) -> None:
    words = ["admin", "restore", "confirm", "--yes", "--reason", "restore-test", "--config", str(machine.layout.config)]
    subprocess.run([sys.executable, "-m", "tdt", *words], check=True, capture_output=True)


async def _until(connection: "asyncpg.Connection", query: str, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while not await connection.fetchval(query):
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False
    return True


def _list_ambiguous(machine: Machine) -> list[str]:
    """Names under which the State, which remembers what the base forgot, received two different things."""
    wrong = []
    for simulator in ("prefecture", "dgfip"):
        with urllib.request.urlopen(f"{machine.said['control']}/{simulator}/received", timeout=60) as answer:
            rows = json.loads(answer.read())
        seen: dict[str, set[str]] = {}
        for row in rows:
            seen.setdefault(row["name"], set()).add(row["sha256"])
        wrong += [f"{name}: two contents" for name, digests in seen.items() if len(digests) > 1]
    return wrong
