"""Hundreds of answers in one mailbox, the worker killed again and again: none is lost, none counts twice."""

import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tdt.db.jobs import move_next_to_running
from tdt.db.routes import list_active_routes
from tdt.db.turns import BATCH, move_due_to_line
from tdt.deps import Deps
from tdt.domain.content import Body
from tdt.domain.ids import ReceivedId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route, RouteKind
from tdt.domain.turns import Look
from tdt.flows import actes_receive
from tdt.tasks import end
from tests.certificates import Files, TestAuthority
from tests.claims import LARGE, lines
from tests.faults.plant import OTHER_SIREN, Plant, until
from tests.faults.test_workers import emptied
from tests.mailservers import PASSWORD, MailServer, dovecot
from tests.mass_answers import answer, insert_sent_acts
from tests.unit.actes.mails import sample
from tests.worker_process import start_worker

COUNT = 300
KILLS = 4


def tls(directory: Path) -> Files:
    directory.mkdir(parents=True)
    return TestAuthority(directory).server()


async def prepare(works: Plant, server: MailServer, directory: Path, settings: dict[str, object]) -> None:
    (directory / "password").write_text(PASSWORD)
    authority, route = works.people["A"].user.authority_id, works.routes[RouteKind.ACTES]
    assert authority is not None
    async with works.deps.transaction("system") as connection:
        await insert_sent_acts(connection, authority, route.id, COUNT)
        await connection.execute(
            "update route set settings = settings || $2 where id = $1",
            route.id,
            {"imap_port": server.port, "imap_tls": False, **settings},
        )


@pytest.mark.timeout(180)
async def test_a_killed_worker_loses_none_and_doubles_none(works: Plant, tmp_path: Path) -> None:
    chance = random.Random(20261126)
    with dovecot(tls(tmp_path / "tls")) as server:
        await prepare(works, server, tmp_path, {})
        for number in range(1, COUNT + 1):
            server.deliver(answer(number), f"{number:05}.a")
            if number % 10 == 0:
                server.deliver(answer(number), f"{number:05}.b")  # the ministry sends it twice
        server.deliver(sample("indesirable.eml"), "99999.a")
        for _ in range(KILLS):
            worker = start_worker(works.deps.config, tmp_path)
            await asyncio.sleep(chance.uniform(1.2, 2.5))
            worker.kill()
            worker.wait()
        worker = start_worker(works.deps.config, tmp_path)
        try:
            await until(lambda: emptied(server.maildir), "the mailbox is empty", 60)
            await until(lambda: all_read(works), "everything is read", 60)
        finally:
            worker.kill()
            worker.wait()
    rows = await works.fetch(
        "select status, (select count(*) from acte_workflow w where w.transaction_id = t.id and w.status = 4) as ars"
        " from acte_transaction t"
    )
    assert [(row["status"], row["ars"]) for row in rows] == [(4, 1)] * COUNT
    states = await works.fetch("select state, count(*) from received group by 1 order by 1")
    assert {row["state"]: row["count"] for row in states} == {"handled": COUNT, "ignored": COUNT // 10, "set_aside": 1}
    assert (
        await works.value(
            "select count(*) from received v left join content c on c.id = v.content_id where c.id is null"
        )
        == 0
    )


async def test_of_a_crowd_the_first_are_kept_at_once(
    works: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds taken together would be hundreds taken again for a worker that is killed each few seconds."""
    module = sys.modules[actes_receive.collect.__module__]
    store, taken = vars(module)["_store"], list[int]()

    async def counting(
        deps: Deps, route: Route, bodies: Mapping[str, Body], looks: Mapping[str, Look]
    ) -> Sequence[str]:
        taken.append(len(bodies))
        stored: Sequence[str] = await store(deps, route, bodies, looks)
        return stored

    monkeypatch.setattr(module, "_store", counting)
    with dovecot(tls(tmp_path / "tls")) as server:
        await prepare(works, server, tmp_path, {})
        for number in range(1, COUNT + 1):
            server.deliver(answer(number), f"{number:05}.a")
        async with works.deps.transaction("system") as connection:
            [route] = await list_active_routes(connection, RouteKind.ACTES)
        collecting = asyncio.create_task(actes_receive.collect(works.deps, route, set()))
        await until(lambda: emptied(server.maildir), "the mailbox is empty", 60)
        await end(collecting)
    assert taken == [10, 20, 40, 80, 150]


async def all_read(works: Plant) -> bool:
    return not await works.value(
        "select (select count(*) from received where state = 'new') + (select count(*) from job)"
    )


async def test_several_folders_of_one_mailbox(works: Plant, tmp_path: Path) -> None:
    """One is missing at first: the others are read all the same. Their messages bear the same numbers."""
    with dovecot(tls(tmp_path / "tls")) as server:
        await prepare(works, server, tmp_path, {"imap_folders": ["INBOX", "Junk", "Actes"]})
        server.deliver(answer(1), "1.a")
        server.folder("Junk").deliver(answer(2), "1.a")
        worker = start_worker(works.deps.config, tmp_path)
        try:
            await until(lambda: answered(works, 2), "INBOX and Junk are read", 30)
            server.folder("Actes").deliver(answer(3), "1.a")
            await until(lambda: answered(works, 3), "the folder made since too", 30)
            server.folder("Junk").deliver(answer(4), "2.a")
            await until(lambda: answered(works, 4), "what arrives later", 30)
        finally:
            worker.kill()
            worker.wait()
    assert "mailbox.folder_failed" in (tmp_path / "worker.log").read_text()
    keys = [row["remote_key"] for row in await works.fetch("select remote_key from received order by id")]
    assert len(set(keys)) == 4
    assert sorted(key.split("/", 2)[2:] for key in keys) == [[], ["Actes"], ["Junk"], ["Junk"]]


async def answered(works: Plant, count: int) -> bool:
    return bool(await works.value("select count(*) = $1 from acte_transaction where status = 4", count))


async def test_a_mailbox_made_anew_numbers_its_messages_again(works: Plant, tmp_path: Path) -> None:
    """Another server with the same UIDVALIDITY: the same key is another mail, which must not be taken for the first."""
    with dovecot(tls(tmp_path / "tls")) as server:
        await prepare(works, server, tmp_path, {})
        server.deliver(answer(1), "1.a")
        async with works.deps.transaction("system") as connection:
            [route] = await list_active_routes(connection, RouteKind.ACTES)
        async with works.deps.remotes.open_mailbox(route, "INBOX") as mailbox:
            [key] = await mailbox.list_new()
        await works.deliver_as(key, answer(2))  # what the former server had given under this key
        worker = start_worker(works.deps.config, tmp_path)
        try:
            await until(lambda: emptied(server.maildir), "the mailbox is empty", 30)
            await until(lambda: answered(works, 2), "both are read", 30)
        finally:
            worker.kill()
            worker.wait()
    keys = [row["remote_key"] for row in await works.fetch("select remote_key from received order by id")]
    assert [one.partition("#")[0] for one in keys] == [key, key]
    assert ["#" in one for one in keys] == [False, True]


async def test_the_answer_to_one_is_read_before_those_to_a_crowd(works: Plant, tmp_path: Path) -> None:
    """It came last of all; what was forged in its name, and came before it, does not pass it either."""
    route, other = works.routes[RouteKind.ACTES], works.people["B"].user.authority_id
    assert other is not None
    with dovecot(tls(tmp_path / "tls")) as server:
        await prepare(works, server, tmp_path, {})
        async with works.deps.transaction("system") as connection:
            await insert_sent_acts(connection, other, route.id, 1, OTHER_SIREN)
            [route] = await list_active_routes(connection, RouteKind.ACTES)
        for number in range(1, COUNT + 1):
            server.deliver(answer(number), f"{number:05}.a")
            server.deliver(answer(1000 + number, OTHER_SIREN), f"{number:05}.forged")
        server.deliver(answer(1, OTHER_SIREN), "99999.a")
        collecting = asyncio.create_task(actes_receive.collect(works.deps, route, set()))
        try:
            await until(lambda: emptied(server.maildir), "the mailbox is empty", 60)
        finally:
            await end(collecting)
    given: int | None = BATCH
    while given == BATCH:
        async with works.deps.transaction("system") as connection:
            given = await move_due_to_line(connection, LARGE)
    for _ in range(4):
        async with works.deps.transaction("system") as connection:
            job = await move_next_to_running(connection, "w", lines([JobKind.ACTES_INGEST]))
        assert job is not None
        await actes_receive.ingest(works.deps, ReceivedId(job.object_id))
    assert await works.value("select count(*) from acte_transaction where authority_id = $1 and status = 4", other) == 1
