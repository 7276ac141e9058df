"""Bodies in the database: kept in their row, in the spool, in the archive; read the same from all three."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from tdt.certificates.signers import Signers
from tdt.config import Antivirus as AntivirusSection
from tdt.config import Config, Mail, Server
from tdt.config import Content as ContentSection
from tdt.db.content import (
    get_content,
    get_small,
    insert_content,
    insert_small,
    list_known_spool_names,
    move_to_archive,
    move_to_authority,
    stream_content,
)
from tdt.db.pool import Pool, Scope, transaction
from tdt.deps import Deps, utc_now
from tdt.documents.child import Children, Limits
from tdt.documents.spool import READ_BYTES, Spool
from tdt.domain.content import Body
from tdt.domain.errors import NotFound, Permanent
from tdt.domain.ids import AuthorityId, ContentId
from tdt.domain.jobs import JobKind
from tdt.flows import contents
from tdt.remote.antivirus import Antivirus
from tdt.remote.mailer import Mailer
from tdt.remote.routes import Remotes
from tests.claims import claim_next
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application

NOW = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
LARGE = 2 * READ_BYTES + 12_345


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn) as pool:
        yield pool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 262_144)


async def put(spool: Spool, data: bytes) -> Body:
    writer = spool.writer()
    writer.write(data)
    return await writer.finish()


async def keep(pool: Pool, spool: Spool, authority: AuthorityId | None, data: bytes) -> ContentId:
    body = await put(spool, data)
    async with transaction(pool, "system") as connection:
        return await insert_content(connection, authority, body)


async def archive(pool: Pool, spool: Spool, content: ContentId) -> None:
    async with transaction(pool, "system") as connection:
        found = await get_content(connection, content)
        assert found is not None
        await move_to_archive(connection, spool, found, NOW)
    spool.remove(found.spool_name or "")


async def read(pool: Pool, spool: Spool, scope: Scope, content: ContentId) -> bytes:
    return b"".join([chunk async for chunk in stream_content(pool, spool, scope, content)])


async def place(pool: Pool, content: ContentId) -> str:
    async with transaction(pool, "system") as connection:
        found = await get_content(connection, content)
    assert found is not None
    return found.place


@pytest.mark.parametrize("size", [0, 1, 262_144])
async def test_a_small_body_lies_in_its_row(pool: Pool, spool: Spool, size: int) -> None:
    authority, data = await add_authority(pool), os.urandom(size)
    content = await keep(pool, spool, authority, data)
    assert await place(pool, content) == "row"
    assert await read(pool, spool, authority, content) == data
    async with transaction(pool, "system") as connection:
        assert await claim_next(connection, "w", [JobKind.CONTENT_ARCHIVE]) is None


async def test_a_large_body_goes_from_the_spool_to_the_archive(pool: Pool, spool: Spool) -> None:
    authority, data = await add_authority(pool), os.urandom(LARGE)
    content = await keep(pool, spool, authority, data)
    assert await place(pool, content) == "spool"
    assert await read(pool, spool, authority, content) == data
    await archive(pool, spool, content)
    assert await place(pool, content) == "archive"
    assert list(spool.directory.iterdir()) == []
    chunks = [chunk async for chunk in stream_content(pool, spool, authority, content)]
    assert [len(chunk) for chunk in chunks] == [READ_BYTES, READ_BYTES, 12_345]
    assert b"".join(chunks) == data


async def test_the_archiving_job_is_committed_with_the_row_or_not_at_all(pool: Pool, spool: Spool) -> None:
    authority = await add_authority(pool)
    body = await put(spool, os.urandom(LARGE))
    with pytest.raises(RuntimeError):
        async with transaction(pool, "system") as connection:
            await insert_content(connection, authority, body)
            raise RuntimeError
    async with transaction(pool, "system") as connection:
        assert await claim_next(connection, "w", list(JobKind)) is None
        content = await insert_content(connection, authority, body)
    async with transaction(pool, "system") as connection:
        job = await claim_next(connection, "w", list(JobKind))
    assert job is not None
    assert (job.kind, job.authority_id, job.object_id) == (JobKind.CONTENT_ARCHIVE, authority, content)


async def test_archived_while_it_is_read(pool: Pool, spool: Spool) -> None:
    """The reader has the file open: it reads it to its end although its name is gone."""
    authority, data = await add_authority(pool), os.urandom(LARGE)
    content = await keep(pool, spool, authority, data)
    chunks = stream_content(pool, spool, authority, content)
    first = await anext(chunks)
    await archive(pool, spool, content)
    assert first + b"".join([chunk async for chunk in chunks]) == data


async def test_archived_between_the_row_and_the_file(pool: Pool, spool: Spool) -> None:
    """The reader saw the row as it was before; the file is gone: it looks at the row again."""
    authority, data = await add_authority(pool), os.urandom(LARGE)
    content = await keep(pool, spool, authority, data)
    name = next(spool.directory.iterdir()).name
    stood_at_the_gate = asyncio.Event()

    class Gate(Spool):
        """The spool, archived at the very moment when its reader comes."""

        async def read(self, spool_name: str) -> AsyncIterator[bytes]:
            if not stood_at_the_gate.is_set():
                stood_at_the_gate.set()
                await archive(pool, spool, content)
            async for chunk in super().read(spool_name):
                yield chunk

    assert await read(pool, Gate(spool.directory, 1), authority, content) == data
    assert stood_at_the_gate.is_set()
    assert not spool.path(name).exists()


async def test_archiving_twice_gives_one_archive(pool: Pool, spool: Spool) -> None:
    """A worker killed between the commit and the removal of the file leaves the file to its successor."""
    authority, data = await add_authority(pool), os.urandom(LARGE)
    content = await keep(pool, spool, authority, data)
    async with transaction(pool, "system") as connection:
        found = await get_content(connection, content)
        assert found is not None
        await move_to_archive(connection, spool, found, NOW)
    assert await read(pool, spool, authority, content) == data
    async with transaction(pool, "system") as connection:
        assert await list_known_spool_names(connection, [found.spool_name or ""]) == set()
    spool.remove(found.spool_name or "")
    assert await read(pool, spool, authority, content) == data


async def test_bytes_that_changed_on_disk_are_never_archived(pool: Pool, spool: Spool) -> None:
    authority = await add_authority(pool)
    content = await keep(pool, spool, authority, os.urandom(LARGE))
    file = next(spool.directory.iterdir())
    with file.open("r+b") as changed:
        changed.seek(READ_BYTES)
        changed.write(b"\0" * 16)
    with pytest.raises(Permanent, match="changé"):
        await archive(pool, spool, content)
    assert await place(pool, content) == "spool"
    assert file.exists()
    async with transaction(pool, "system") as connection:
        assert await connection.fetchval("select count(*) from content_chunk") == 0


async def test_a_file_cut_short_is_never_archived(pool: Pool, spool: Spool) -> None:
    content = await keep(pool, spool, await add_authority(pool), os.urandom(LARGE))
    os.truncate(next(spool.directory.iterdir()), READ_BYTES)
    with pytest.raises(Permanent, match="changé"):
        await archive(pool, spool, content)


async def test_a_lost_file_is_said_lost(pool: Pool, spool: Spool) -> None:
    authority = await add_authority(pool)
    content = await keep(pool, spool, authority, os.urandom(LARGE))
    next(spool.directory.iterdir()).unlink()
    with pytest.raises(Permanent, match="manque"):
        await read(pool, spool, authority, content)


async def test_a_lost_chunk_is_said_lost(pool: Pool, spool: Spool) -> None:
    authority = await add_authority(pool)
    content = await keep(pool, spool, authority, os.urandom(LARGE))
    await archive(pool, spool, content)
    async with transaction(pool, "system") as connection:
        await connection.execute("delete from content_chunk where seq = 1")
    with pytest.raises(Permanent, match="manque"):
        await read(pool, spool, authority, content)


@pytest.mark.parametrize("size", [100, LARGE])
@pytest.mark.parametrize("archived", [False, True])
async def test_another_collectivite_sees_nothing_of_it(pool: Pool, spool: Spool, size: int, archived: bool) -> None:
    owner, other, data = await add_authority(pool), await add_authority(pool), os.urandom(size)
    content = await keep(pool, spool, owner, data)
    if archived and size == LARGE:
        await archive(pool, spool, content)
    with pytest.raises(NotFound):
        await read(pool, spool, other, content)
    async with transaction(pool, other) as connection:
        assert await get_content(connection, content) is None
        assert await connection.fetchval("select count(*) from content_chunk") == 0
        assert await connection.execute("delete from content") == "DELETE 0"
    assert await read(pool, spool, owner, content) == data
    assert await read(pool, spool, "system", content) == data


async def test_nobody_writes_in_the_name_of_another(pool: Pool, spool: Spool) -> None:
    owner, other = await add_authority(pool), await add_authority(pool)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(pool, other) as connection:
            await insert_small(connection, owner, b"x")


async def test_what_came_without_an_owner_is_given_to_one(pool: Pool, spool: Spool) -> None:
    authority, data = await add_authority(pool), os.urandom(LARGE)
    content = await keep(pool, spool, None, data)
    await archive(pool, spool, content)
    with pytest.raises(NotFound):
        await read(pool, spool, authority, content)
    async with transaction(pool, "system") as connection:
        await move_to_authority(connection, content, authority)
    assert await read(pool, spool, authority, content) == data


async def test_a_message_of_ours(pool: Pool, spool: Spool) -> None:
    authority = await add_authority(pool)
    async with transaction(pool, authority) as connection:
        content = await insert_small(connection, authority, b"<a/>")
        found = await get_content(connection, content)
        assert await get_small(connection, content) == b"<a/>"
    assert found is not None
    assert (found.size, found.sha256) == (4, hashlib.sha256(b"<a/>").digest())
    assert await read(pool, spool, authority, content) == b"<a/>"
    async with transaction(pool, authority) as connection:
        with pytest.raises(NotFound):
            await get_small(connection, ContentId(content + 1))


async def test_the_sweep_knows_what_a_row_still_needs(pool: Pool, spool: Spool) -> None:
    content = await keep(pool, spool, await add_authority(pool), os.urandom(LARGE))
    orphan = (await put(spool, os.urandom(LARGE))).spool_name or ""
    async with transaction(pool, "system") as connection:
        found = await get_content(connection, content)
        names = [path.name for path in spool.directory.iterdir()]
        known = await list_known_spool_names(connection, names)
    assert found is not None
    assert known == {found.spool_name}
    assert orphan in names


async def test_ok_may_wait_until_every_byte_is_in_the_database(pool: Pool, spool: Spool) -> None:
    deps = Deps(
        config=Config(content=ContentSection(answer_after="archive")),
        pool=pool,
        sessions=pool,
        spool=spool,
        remotes=Remotes({}),
        mailer=Mailer(Mail()),
        antivirus=Antivirus(AntivirusSection()),
        signers=Signers(Server(), Path("absent")),
        pes_signers=Signers(Server(), Path("absent")),
        children=Children(1, Limits(memory_bytes=1 << 28, seconds=10)),
        now=utc_now,
    )
    authority = await add_authority(pool)
    large, small = b"grand" * 500_000, b"petit"
    bodies = [await put(spool, large), await put(spool, small)]
    async with deps.transaction(authority) as connection:
        kept = await deps.keep(connection, authority, bodies)
        rows = [await get_content(connection, one) for one in kept]
        assert [row.place for row in rows if row is not None] == ["archive", "row"]
    file = spool.path(bodies[0].spool_name or "")
    assert file.exists()
    file.unlink()  # as on another machine
    assert b"".join([chunk async for chunk in deps.stream(authority, kept[0])]) == large
    file.touch()
    await contents.archive(deps, kept[0])
    assert not file.exists()
    async with deps.transaction(authority) as connection:
        row = await get_content(connection, kept[0])
        assert row is not None
        assert row.spool_name is None
