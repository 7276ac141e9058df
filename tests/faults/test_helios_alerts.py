"""What waits too long is told once to the operator, whoever looks, with or without a mail server; never resent."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import structlog

from tdt.config import Helios
from tdt.domain.helios.alerts import Kind
from tdt.domain.ids import HeliosId, NoticeId
from tdt.domain.routes import RouteKind
from tdt.flows import helios_alerts, helios_moves, helios_send, notices
from tdt.workers.helios_watch import look
from tdt.workers.metrics import WorkerMetrics
from tests.commands import open_terminal
from tests.dgfip_flows import sample as pes
from tests.doorbells import working
from tests.faults.plant import Plant, acquit, plant, until
from tests.faults.test_helios import stores
from tests.faults.test_helios_moves import OPERATOR
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.smtp import mail_host, settings

WEEK = timedelta(days=7)
"""More than any limit, whatever the day."""


@pytest.fixture
async def watched(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Plant]:
    """With a mail server; two flows that wait make a silence."""
    helios = Helios(silence_alert_flows=2)
    async with plant(database, tmp_path, helios=helios, mail=settings(free_port())) as running:
        yield running


async def transmitted(works: Plant, name: str) -> HeliosId:
    flow = await works.queued_pes(pes(name, name[-1] + "1"))
    await helios_send.transmit(works.deps, flow)
    return flow


async def mails(works: Plant) -> list[tuple[str, str, str]]:
    rows = await works.fetch("select kind, title, body from notice order by id")
    return [(row["kind"], row["title"], row["body"]) for row in rows]


async def test_each_is_told_once_and_again_when_it_waits_anew(watched: Plant) -> None:
    posted = await watched.submit_pes(pes("POSTE-1", "1"))
    waiting = await watched.queued_pes(pes("ATTEND-2", "2"))
    sent = await transmitted(watched, "ENVOYE-3")
    assert (await helios_alerts.tell(watched.deps)).flows == {}
    watched.elapse(timedelta(minutes=21))
    assert (await helios_alerts.tell(watched.deps)).flows == {Kind.POSTED: [posted]}
    watched.elapse(WEEK)
    # several workers at once, then again
    told = await asyncio.gather(*(helios_alerts.tell(watched.deps) for _ in range(4)))
    assert sorted((kind, *flows) for one in told for kind, flows in one.flows.items()) == [
        (Kind.ACQUIT, sent),
        (Kind.WAITING, waiting),
    ]
    assert (await helios_alerts.tell(watched.deps)).flows == {}
    titles = {title for _, title, _ in await mails(watched)}
    assert titles == {"Flux Helios en attente de contrôle", "Transaction Helios bloquée", "Flux Helios sans acquit"}
    assert stores(watched) == 1, "nothing is ever sent again by itself"
    # a note in the workflow is no change of state; a resend is
    await helios_moves.resend(watched.deps, OPERATOR, sent, "essai")
    await helios_send.transmit(watched.deps, sent)
    watched.elapse(WEEK)
    assert (await helios_alerts.tell(watched.deps)).flows == {Kind.ACQUIT: [sent]}
    audit = await watched.fetch("select object_id from audit where tag = 'system:helios:alert' order by id")
    assert [row["object_id"] for row in audit] == [posted, waiting, sent, sent]
    [body] = [body for kind, _, body in await mails(watched) if kind == "helios.waiting"]
    assert f"La transaction Helios {waiting} est en attente depuis plus de 48H !" in body


async def test_a_silent_route_is_told_until_something_comes(watched: Plant) -> None:
    first, second = [await transmitted(watched, f"FLUX-{number}") for number in (1, 2)]
    watched.elapse(WEEK)
    told = [await helios_alerts.tell(watched.deps) for _ in range(2)]
    assert [one.routes for one in told] == [["helios"], []]
    assert sorted(told[0].flows[Kind.ACQUIT]) == [first, second]
    [(_, title, body)] = [one for one in await mails(watched) if one[0] == "helios.silence"]
    assert title == "Rien n'est plus reçu de la DGFiP : route helios"
    assert "2\nflux" in body
    await watched.ingest_file(acquit("FLUX-1"))
    await transmitted(watched, "FLUX-3")
    watched.elapse(WEEK)
    assert (await helios_alerts.tell(watched.deps)).routes == ["helios"]  # another silence, since that acquit


async def test_the_list_of_the_day_comes_once_a_day(watched: Plant) -> None:
    await transmitted(watched, "FLUX-1")
    watched.elapse(WEEK)
    assert [await helios_alerts.tell_day(watched.deps) for _ in range(2)] in ([1, 0], [0, 0])
    watched.elapse(timedelta(days=1))
    # whatever the hour of the test: one of these two instants is after the hour of the digest
    counts = [await helios_alerts.tell_day(watched.deps)]
    watched.elapse(timedelta(hours=8))
    counts.append(await helios_alerts.tell_day(watched.deps))
    assert 1 in counts
    rows = [one for one in await mails(watched) if one[0] == "helios.unacknowledged"]
    assert len(rows) == len({title for _, title, _ in rows}) > 0
    assert ";FLUX-1;012;034001;00;VHPCE31;" in rows[0][2] and rows[0][2].count("ftp_gateway") == 1
    [number, *_] = [row["id"] for row in await watched.fetch("select id from notice")]
    async with mail_host(port=watched.deps.config.mail.port) as host:
        await notices.send(watched.deps, NoticeId(number))
    assert host.recipients == ["exploitant@tdt.example"]


async def test_a_worker_tells_by_itself(database: TestDatabase, tmp_path: Path) -> None:
    at_once = Helios(waiting_alert_hours=0.000_001)
    async with plant(database, tmp_path, helios=at_once, mail=settings(free_port())) as works:
        works.ftp.behaviour.stor_refusal = "550 no"
        flow = await works.queued_pes(pes())
        async with (
            mail_host(port=works.deps.config.mail.port) as host,
            working(works.deps.config) as metrics,
        ):

            def blocked() -> list[str]:
                """Certificates of the test end soon: those mails are others."""
                told = "Transaction Helios bloquée"
                return [message.get_content() for _, message in host.taken if message["Subject"] == told]

            async def mailed() -> bool:
                return bool(blocked())

            await until(mailed, "the operator is told")
            assert 'tdt_helios_late{route="helios",status="2"} 1.0' in metrics.render().decode()
            [body] = blocked()
        assert f"La transaction Helios {flow} est en attente depuis plus de" in body


async def test_without_a_mail_server_log_metrics_and_command_tell(works: Plant, tmp_path: Path) -> None:
    flow = await transmitted(works, "FLUX-1")
    metrics = WorkerMetrics()
    told: date | None = None
    works.elapse(WEEK + timedelta(hours=12))
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            told = await look(works.deps, metrics, told)
        works.elapse(timedelta(hours=12))
        told = await look(works.deps, metrics, told)
    late = [log for log in logs if log["event"] == "helios.late"]
    assert [(log["kind"], log["count"], log["flows"]) for log in late] == [(Kind.ACQUIT, 1, [flow])]
    assert 1 <= sum(log["event"] == "helios.unacknowledged" for log in logs) <= 2  # a line a day
    shown = metrics.render().decode()
    for line in (
        'tdt_helios_flows{route="helios",status="3"} 1.0',
        'tdt_helios_late{route="helios",status="3"} 1.0',
        'tdt_helios_flows{route="helios",status="2"} 0.0',
        'tdt_helios_silent{route="helios"} 0.0',
    ):
        assert line in shown, shown
    assert 'tdt_helios_oldest_seconds{route="helios",status="3"} 6' in shown  # over a week
    assert await works.fetch("select 1 from notice") == []
    (tmp_path / "terminal").mkdir()
    terminal = open_terminal(works.database, tmp_path / "terminal")
    [line] = await asyncio.to_thread(terminal.rows, "admin", "helios", "alerts")
    assert (line["kind"], line["flow"], line["route"], line["ended"]) == ("acquit", flow, "helios", False)
    await works.ingest_file(acquit("FLUX-1"))
    assert await asyncio.to_thread(terminal.rows, "admin", "helios", "alerts") == []
    assert len(await asyncio.to_thread(terminal.rows, "admin", "helios", "alerts", "--all")) == 1


async def test_what_is_switched_off_is_not_told(database: TestDatabase, tmp_path: Path) -> None:
    off = Helios(posted_alert_minutes=0, waiting_alert_hours=0, acquit_alert_hours=0, silence_alert_hours=0)
    async with plant(database, tmp_path, helios=off) as works:
        await works.submit_pes(pes("POSTE-1", "1"))
        await works.queued_pes(pes("ATTEND-2", "2"))
        await transmitted(works, "ENVOYE-3")
        works.elapse(WEEK)
        told = await helios_alerts.tell(works.deps)
        assert (told.flows, list(told.routes)) == ({}, [])
        assert works.routes[RouteKind.HELIOS].name == "helios"
        waiting, routes = await helios_alerts.count(works.deps)
        assert {one.late for one in waiting} == {0}
        assert [one.late for one in routes] == [False]
