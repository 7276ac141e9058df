"""A base of the version before, with work under way: the new one takes it up, and the old one goes on meanwhile."""

import shutil
from pathlib import Path

import asyncpg

from tdt.db import jobs
from tdt.db.migrate import migrate, migrations_directory
from tdt.db.turns import move_due_to_line
from tdt.domain.jobs import JobKind
from tests.claims import LARGE, lines

BEFORE = """
    insert into job (kind, object_id, state, worker, started_at, attempts, last_error) values
        ('actes.analyse', 1, 'ready', null, null, 0, null),
        ('actes.analyse', 2, 'running', 'old', now(), 1, null),
        ('actes.analyse', 3, 'dead', null, now(), 5, 'KeyError: x'),
        ('actes.analyse', 4, 'ready', null, null, 0, null);
    insert into worker (name) values ('old');
"""
OLD_CLAIM = """
    update job set state = 'running', worker = 'old', started_at = now(), attempts = attempts + 1
    where id = (
        select id from job where state = 'ready' and run_at <= now() and kind = any($1)
        order by run_at, id limit 1 for update skip locked)
    returning object_id"""
OLD_RETRY = """
    update job set state = 'ready', worker = null, published_at = null, last_error = 'INDISPONIBLE', run_at = now()
    where object_id = $1 and worker = 'old' and state = 'running'"""


async def test_jobs_of_the_version_before_are_taken_by_both(bare_database: str, tmp_path: Path) -> None:
    earlier = shutil.copytree(migrations_directory(), tmp_path / "earlier")
    for path in earlier.glob("*.sql"):
        if path.name >= "0012":
            path.unlink()
    await migrate(bare_database, earlier)
    connection = await asyncpg.connect(bare_database)
    try:
        await connection.execute("set tdt.scope = 'system'")
        await connection.execute(BEFORE)
        await migrate(bare_database)
        assert await connection.fetchval(OLD_CLAIM, ["actes.analyse"]) == 1

        assert await move_due_to_line(connection, LARGE) == 1
        taken = await jobs.move_next_to_running(connection, "new", lines([JobKind.ACTES_ANALYSE]))
        assert taken is not None and taken.object_id == 4

        await connection.execute(OLD_RETRY, 2)
        await connection.execute("insert into job (kind, object_id) values ('actes.analyse', 5)")
        assert await move_due_to_line(connection, LARGE) == 2
        assert await connection.fetchval(OLD_CLAIM, ["actes.analyse"]) in (2, 5)
        assert await jobs.move_next_to_running(connection, "new", lines([JobKind.ACTES_ANALYSE])) is not None
        dead = await connection.fetchrow("select code, dead_at, takeovers from job where state = 'dead'")
        assert dead is not None and tuple(dead) == ("", None, 0)
    finally:
        await connection.close()


OLD_INSERT = "insert into job (kind, authority_id, object_id) values ('helios.ingest', null, $1)"


async def test_turns_given_before_what_comes_back_took_turns_are_kept(bare_database: str, tmp_path: Path) -> None:
    earlier = shutil.copytree(migrations_directory(), tmp_path / "earlier")
    for path in earlier.glob("0013_*.sql"):
        path.unlink()
    await migrate(bare_database, earlier)
    connection = await asyncpg.connect(bare_database)
    try:
        await connection.execute("set tdt.scope = 'system'")
        await connection.execute(OLD_INSERT, 1)
        assert await move_due_to_line(connection, LARGE) == 1
        before = await connection.fetch("select tenant, turn from job")
        await migrate(bare_database)
        assert await connection.fetch("select tenant, turn from job") == before
        await connection.execute(OLD_INSERT, 2)
        assert await move_due_to_line(connection, LARGE) == 1
        rows = await connection.fetch("select object_id, tenant, turn_of from job order by turn")
        assert [tuple(row) for row in rows] == [(1, 0, None), (2, 0, None)]
    finally:
        await connection.close()
