"""The antivirus or the mail server is down until its breaker is open, then back: all goes on, nobody did anything."""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tdt.config import Antivirus, Breaker, Worker
from tdt.db.notices import NewNotice, insert_notices
from tdt.domain.breaker import Remote
from tdt.domain.routes import RouteKind
from tests.clamd import Clamd
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, ar_mail, plant, until
from tests.faults.test_breakers import QUICK, at_least, state
from tests.faults.test_workers import working
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.smtp import mail_host, settings

EACH = 4
"""Actes, and as many PES, or notices and mails."""
SHORT = {
    **QUICK,
    "breaker": Breaker(failures=2, probe_seconds=0.3, longest_seconds=0.6),
    "worker": Worker(heartbeat_seconds=0.2, dead_after_seconds=5.0, poll_seconds=0.2, shutdown_seconds=5.0),
}
BEHIND = "select count(*) from job where kind = any($1) and last_error like 'LIAISON_SUSPENDUE%'"
UNDONE = "select count(*) from job where kind = any($1)"
SENT = "select count(*) from {}_transaction where status = 3"
TOLD = "select state, last_error from job where kind = any($1)"


async def is_held_back(works: Plant, remote: Remote, kinds: list[str]) -> bool:
    """Its breaker is open, and more wait behind it than it took to open it."""
    return await state(works, remote) != "closed" and int(await works.value(BEHIND, kinds)) > EACH


@pytest.mark.parametrize("worst", ["stopped", "mute"])
async def test_actes_and_pes_wait_for_the_antivirus_and_leave_by_themselves(
    database: TestDatabase, tmp_path: Path, clamd: Clamd, worst: str
) -> None:
    """Stopped: nobody takes the connection. Mute: it is taken, and nothing answers."""
    sections = {**SHORT, "antivirus": Antivirus(address=clamd.address, timeout=20.0 if worst == "stopped" else 0.3)}
    kinds = ["actes.analyse", "helios.analyse"]
    async with plant(database, tmp_path, **sections) as works:
        clamd.stop() if worst == "stopped" else clamd.pause()
        try:
            async with working(works):
                actes = [await works.submit_acte(f"N{number}") for number in range(EACH)]
                flows = [
                    await works.submit_pes(pes(f"FLUX-{number}", str(number), f"PJ{number}")) for number in range(EACH)
                ]
                await until(lambda: is_held_back(works, Remote.ANTIVIRUS, kinds), "the breaker holds them back")
                assert [await works.acte_life(one) for one in actes] == [[1]] * EACH
                assert {status for one in flows for status in await works.helios_life(one)} == {1}
                assert {row["state"] for row in await works.fetch(TOLD, kinds)} <= {"ready", "running"}
                if worst == "stopped":
                    await asyncio.to_thread(clamd.start)
                else:
                    clamd.resume()
                for kind, table in ((RouteKind.ACTES, "acte"), (RouteKind.HELIOS, "helios")):
                    await until(partial(at_least, works, SENT.format(table), EACH), f"{kind} leave by themselves")
        finally:
            if worst == "mute":
                clamd.resume()
        assert await state(works, Remote.ANTIVIRUS) == "closed"
        assert [await works.acte_life(one) for one in actes] == [[1, 2, 3]] * EACH
        assert {tuple(dict.fromkeys(await works.helios_life(one))) for one in flows} == {(1, 2, 3)}
        assert await works.outcomes() == ["accepted"] * 2 * EACH and len(works.prefecture.parcels) == EACH
        assert await works.value("select count(*) from audit where tag like 'cli:%'") == 0


async def test_notices_and_mails_about_actes_wait_for_the_mail_server_and_leave_by_themselves(
    database: TestDatabase, tmp_path: Path
) -> None:
    port, kinds = free_port(), ["notice.send", "acte.notify"]
    async with plant(database, tmp_path, **SHORT, mail=settings(port, timeout=2.0)) as works:
        actes = [await works.packaged_acte(f"N{number}") for number in range(EACH)]
        async with working(works):
            await until(lambda: at_least(works, SENT.format("acte"), EACH), "the acts are sent")
            for number in range(EACH):
                await works.deliver(ar_mail(number=f"N{number}"), name=f"1/{number}")
            addresses = [f"notice-{number}@x.example" for number in range(EACH)]
            async with works.deps.transaction("system") as connection:
                await insert_notices(connection, [NewNotice(None, "k", "s", 0, one, "t", "b") for one in addresses])
            await until(lambda: at_least(works, "select count(*) from acte_mail", EACH), "the AR are told")
            await until(lambda: is_held_back(works, Remote.MAIL, kinds), "the breaker holds them back")
            assert {row["state"] for row in await works.fetch(TOLD, kinds)} <= {"ready", "running"}
            assert [await works.acte_status(acte) for acte, _ in actes] == [4] * EACH, "the acts do not wait"
            async with mail_host(port=port) as host:
                await until(lambda: is_done(works, kinds), "all mails leave by themselves")
        assert await state(works, Remote.MAIL) == "closed"
        taken = Counter(recipient for recipient, _ in host.taken)
        assert {one: taken[one] for one in addresses} == dict.fromkeys(addresses, 1)
        about = [message["Subject"] for to, message in host.taken if to == "agent@example.fr"]
        assert len(about) == len(set(about)) == EACH
        assert await works.value("select count(*) from acte_mail where sent_at is null or refused is not null") == 0
        assert await works.value("select count(*) from notice where sent_at is null") == 0
        assert await works.value("select count(*) from audit where tag like 'cli:%'") == 0


async def is_done(works: Plant, kinds: list[str]) -> bool:
    return int(await works.value(UNDONE, kinds)) == 0
