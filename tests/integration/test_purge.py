"""The purge of a closed collectivité: once all is exported and ended; whole, resumed after a kill, its own only."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from tdt.db.authorities import NewAuthority, insert_authority
from tdt.db.helios import find_nomfic_holder
from tdt.deps import Deps
from tdt.domain import closing as rules
from tdt.domain.authorities import Module
from tdt.domain.authority_sheet import UNKNOWN
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId
from tdt.flows import authorities, classification, closing, exports, purge
from tests.commands import open_terminal
from tests.doorbells import until
from tests.integration.test_export import AR, LARGE, OPERATOR, fill
from tests.postgres import TestDatabase
from tests.wire import test_actes_api as actes
from tests.wire import test_helios_api as helios
from tests.wire.administration import rows
from tests.wire.client import File
from tests.wire.stack import Stack, config, pki, stack

__all__ = ["config", "pki", "stack"]

ready = actes.ready
KEPT = {"audit", "helios_nomfic", "helios_purged", "acte_purged"}
"""What stays of a purged collectivité, beside its own row."""

TABLES = """
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'authority_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1"""


async def execute(stack: Stack, *statements: str) -> None:
    connection = await asyncpg.connect(stack.database.owner_dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def dump(stack: Stack, authority: AuthorityId) -> dict[str, list[str]]:
    """Every row of a collectivité, by table."""
    found = {}
    for table in await rows(stack, TABLES):
        query = f"select t::text as row from {table['name']} t where authority_id = $1 order by 1"
        found[table["name"]] = [row["row"] for row in await rows(stack, query, authority)]
    found["authority"] = [
        row["row"] for row in await rows(stack, "select t::text as row from authority t where id = $1", authority)
    ]
    return found


async def settle(stack: Stack) -> None:
    """All that was deposited is at its end, and one PES has its NomFic."""
    await execute(
        stack,
        "update acte_transaction set status = 4",
        "update helios_transaction set status = 4",
        "delete from job",
        """insert into helios_nomfic (nomfic, cod_col, authority_id, transaction_id)
        select 'PES1', '123', authority_id, min(id) from helios_transaction group by authority_id
            order by authority_id limit 1""",
    )


async def fill_both(stack: Stack) -> None:
    """The two collectivités hold an acte of the very same bytes, under the same number."""
    await fill(stack)
    await execute(
        stack,
        f"""with body as (
            insert into content (authority_id, sha256, size, place, data)
            select {stack.authorities["B"]}, sha256, size, place, data from content c
            where c.id in (select content_id from acte_classification) returning id)
        insert into acte_classification (authority_id, date, content_id)
        select {stack.authorities["B"]}, '2019-03-01', id from body""",
    )
    await actes.create(stack, actes.form("ACTE_1"), account="other")
    shared = await rows(stack, "select from content group by sha256 having count(distinct authority_id) > 1")
    assert len(shared) > 1
    await settle(stack)


def tomorrow(stack: Stack) -> Deps:
    now = stack.deps.now()
    return replace(stack.deps, now=lambda: now + timedelta(days=1))


async def close(stack: Stack) -> AuthorityId:
    town, today = stack.authorities["A"], paris_date(stack.deps.now())
    await closing.close(stack.deps, OPERATOR, town, today, today + timedelta(days=1))
    return town


async def test_a_purge_takes_everything_of_its_own_and_nothing_else(ready: Stack, tmp_path: Path) -> None:
    stack = ready
    await fill_both(stack)
    town, other = await close(stack), stack.authorities["B"]
    before, traces = await dump(stack, other), len((await dump(stack, town))["audit"])
    query = "select spool_name from content where authority_id = $1 and place = 'spool'"
    spooled = {row["spool_name"] for row in await rows(stack, query, town)}
    others = {row["spool_name"] for row in await rows(stack, query, other)}
    assert others
    assert spooled
    done = await exports.export(stack.deps, OPERATOR, town, tmp_path / "export")
    assert await purge.purge_due(stack.deps) == []
    assert await purge.purge_due(tomorrow(stack)) == [town]

    left = await dump(stack, town)
    assert {table for table, found in left.items() if found} == {*KEPT, "authority"}
    assert len(left["audit"]) == traces + 3
    assert len(left["helios_purged"]) == 3
    assert await dump(stack, other) == before
    (chunks,) = await rows(stack, "select count(*) from content_chunk where authority_id = $1", town)
    assert chunks["count"] == 0
    assert set(stack.spooled()) == others

    (row,) = await rows(stack, "select * from authority where id = $1", town)
    assert (row["name"], row["siren"], row["status"], row["email"]) == (
        "Commune de Sablières-la-Vieille",
        "123456782",
        0,
        "",
    )
    assert (bytes(row["export_sha256"]), row["purged_at"] is not None) == (done.sha256, True)
    tags = await rows(
        stack, "select tag, data from audit where authority_id = $1 and tag like 'system:%' order by id", town
    )
    assert [one["tag"] for one in tags] == ["system:authority:purge_start", "system:authority:purge"]
    assert done.sha256.hex() in tags[0]["data"]
    assert b"aucun compte trouv" in (await stack.client().get("/api/test-connexion.php")).body
    assert await purge.purge_due(tomorrow(stack)) == []
    with pytest.raises(Refused) as unknown:
        await authorities.modify(stack.deps, OPERATOR, town, lambda sheet: sheet)
    assert unknown.value.message == UNKNOWN
    for refused in (
        exports.export(stack.deps, OPERATOR, town, tmp_path / "autre"),
        closing.reopen(stack.deps, OPERATOR, town),
    ):
        with pytest.raises(Refused) as refusal:
            await refused
        assert refusal.value.message == rules.PURGED


async def test_nothing_of_it_is_ever_sent_twice(ready: Stack, tmp_path: Path) -> None:
    stack = ready
    await fill_both(stack)
    town = await close(stack)
    (holder,) = await rows(stack, "select transaction_id from helios_nomfic")
    await exports.export(stack.deps, OPERATOR, town, tmp_path / "export")
    assert await purge.purge_due(tomorrow(stack)) == [town]
    for data in (helios.PES, LARGE):
        answer = await stack.client("other").post(helios.IMPORT, [("enveloppe", File("x.xml", data))])
        assert b"<resultat>KO</resultat>" in answer.body
        assert b"d&#xE9;j&#xE0;" in answer.body
    async with stack.deps.transaction("system") as connection:
        named = await find_nomfic_holder(connection, "PES1", "123")
        assert named is not None and named.transaction_id == holder["transaction_id"]
        back = await insert_authority(connection, NewAuthority("La même", "123456782", 31, "034", "3"))
    # whoever comes back under the same SIREN takes over the numbers; the other collectivité has its own
    await execute(
        stack,
        f"update account set authority_id = {back} where email like 'other@%'",
        f"update account_permission set authority_id = {back} where authority_id = {stack.authorities['B']}",
        f"update authority set modules = array['{Module.ACTES}'] where id = {back}",
        f"update authority_route set authority_id = {back}",
        f"update acte_classification set authority_id = {back}",
        f"update content set authority_id = {back} where id in (select content_id from acte_classification)",
    )
    answer = await stack.client("other").post(actes.CREATE, actes.form("ACTE_1"))
    assert "Un acte portant le même numéro interne existe déjà".encode("latin-1") in answer.body
    assert (await stack.client("other").post(actes.CREATE, actes.form("ACTE_2"))).body.startswith(b"OK\n")


async def test_it_waits_until_all_is_exported_and_ended(ready: Stack, tmp_path: Path) -> None:
    stack = ready
    acte = await fill(stack)
    town, later = await close(stack), tomorrow(stack)

    async def obstacle() -> str:
        with capture_logs() as events:
            assert await purge.purge_due(later) == []
        (held,) = [event for event in events if event["event"] == "purge.held"]
        assert held["reason"] == await purge.find_obstacle(later, town)
        return str(held["reason"])

    assert await obstacle() == rules.NOT_EXPORTED
    await exports.export(stack.deps, OPERATOR, town, tmp_path / "un")
    (jobs,) = await rows(stack, "select count(*) from job where authority_id = $1", town)
    assert await obstacle() == rules.UNFINISHED.format(jobs["count"] + 3)
    await execute(stack, "update helios_transaction set status = 3", "update job set state = 'dead'")
    assert await obstacle() == rules.UNANSWERED.format(jobs["count"] + 3)
    day = paris_date(later.now())
    await closing.schedule_purge(stack.deps, OPERATOR, town, day, unanswered=True)
    # an answer comes when everything seems to be over
    await actes.move(stack, acte, 5, AR)
    assert await obstacle() == rules.OUTRUN
    await exports.export(stack.deps, OPERATOR, town, tmp_path / "deux")
    await closing.schedule_purge(stack.deps, OPERATOR, town, None)
    assert await purge.purge_due(later) == []
    await closing.schedule_purge(stack.deps, OPERATOR, town, day, unanswered=True)
    assert await purge.purge_due(later) == [town]


async def test_reopened_it_is_not_purged(ready: Stack, tmp_path: Path) -> None:
    await fill_both(ready)
    town = await close(ready)
    await exports.export(ready.deps, OPERATOR, town, tmp_path / "export")
    await closing.reopen(ready.deps, OPERATOR, town)
    assert await purge.purge_due(tomorrow(ready)) == []
    assert (await ready.client().get("/api/test-connexion.php")).body.startswith(b"OK")


async def test_those_above_outlive_their_collectivite(ready: Stack, tmp_path: Path) -> None:
    await fill_both(ready)
    await execute(ready, f"update account set authority_id = {ready.authorities['A']} where role in ('SADM', 'GADM')")
    above = await rows(ready, "select id from account where role in ('SADM', 'GADM')")
    town = await close(ready)
    await exports.export(ready.deps, OPERATOR, town, tmp_path / "export")
    assert await purge.purge_due(tomorrow(ready)) == [town]
    left = await rows(ready, "select id, authority_id from account where role in ('SADM', 'GADM')")
    assert [row["id"] for row in left] == [row["id"] for row in above]
    assert {row["authority_id"] for row in left} == {None}


async def test_killed_in_the_middle_it_goes_on(ready: Stack, database: TestDatabase, tmp_path: Path) -> None:
    await fill_both(ready)
    town = await close(ready)
    await classification.read_as_data(ready.deps)  # the worker would, of both
    await execute(ready, "update authority set balanced_on = current_date + 1")  # and this, of the other
    before = await dump(ready, ready.authorities["B"])
    await exports.export(ready.deps, OPERATOR, town, tmp_path / "export")
    await execute(
        ready,
        "update route set active = false",
        f"update authority set closes_on = closes_on - 1, purges_on = purges_on - 1 where id = {town}",
    )
    terminal = open_terminal(database, tmp_path, f'[worker]\nhealth = "unix:{tmp_path}/worker.sock"\n')
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        async with owner.transaction():
            # no chunk can be destroyed meanwhile: the purge stands still before its archived bodies
            await owner.execute("lock table content_chunk in share mode")
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tdt", "work", env={**os.environ, "TDT_CONFIG": str(terminal.config)}
            )

            async def stands_still() -> bool:
                waiting = await rows(
                    ready, "select from pg_locks where not granted and relation = 'content_chunk'::regclass"
                )
                return len(waiting) > 0

            await until(stands_still, "the purge comes to the archived bodies")
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
    finally:
        await owner.close()
    halfway = await dump(ready, town)
    assert (halfway["acte_transaction"], halfway["account"], bool(halfway["content"])) == ([], [], True)
    with pytest.raises(Refused) as refusal:
        await closing.reopen(ready.deps, OPERATOR, town)
    assert refusal.value.message == rules.PURGE_STARTED

    assert await purge.purge_due(ready.deps) == [town]
    left = await dump(ready, town)
    assert {table for table, found in left.items() if found} == {*KEPT, "authority"}
    assert await dump(ready, ready.authorities["B"]) == before


async def test_what_another_row_still_names_stops_it_and_no_other(ready: Stack, tmp_path: Path) -> None:
    """A body of one collectivité that another one's row names: the purge of the first stops, and tells."""
    stack = ready
    await fill_both(stack)
    town = await close(stack)
    await exports.export(stack.deps, OPERATOR, town, tmp_path / "export")
    (body,) = await rows(stack, "select content_id as id from acte_classification where authority_id = $1", town)
    other = stack.authorities["B"]
    await execute(
        stack,
        f"update acte_classification set content_id = {body['id']} where authority_id = {other}",
    )
    with capture_logs() as events:
        assert await purge.purge_due(tomorrow(stack)) == []
    (failed,) = [event for event in events if event["event"] == "purge.failed"]
    assert (failed["authority_id"], failed["constraint"]) == (town, "acte_classification_content_id_fkey")
    kept: list[dict[str, Any]] = await rows(stack, "select from content where id = $1", body["id"])
    assert len(kept) == 1


async def test_a_mail_that_was_perhaps_for_it_stays_without_its_name(ready: Stack, tmp_path: Path) -> None:
    """It is nobody's, and may be another's: only the guess goes."""
    stack = ready
    await fill_both(stack)
    town = await close(stack)
    await execute(
        stack,
        f"""with body as (
            insert into content (sha256, size, place, data) values (sha256('x'), 1, 'row', 'x') returning id)
        insert into received (route_id, remote_key, name, content_id, state, proposed_authority_id, proposed_siren)
        select (select min(id) from route), 'boite', 'boite', id, 'set_aside', {town}, '123456782' from body""",
    )
    await exports.export(stack.deps, OPERATOR, town, tmp_path / "export")
    assert await purge.purge_due(tomorrow(stack)) == [town]
    (row,) = await rows(stack, "select * from received where remote_key = 'boite'")
    assert (row["state"], row["proposed_authority_id"], row["proposed_siren"]) == ("set_aside", None, "")
