"""A remote that is down: no attempts pile up, nothing is refused, and all leaves by itself when it is back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tdt.config import Actes, Antivirus, Breaker, Helios
from tdt.config import Mail as MailSettings
from tdt.db import actes as actes_db
from tdt.db.breakers import Place
from tdt.db.notices import NewNotice, insert_notices
from tdt.db.windows import Leaving, forecast_departure
from tdt.deps import Mail
from tdt.domain import breaker as rule
from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor, Source
from tdt.domain.breaker import WAITS, Remote
from tdt.domain.errors import Held, Refused, Temporary, Uncertain
from tdt.domain.ids import ActeMailId, NoticeId
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import Window
from tdt.flows import actes_documents, actes_send, breakers, helios_send, notices, routes, transmission, watchdog
from tdt.flows.actes_documents import notifications
from tdt.workers.breakers import look
from tdt.workers.metrics import WorkerMetrics
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, plant, until
from tests.faults.test_workers import working
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.smtp import settings

OPERATOR = Actor(Source.CLI, None, "exploitant")
FAILURES = 3
ATTEMPTS = "select count(*) from attempt"
QUICK = {
    "breaker": Breaker(failures=FAILURES, probe_seconds=0.5, longest_seconds=1.0),
    "helios": Helios(poll_seconds=30.0, stable_seconds=0.01, retry_seconds=0.05),
    "actes": Actes(return_addresses=["retours@tdt.test"], poll_seconds=30.0, retry_seconds=0.05),
}


@pytest.fixture
async def quick(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(database, tmp_path, **QUICK) as running:
        yield running


async def point(works: Plant, kind: RouteKind, port: int) -> None:
    settings: dict[str, object] = {"port": port} if kind is RouteKind.HELIOS else {"url": f"https://localhost:{port}/"}
    await routes.modify(works.deps, OPERATOR, works.routes[kind].id, settings=settings)


async def state(works: Plant, remote: Remote) -> str:
    shown = {one.place.remote: one.breaker.state(works.deps.now()) for one in await breakers.show_all(works.deps)}
    return shown.get(remote, "closed")


@pytest.mark.parametrize("kind", list(RouteKind))
async def test_a_remote_that_is_down_is_left_alone_then_all_leaves_by_itself(quick: Plant, kind: RouteKind) -> None:
    up = quick.ftp.port if kind is RouteKind.HELIOS else quick.prefecture.port
    await point(quick, kind, free_port())
    async with working(quick):
        for number in range(8):
            if kind is RouteKind.HELIOS:
                await quick.submit_pes(pes(f"FLUX-{number}", str(number), f"PJ{number}"))
            else:
                await quick.submit_acte(f"N{number}")
        held = f"select count(*) from job where kind = '{kind}.transmit' and last_error like 'LIAISON_SUSPENDUE%'"
        await until(lambda: at_least(quick, held, 5), "those that may not try it wait")
        before, begun = await quick.value(ATTEMPTS), asyncio.get_running_loop().time()
        await asyncio.sleep(1.5)
        probes = (asyncio.get_running_loop().time() - begun) / 0.5 + 1
        assert before <= FAILURES + quick.deps.config.worker.concurrency + 1
        assert await quick.value(ATTEMPTS) - before <= probes, "one probe at a time, and nothing else"
        await point(quick, kind, up)
        await until(lambda: all_left(quick, kind), "all leave by themselves")
    assert await state(quick, Remote(kind)) == "closed"
    # told once to each that waited, and nobody was refused
    table = "helios" if kind is RouteKind.HELIOS else "acte"
    counts = await quick.fetch(
        f"select count(*) as many from {table}_workflow where message = $1 group by transaction_id", WAITS[Remote(kind)]
    )
    assert counts and all(row["many"] == 1 for row in counts)
    assert await quick.value(f"select count(*) from {table}_workflow where status = -1") == 0


async def at_least(works: Plant, query: str, count: int) -> bool:
    return int(await works.value(query)) >= count


async def all_left(works: Plant, kind: RouteKind) -> bool:
    table = "helios" if kind is RouteKind.HELIOS else "acte"
    return int(await works.value(f"select count(*) from {table}_transaction where status >= 3")) == 8


async def fail_until_open(works: Plant) -> None:
    """HELIOS's breaker, by one flow."""
    flow = await works.queued_pes(pes("OUVRE", "90", "PJ90"))
    await point(works, RouteKind.HELIOS, free_port())
    for _ in range(works.deps.config.breaker.failures):
        with pytest.raises(Temporary):
            await helios_send.transmit(works.deps, flow)
    await point(works, RouteKind.HELIOS, works.ftp.port)


async def test_what_waits_opens_no_connection_says_why_and_forecasts_the_next_try(works: Plant) -> None:
    works.clock.fixed = works.deps.now()
    flow = await works.queued_pes(pes())
    await fail_until_open(works)
    commands, attempts = len(works.ftp.commands), await works.value(ATTEMPTS)
    with pytest.raises(Held) as held:
        await helios_send.transmit(works.deps, flow)
    first = works.deps.now() + works.deps.config.breaker.rules.first
    again = held.value.details["retry_at"]
    assert isinstance(again, datetime) and held.value.code == rule.PAUSED and again > first
    assert (len(works.ftp.commands), await works.value(ATTEMPTS)) == (commands, attempts)
    why = f"{held.value.code} : {held.value.message}"
    await works.fetch("update job set last_error = $1, run_at = $2 where object_id = $3", why, again, flow)
    async with works.deps.transaction("system") as connection:
        told = await forecast_departure(connection, Leaving(RouteKind.HELIOS, flow), works.deps.now())
    assert told is not None and (told.at, told.reason) == (again, WAITS[Remote.HELIOS])


async def test_a_remote_that_takes_all_and_drops_the_link_puts_few_in_doubt(works: Plant) -> None:
    failures = works.deps.config.breaker.failures
    flows = [
        await works.queued_pes(pes(f"DOUTE-{number}", str(number), f"PJ{number}")) for number in range(failures + 1)
    ]
    works.ftp.behaviour.vanish_at_the_end = True
    for flow in flows[:failures]:
        with pytest.raises(Uncertain):
            await helios_send.transmit(works.deps, flow)
    with pytest.raises(Held):
        await helios_send.transmit(works.deps, flows[-1])
    assert await works.value(ATTEMPTS) == failures
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flows[0])  # its window is not over: that comes first
    works.ftp.behaviour.vanish_at_the_end = False
    works.elapse(works.deps.config.breaker.rules.first)
    await helios_send.transmit(works.deps, flows[-1])  # the probe
    assert await state(works, Remote.HELIOS) == "closed"


async def test_refusals_of_what_is_handed_over_never_open_it(works: Plant) -> None:
    _, envelope = await works.packaged_acte()
    works.prefecture.mode = "refuse"
    for _ in range(works.deps.config.breaker.failures + 1):
        with pytest.raises(Temporary):
            await actes_send.transmit(works.deps, envelope)
    assert await state(works, Remote.ACTES) == "closed"


async def test_a_closing_that_the_state_announced_opens_nothing(works: Plant) -> None:
    route = works.routes[RouteKind.HELIOS].id
    await transmission.add_window(works.deps, OPERATOR, route, Window(0, works.deps.now() - timedelta(hours=1)))
    for _ in range(works.deps.config.breaker.failures + 1):
        await watchdog.note_deaf(works.deps, route, "INDISPONIBLE : liaison impossible")
    assert await state(works, Remote.RECEPTION) == "closed"


async def test_one_that_stays_open_is_told_once_and_ends_by_itself(works: Plant) -> None:
    works.clock.fixed = works.deps.now()
    await fail_until_open(works)
    metrics = WorkerMetrics()
    opened = "select count(*) from alert where kind = 'breaker' and ended_at is null"
    known = await look(works.deps, metrics.breakers, set())
    assert await works.value(opened) == 0 and len(known) == 1
    assert b'tdt_breaker_open{remote="helios",route="helios"} 1.0' in metrics.render()
    works.clock.fixed += timedelta(minutes=16)
    for _ in range(2):
        known = await look(works.deps, metrics.breakers, known)
    assert await works.value(opened) == 1
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)  # the probe
    assert await look(works.deps, metrics.breakers, known) == set()
    assert await works.value(opened) == 0
    assert b'tdt_breaker_open{remote="helios",route="helios"} 0.0' in metrics.render()


async def test_an_operator_opens_and_closes_it_and_the_audit_says_so(works: Plant) -> None:
    place = Place(Remote.HELIOS, works.routes[RouteKind.HELIOS].id)
    await breakers.force(works.deps, OPERATOR, place, "bascule de nuit")
    flow = await works.queued_pes(pes())
    with pytest.raises(Held):
        await helios_send.transmit(works.deps, flow)
    await works.fetch("update job set last_error = 'LIAISON_SUSPENDUE : …', run_at = now() + interval '1 hour'")
    async with works.deps.transaction("system") as connection:
        told = await forecast_departure(connection, Leaving(RouteKind.HELIOS, flow), works.deps.now())
    assert told is not None and told.at is None and "qu'il les reprenne" in told.reason  # nothing leaves by itself
    assert await breakers.close(works.deps, OPERATOR, place) == 1
    await helios_send.transmit(works.deps, flow)
    tags = [row["tag"] for row in await works.fetch("select tag from audit where tag like '%breaker%' order by id")]
    assert tags == ["cli:breaker:open", "cli:breaker:close"]
    for wrong in (Place(Remote.HELIOS), Place(Remote.MAIL, place.route), Place(Remote.ACTES, place.route)):
        with pytest.raises(Refused):
            await breakers.close(works.deps, OPERATOR, wrong)


async def test_services_that_are_down_are_left_alone_too(database: TestDatabase, tmp_path: Path) -> None:
    """The antivirus and the mail server: what needs them waits, nothing is refused."""
    sections = {
        **QUICK,
        "breaker": Breaker(failures=2, probe_seconds=60.0),
        "antivirus": Antivirus(address=f"127.0.0.1:{free_port()}"),
        "mail": MailSettings(host="127.0.0.1", port=free_port(), sender="tdt@example.fr", operators=["a@example.fr"]),
    }
    async with plant(database, tmp_path, **sections) as works:
        acte = await works.submit_acte()
        for code in ("ANTIVIRUS_INDISPONIBLE", "ANTIVIRUS_INDISPONIBLE", rule.PAUSED):
            with pytest.raises(Temporary) as waits:
                await actes_send.analyse(works.deps, acte)
            assert waits.value.code == code
        assert await state(works, Remote.ANTIVIRUS) == "open" and await works.acte_status(acte) == 1
        await breakers.close(works.deps, OPERATOR, Place(Remote.ANTIVIRUS))
        assert await state(works, Remote.ANTIVIRUS) == "closed"


@pytest.mark.parametrize("what", ["notice sent", "notice gone", "mail over", "no address"])
async def test_what_asks_nothing_of_the_remote_is_no_answer_of_it_and_takes_no_probe(
    database: TestDatabase, tmp_path: Path, what: str
) -> None:
    sections = {**QUICK, "breaker": Breaker(failures=1, probe_seconds=10.0), "mail": settings(free_port())}
    async with plant(database, tmp_path, **sections) as works:
        works.clock.fixed = works.deps.now()
        notice, mail = await a_notice(works), await a_mail(works)
        with pytest.raises(Temporary):
            await notices.send(works.deps, notice)
        assert await state(works, Remote.MAIL) == "open"
        works.clock.fixed += timedelta(seconds=11)  # one may try it now
        if what == "notice sent":
            await works.fetch("update notice set sent_at = now()")
            await notices.send(works.deps, notice)
        elif what == "notice gone":
            await notices.send(works.deps, NoticeId(0))
        elif what == "mail over":
            # as it becomes when another worker sends it between the two looks
            async with works.deps.guarded(Place(Remote.MAIL)) as asking:
                await works.fetch("update acte_mail set sent_at = now()")
                await notifications._hand_over(works.deps, mail, Mail("k", "a@b.example", "t", "b"), asking)
        else:
            await works.fetch("update acte_mail set recipient = 'pas une adresse'")
            await actes_documents.send(works.deps, mail)
            assert await works.value("select refused is not null from acte_mail where id = $1", mail)
        assert await state(works, Remote.MAIL) == "open"
        other = await a_notice(works)
        with pytest.raises(Temporary) as tried:
            await notices.send(works.deps, other)
        assert tried.value.code == "INDISPONIBLE", "it was the probe: nothing else had taken its turn"


async def a_notice(works: Plant) -> NoticeId:
    subject = str(await works.value("select count(*) from notice"))
    async with works.deps.transaction("system") as connection:
        await insert_notices(connection, [NewNotice(None, "k", subject, 0, "a@b.example", "t", "b")])
    return NoticeId(await works.value("select max(id) from notice"))


async def a_mail(works: Plant) -> ActeMailId:
    """One about an act, with something to tell."""
    acte = await works.submit_acte()
    async with works.deps.transaction("system") as connection:
        found = await actes_db.get_transaction(connection, acte)
        assert found is not None
        await actes_db.move_status(connection, found, actes_db.Move(found.status, ActeStatus.ERREUR, "Refusé"))
    return ActeMailId(await works.value("select min(id) from acte_mail"))


async def test_what_is_announced_for_all_routes_of_a_kind_holds_what_should_leave_and_says_why(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    end = works.deps.now() + timedelta(hours=6)
    closing = Window(0, works.deps.now() - timedelta(hours=1), end, reason="bascule annuelle", announced_by="DGFiP")
    await transmission.add_closings(works.deps, OPERATOR, None, RouteKind.HELIOS, [closing])
    with pytest.raises(Held) as held:
        await helios_send.transmit(works.deps, flow)
    assert held.value.message == "La DGFiP ne prend rien en ce moment (bascule annuelle) : l'envoi attend."
    assert held.value.details["retry_at"] == end
    _, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)  # of another kind
    works.clock.fixed = end
    await helios_send.transmit(works.deps, flow)
