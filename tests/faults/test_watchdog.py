"""The watchdog on the real database: each kind of lateness is told within a pass, once, and why; it ends by itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from tdt.config import Helios, Watchdog
from tdt.db import lateness as db_lateness
from tdt.db.alerts import list_open
from tdt.db.notices import NewNotice, insert_notices
from tdt.db.watchdog import insert_heard
from tdt.domain.errors import TdtError
from tdt.domain.limits import TOLD_ELSEWHERE, Late
from tdt.domain.routes import RouteKind
from tdt.flows import actes_send, helios_alerts, watchdog
from tdt.flows import status as status_flow
from tdt.workers import lateness
from tdt.workers.metrics import WorkerMetrics
from tests.dgfip_flows import sample as pes
from tests.faults.plant import BIG_PDF, Plant, ar_mail, plant
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.smtp import settings
from tests.wire.stack import changed

MONTHS = timedelta(days=100)
"""More than any limit."""


@pytest.fixture
async def watched(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Plant]:
    """With a mail server."""
    async with plant(database, tmp_path, helios=Helios(), mail=settings(free_port())) as running:
        yield running


async def run(works: Plant, statement: str, *values: object) -> None:
    async with works.deps.transaction("system") as connection:
        await connection.execute(statement, *values)


async def opened(works: Plant) -> dict[str, tuple[str, str]]:
    """The open alerts of lateness: rule and why, by subject."""
    async with works.deps.transaction("system") as connection:
        found = await list_open(connection)
    return {one.subject: (str(one.data["rule"]), str(one.data["why"])) for one in found if one.kind == watchdog.LATE}


async def told(works: Plant) -> dict[Late, list[str]]:
    made = await watchdog.look(works.deps, "w")
    assert made is not None
    return {rule: list(subjects) for rule, subjects in made[1].items()}


async def hear(works: Plant) -> None:
    """Every route has just been looked at."""
    async with works.deps.transaction("system") as connection:
        for route in works.routes.values():
            await insert_heard(connection, route.id, works.deps.now())


async def make_everything_late(works: Plant) -> dict[str, tuple[Late, str]]:
    """One thing for each rule: the rule, and what the alert must say of why, by subject."""
    posted = await works.submit_acte("POSTE")
    waiting, _ = await works.packaged_acte("ATTEND")
    held, parcel = await works.packaged_acte("RETENU")
    sent, envelope = await works.packaged_acte("ENVOYE")
    await actes_send.transmit(works.deps, envelope)
    doubtful, cut = await works.packaged_acte("DOUTEUX", pdf=BIG_PDF)
    works.prefecture.mode = "cut"
    with pytest.raises(TdtError):
        await actes_send.transmit(works.deps, cut)
    people = [await works.submit_acte(name) for name in ("COURRIER", "AGENT", "SAE")]
    for acte, status in zip(people, (7, 17, 19), strict=True):
        await run(works, "update acte_transaction set status = $2 where id = $1", acte, status)
    flows = [await works.submit_pes(pes(f"FLUX-{number}", str(number))) for number in (1, 2)]
    for flow, status in zip(flows, (13, 19), strict=True):
        await run(works, "update helios_transaction set status = $2 where id = $1", flow, status)
    new, boxed = await works.deliver(b"x"), await works.deliver(b"y")
    await run(works, "update received set state = 'set_aside', detail = 'Sans acte.' where id = $1", boxed)
    async with works.deps.transaction("system") as connection:
        await insert_notices(connection, [NewNotice(None, "k", "s", 0, "a@b.example", "t", "b")])
    town = await works.value("select authority_id from acte_transaction where id = $1", posted)
    recipient = "insert into acte_mail (authority_id, recipient) values ($1, 'a@b.example') returning id"
    mail = await works.value(recipient, town)
    await run(works, "insert into job (kind, authority_id, object_id) values ('acte.notify', $1, $2)", town, mail)
    checks = "update job set last_error = 'ANTIVIRUS_INDISPONIBLE' where kind = 'actes.analyse' and object_id = $1"
    await run(works, checks, posted)
    error = "update job set last_error = $2 where kind = 'actes.transmit' and object_id = $1"
    await run(works, error, await works.envelope_of(waiting), "INDISPONIBLE")
    await run(works, error, parcel, "CONVENTION_RETENUE : Convention C-1 : close.")
    jobs = [
        await works.value(
            """insert into job (kind, object_id, state, attempts, worker, started_at, last_error, code, dead_at)
            values ($1, 999, $2, 3, 'w', now(), 'Cassé.', $3, now()) returning id""",
            *values,
        )
        for values in (
            ("helios.schema", "running", ""),
            ("helios.index", "ready", ""),
            ("helios.ingest", "dead", "ECHEC"),
        )
    ]
    [attempt] = [row["id"] for row in await works.fetch("select id from attempt where outcome = 'uncertain'")]
    routes = [route.id for route in works.routes.values()]
    return {
        f"actes:{posted}": (Late.ACTE_POSTED, "l'antivirus ne répond pas"),
        f"actes:{waiting}": (Late.ACTE_WAITING, "un service nécessaire ne répond pas"),
        f"actes:{doubtful}": (Late.ACTE_WAITING, "pas encore essayé"),
        f"actes:{held}": (Late.ACTE_HELD, "retenu : Convention C-1 : close."),
        f"actes:{sent}": (Late.ACTE_UNANSWERED, "n'est plus relevée"),
        f"actes:{people[0]}": (Late.ACTE_LETTER, "pas encore essayé"),
        f"actes:{people[1]}": (Late.ACTE_AGENT, "une personne"),
        f"actes:{people[2]}": (Late.ACTE_ARCHIVING, "une personne"),
        f"helios:{flows[0]}": (Late.HELIOS_AGENT, "une personne"),
        f"helios:{flows[1]}": (Late.HELIOS_ARCHIVING, "une personne"),
        f"job:{jobs[0]}": (Late.JOB_RUNNING, "Cassé."),
        f"job:{jobs[1]}": (Late.JOB_RETRYING, "Cassé."),
        f"job:{jobs[2]}": (Late.JOB_DEAD, "ECHEC : Cassé."),
        "jobs:helios.index": (Late.JOB_OVERDUE, "aucun processus de travail ne les prend"),
        "spool": (Late.SPOOL, "pas encore essayé"),
        "notices": (Late.NOTICES, "pas encore essayé"),
        "acte-mails": (Late.ACTE_MAILS, "pas encore essayé"),
        f"attempt:{attempt}": (Late.UNCERTAIN, "pas encore essayé"),
        f"received:{new}": (Late.RECEIVED, "pas encore essayé"),
        f"received:{boxed}": (Late.BOX, "Sans acte."),
        **{f"route:{route}": (Late.LISTENER, "aucun processus de travail ne la relève") for route in routes},
    }


async def test_everything_late_is_told_once_with_why_and_ends_by_itself(watched: Plant) -> None:
    expected = await make_everything_late(watched)
    assert {rule for rule, _ in expected.values()} == set(Late) - TOLD_ELSEWHERE
    first = await told(watched)
    assert list(first) == [Late.JOB_DEAD]  # set aside: it stands still at once
    watched.elapse(MONTHS)
    two = await asyncio.gather(watchdog.look(watched.deps, "a"), watchdog.look(watched.deps, "b"))
    made = [one for one in two if one is not None]
    subjects = [subject for one in made for found in one[1].values() for subject in found]
    assert len(subjects) == len(set(subjects))
    found = await opened(watched)
    for subject, (rule, reason) in expected.items():
        assert found[subject][0] == rule and reason in found[subject][1], (subject, found[subject])
    assert await told(watched) == {}
    bodies = [row["body"] for row in await watched.fetch("select body from notice where kind like 'late.%'")]
    assert len(bodies) == len(set(Late) - TOLD_ELSEWHERE)  # grouped: one for each rule
    assert any("retenu : Convention C-1 : close." in body for body in bodies)
    last = await watchdog.get_last(watched.deps)
    assert last is not None and (last.late["acte.waiting"], last.late["box"], last.worker) == (2, 1, "w")
    await hear(watched)
    assert await told(watched) == {}
    assert "la réception de la route est bien relevée" not in str(found)
    for statement in (
        "delete from job",
        "update acte_transaction set status = 4 where type = 1",
        "update helios_transaction set status = 8",
        "update attempt set outcome = 'settled'",
        "update received set state = 'handled'",
        "update content set place = 'archive', archived_at = now() where place = 'spool'",
    ):
        await run(watched, statement)
    assert await told(watched) == {}
    assert await opened(watched) == {}
    audit = await watched.fetch("select tag, count(*) as rows from audit where tag like 'system:alert:%' group by tag")
    assert {row["tag"] for row in audit} == {"system:alert:raise", "system:alert:end"}
    assert len({row["rows"] for row in audit}) == 1


@pytest.mark.parametrize("own", [{"waiting_hours": 0.0}, {"waiting_hours": 500.0, "held_days": 1.0}])
async def test_the_limit_of_what_is_held_counts_by_itself(watched: Plant, own: dict[str, float]) -> None:
    """What is held is told even where what merely waits never is, or later."""
    waiting, _ = await watched.packaged_acte("ATTEND")
    held, parcel = await watched.packaged_acte("RETENU")
    await run(watched, "update job set last_error = 'CONVENTION_RETENUE : close.' where object_id = $1", parcel)
    watched.elapse(timedelta(days=8))
    config = changed(watched.deps.config, watchdog=Watchdog(**own))
    made = await watchdog.look(replace(watched.deps, config=config))
    assert made is not None
    assert made[1].get(Late.ACTE_HELD) == [f"actes:{held}"]
    assert Late.ACTE_WAITING not in made[1] and f"actes:{waiting}" not in str(made[1])


async def test_what_moves_on_is_late_anew_only_in_its_next_state(watched: Plant) -> None:
    acte, envelope = await watched.packaged_acte()
    await hear(watched)
    watched.elapse(timedelta(hours=5))
    await hear(watched)
    assert (await told(watched))[Late.ACTE_WAITING] == [f"actes:{acte}"]
    await actes_send.transmit(watched.deps, envelope)
    await run(watched, "delete from job")
    watched.clock.offset = timedelta()  # it left just now, by the clock of the database
    assert await told(watched) == {}
    assert await opened(watched) == {}
    watched.elapse(timedelta(hours=5))
    await hear(watched)
    assert (await told(watched))[Late.ACTE_UNANSWERED] == [f"actes:{acte}"]
    assert (await opened(watched))[f"actes:{acte}"][1].startswith("la réponse est attendue")
    await watched.ingest(ar_mail())
    await told(watched)
    assert f"actes:{acte}" not in await opened(watched)


async def test_a_flow_without_work_is_seen_and_one_set_aside_is_told_as_such(watched: Plant) -> None:
    lost, dead = await watched.submit_acte("PERDU"), await watched.submit_acte("MORT")
    await run(watched, "delete from job where object_id = $1", lost)
    await run(watched, "update job set state = 'dead', last_error = 'x' where object_id = $1", dead)
    watched.elapse(timedelta(hours=1))
    await hear(watched)
    found = await told(watched)
    assert found[Late.ACTE_POSTED] == [f"actes:{lost}"]
    assert len(found[Late.JOB_DEAD]) == 1
    assert "aucun travail n'est plus prévu" in (await opened(watched))[f"actes:{lost}"][1]


async def test_what_comes_back_is_open_again_and_not_told_twice(watched: Plant) -> None:
    acte = await watched.submit_acte()
    watched.elapse(timedelta(hours=1))
    await hear(watched)
    assert (await told(watched))[Late.ACTE_POSTED] == [f"actes:{acte}"]
    await run(watched, "update job set state = 'dead', dead_at = now()")
    await told(watched)
    assert f"actes:{acte}" not in await opened(watched)
    await run(watched, "update job set state = 'ready', dead_at = null")
    assert Late.ACTE_POSTED not in await told(watched)
    assert f"actes:{acte}" in await opened(watched)


async def pointed(works: Plant) -> tuple[str, str]:
    """What `tdt status` says of the acts posted, and the command that it names."""
    _, points = await status_flow.look(works.deps, ask_servers=False)
    [point] = [one for one in points if one.code == "RETARD:acte.posted"]
    return point.cause.rpartition(" : ")[2], point.command


async def posted(works: Plant) -> list[str]:
    """The acts posted that a pass tells."""
    return (await told(works)).get(Late.ACTE_POSTED, [])


async def test_of_a_crowd_the_oldest_are_named_and_the_others_told_as_one(
    watched: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_lateness, "NAMED", 3)
    route = watched.routes[RouteKind.ACTES].id
    rest, mails = f"rest:acte.posted:route:{route}", "select title, body from notice where kind = 'late.acte.posted'"
    actes = [await watched.submit_acte(f"N{number}") for number in range(6)]
    names = [f"actes:{one}" for one in actes]
    done = "update acte_transaction set status = 4 where id = any($1)"
    watched.elapse(timedelta(hours=1))
    await hear(watched)
    assert await posted(watched) == [*names[:3], rest]
    [mail] = await watched.fetch(mails)
    assert mail["title"].endswith("(6)") and f"{rest} (3), les suivants, depuis le" in mail["body"]
    last = await watchdog.get_last(watched.deps)
    assert last is not None and last.late["acte.posted"] == 6
    assert await pointed(watched) == ("6", f"tdt flow {names[0]}")
    assert await posted(watched) == []
    # the two oldest move on: the next are named without another mail, and all are counted
    await run(watched, done, actes[:2])
    assert await posted(watched) == []
    assert {*names[2:5], rest} == await named(watched)
    assert await pointed(watched) == ("4", f"tdt flow {names[2]}")
    # more come: told already
    actes += [await watched.submit_acte("N9")]
    await run(watched, "update acte_transaction set submitted_at = now() - interval '1 minute'")
    await run(watched, "update acte_workflow set at = now() - interval '1 minute' where transaction_id = $1", actes[-1])
    assert await posted(watched) == [] and (await pointed(watched))[0] == "5"
    # few are left: each by its name, and nothing new to tell
    await run(watched, done, actes[2:4])
    assert await posted(watched) == []
    assert await named(watched) == {*names[4:6], f"actes:{actes[-1]}"}
    await run(watched, done, actes)
    assert await posted(watched) == [] and await named(watched) == set()
    assert len(await watched.fetch(mails)) == 1
    for number in range(4):  # another crowd is told anew
        await watched.submit_acte(f"M{number}")
    watched.elapse(timedelta(hours=1))
    await hear(watched)
    assert len(await posted(watched)) == 4 and len(await watched.fetch(mails)) == 2


async def named(works: Plant) -> set[str]:
    return {subject for subject, (rule, _) in (await opened(works)).items() if rule == Late.ACTE_POSTED}


async def test_the_alerts_of_helios_stay_theirs_and_are_counted(watched: Plant) -> None:
    await watched.submit_pes(pes("POSTE-1", "1"))
    watched.elapse(timedelta(minutes=21))
    await hear(watched)
    assert not {rule for rule in await told(watched) if rule.startswith("helios")}
    last = await watchdog.get_last(watched.deps)
    assert last is not None and last.late["helios.posted"] == 1
    assert [len(flows) for flows in (await helios_alerts.tell(watched.deps)).flows.values()] == [1]


async def test_every_worker_shows_the_last_pass_and_one_a_minute_is_enough(watched: Plant) -> None:
    await watched.submit_acte()
    watched.elapse(timedelta(hours=1))
    metrics = [WorkerMetrics(), WorkerMetrics()]
    with structlog.testing.capture_logs() as logs:
        for number, one in enumerate(metrics):
            await lateness.look(watched.deps, one.lateness, f"w{number}")
    for one in metrics:
        assert 'tdt_late{rule="acte.posted"} 1.0' in one.render().decode()
    last = await watchdog.get_last(watched.deps)
    assert last is not None and last.worker == "w0"
    shown = [line for line in metrics[1].render().decode().splitlines() if "last_pass_timestamp" in line][-1]
    assert abs(float(shown.split()[-1]) - last.at.timestamp()) < 1
    assert {line["rule"] for line in logs if line["event"] == "late"} >= {Late.ACTE_POSTED, Late.LISTENER}
    watched.elapse(timedelta(minutes=1))
    await lateness.look(watched.deps, metrics[1].lateness, "w1")
    again = await watchdog.get_last(watched.deps)
    assert again is not None and again.worker == "w1"
