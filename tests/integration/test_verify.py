"""`tdt verify`: each way in which something stored may differ is found by its code; what is intact is said so."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from tdt.admin.door import configuration, operator
from tdt.db.alerts import list_open
from tdt.db.content import get_content, insert_content, move_to_archive
from tdt.db.pool import transaction
from tdt.db.routes import NewRoute, insert_received, insert_route
from tdt.db.verify import Selection, get_last
from tdt.deps import Deps, open_deps
from tdt.documents.spool import READ_BYTES
from tdt.domain.ids import AuthorityId, ContentId, RouteId
from tdt.domain.routes import RouteKind, Transport
from tdt.flows import verify as flow
from tests.commands import Terminal, open_terminal
from tests.postgres import TestDatabase
from tests.tenants import add_authority

LARGE = 2 * READ_BYTES + 12_345
OPTIONS = flow.Options()
FLIPPED, CUT = "set_byte(data, 7, get_byte(data, 7) # 1)", "substr(data, 1, 99)"
SCHEMAS = (
    "insert into schema_set (name, archive, sha256, files, bytes, roots) values ('s', 'a', sha256('b'), 1, 1, '[]')"
)


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(
        database, tmp_path, '[content]\ninline_bytes = 4096\n[mail]\noperators = ["exploit@example.org"]'
    )


@pytest.fixture
async def deps(terminal: Terminal) -> AsyncIterator[Deps]:
    async with open_deps(configuration(terminal.config)) as deps:
        yield deps


async def keep(
    deps: Deps, authority: AuthorityId | None, size: int, *, archive: bool = False
) -> tuple[ContentId, bytes]:
    """A body of random bytes, in its row, in the spool or in the archive; with its SHA-1."""
    data = os.urandom(size)
    writer = deps.spool.writer()
    writer.write(data)
    body = await writer.finish()
    async with deps.transaction("system") as connection:
        content = await insert_content(connection, authority, body)
        found = await get_content(connection, content)
        assert found is not None
        if archive:
            await move_to_archive(connection, deps.spool, found, deps.now())
    if archive:
        deps.spool.remove(found.spool_name or "")
    return content, hashlib.sha1(data, usedforsecurity=False).digest()


class World:
    """A collectivité with an acte that left, some PES that left and a PES_Retour: every body is named by a row."""

    def __init__(self, deps: Deps, authority: AuthorityId, route: RouteId):
        self.deps, self.authority, self.route = deps, authority, route

    async def execute(self, query: str, *values: object) -> int:
        async with self.deps.transaction("system") as connection:
            return int(await connection.fetchval(query, *values) or 0)

    async def acte(self) -> dict[str, int]:
        """An acte whose archive left once; gives the numbers of its rows."""
        archive, _ = await keep(self.deps, self.authority, 900)
        file, _ = await keep(self.deps, self.authority, 500)
        name = f"n{archive}"
        envelope = await self.execute(
            "insert into acte_envelope (authority_id, route_id, name, archive_name, content_id)"
            " values ($1, $2, $3, $3, $4) returning id",
            self.authority,
            self.route,
            name,
            archive,
        )
        acte = await self.execute(
            "insert into acte_transaction (authority_id, envelope_id, type, status) values ($1, $2, 1, 3) returning id",
            self.authority,
            envelope,
        )
        row = await self.execute(
            "insert into acte_file (authority_id, envelope_id, transaction_id, position, name, mimetype, size,"
            " content_id) values ($1, $2, $3, 1, 'a.pdf', 'application/pdf', 500, $4) returning id",
            self.authority,
            envelope,
            acte,
            file,
        )
        attempt = await self._attempt("acte_envelope", envelope, archive)
        return {"acte": acte, "archive": archive, "file": file, "row": row, "attempt": attempt}

    async def helios(self, size: int, *, archive: bool = False) -> dict[str, int]:
        """A PES that left once."""
        content, sha1 = await keep(self.deps, self.authority, size, archive=archive)
        number = await self.execute(
            "insert into helios_transaction (authority_id, route_id, siren, filename, content_id, sha1, size, status)"
            " values ($1, $2, '123456789', 'f.xml', $3, $4, $5, 3) returning id",
            self.authority,
            self.route,
            content,
            sha1,
            size,
        )
        return {"id": number, "content": content, "attempt": await self._attempt("helios_transaction", number, content)}

    async def received(self) -> dict[str, int]:
        """A file of the DGFiP, known by its name and its digest."""
        content, _ = await keep(self.deps, None, 300)
        async with self.deps.transaction("system") as connection:
            digest = await connection.fetchval("select encode(sha256, 'hex') from content where id = $1", content)
            number = await insert_received(connection, self.route, f"r{content}/{digest}", "r", content)
        return {"id": number, "content": content}

    async def _attempt(self, kind: str, number: int, content: int) -> int:
        return await self.execute(
            "insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, outcome)"
            " select $1, $2, $3, $4, 'n', sha256, size, 'accepted' from content where id = $5 returning id",
            self.authority,
            self.route,
            kind,
            number,
            content,
        )


@pytest.fixture
async def world(deps: Deps) -> World:
    authority = await add_authority(deps.pool)
    async with deps.transaction("system") as connection:
        route = await insert_route(connection, NewRoute(RouteKind.HELIOS, Transport.FTP_SIMULATOR, "r", {}))
    return World(deps, authority, route)


async def run(deps: Deps, selection: Selection = Selection(), *, resume: bool = False) -> set[tuple[str, str]]:  # noqa: B008
    """What a verification finds: codes and subjects."""
    begun, selected, _ = await flow.begin(deps, operator(), selection, resume=resume)
    done = await flow.verify(deps, operator(), (begun, selected), OPTIONS, lambda _: None)
    assert done.faults + done.leftovers == len(done.findings)
    return {(str(one["code"]), str(one["subject"])) for one in done.findings}


async def test_what_is_intact_is_said_intact_wherever_it_lies(deps: Deps, world: World, terminal: Terminal) -> None:
    await world.acte()
    for size, archived in ((0, False), (4096, False), (LARGE, False), (LARGE, True), (4 * READ_BYTES, True)):
        await world.helios(size, archive=archived)
    await world.received()
    assert await run(deps) == set()
    printed = await asyncio.to_thread(terminal.run, "verify", "--rate", 0)
    assert printed.endswith(f"8 contenus, {1700 + 4096 + 2 * LARGE + 4 * READ_BYTES} octets : tout est intact.\n")
    async with deps.transaction("system") as connection:
        tags = [
            row["tag"] for row in await connection.fetch("select tag from audit where tag like '%verify%' order by id")
        ]
        last = await get_last(connection, full=True)
    assert tags == ["cli:verify:start", "cli:verify:end"] * 2
    assert last is not None and (last.faults, last.bodies) == (0, 8)


async def test_everything_that_differs_is_found(deps: Deps, world: World, terminal: Terminal) -> None:
    acte = await world.acte()
    byte, short, gone = [await world.helios(LARGE, archive=True) for _ in range(3)]
    lost, cut, sha1, size = [await world.helios(LARGE) for _ in range(4)]
    row, emptied, sent, other = (
        await world.helios(50),
        await world.helios(60),
        await world.helios(70),
        await world.received(),
    )
    async with deps.transaction("system") as connection:
        names = {
            found["id"]: deps.spool.path(found["spool_name"])
            for found in await connection.fetch("select id, spool_name from content where place = 'spool'")
        }
    for query, number in (
        (f"update content_chunk set data = {FLIPPED} where content_id = $1 and seq = 1", byte["content"]),
        (f"update content_chunk set data = {CUT} where content_id = $1 and seq = 2", short["content"]),
        ("delete from content_chunk where content_id = $1 and seq = 1", gone["content"]),
        ("update helios_transaction set sha1 = sha256(sha1) where id = $1", sha1["id"]),
        ("update helios_transaction set size = size + 1 where id = $1", size["id"]),
        ("update content set sha256 = sha256(sha256) where id = $1", row["content"]),
        ("update content set data = '' where id = $1", emptied["content"]),
        ("update attempt set sha256 = sha256(sha256) where id = $1", sent["attempt"]),
        ("update attempt set size = size - 1 where id = $1", acte["attempt"]),
        ("update acte_file set size = 501 where id = $1", acte["row"]),
        ("update received set remote_key = 'r/' || repeat('0', 64) where id = $1", other["id"]),
    ):  # fmt: skip
        await world.execute(query, number)
    names[ContentId(lost["content"])].unlink()
    os.truncate(names[ContentId(cut["content"])], READ_BYTES)
    expected = {
        ("EMPREINTE_DIFFERENTE", f"content:{byte['content']}"),
        ("TAILLE_INATTENDUE", f"content:{short['content']}"),
        ("MORCEAU_ABSENT", f"content:{gone['content']}"),
        ("FICHIER_ABSENT", f"content:{lost['content']}"),
        ("TAILLE_INATTENDUE", f"content:{cut['content']}"),
        ("SHA1_DIFFERENT", f"content:{sha1['content']}"),
        ("LIGNE_DIFFERENTE", f"helios:{size['id']}"),
        ("EMPREINTE_DIFFERENTE", f"content:{row['content']}"),
        # the digest that the attempt repeats is that of the bytes as they were
        ("ENVOI_DIFFERENT", f"attempt:{row['attempt']}"),
        ("TAILLE_INATTENDUE", f"content:{emptied['content']}"),
        ("ENVOI_DIFFERENT", f"attempt:{sent['attempt']}"),
        ("ENVOI_DIFFERENT", f"attempt:{acte['attempt']}"),
        ("LIGNE_DIFFERENTE", f"acte_file:{acte['row']}"),
        ("RECEPTION_DIFFERENTE", f"received:{other['id']}"),
    }
    assert await run(deps) == expected
    printed = await asyncio.to_thread(terminal.run, "verify", "--flow", f"helios:{byte['id']}", code=3)
    assert "EMPREINTE_DIFFERENTE" in printed and "Qui : l'exploitant. Remède : Ne rien renvoyer" in printed
    assert "2 contenus, 1400 octets" in await asyncio.to_thread(
        terminal.run, "verify", "--flow", f"actes:{acte['acte']}", code=3
    )
    async with deps.transaction("system") as connection:
        alerts = [one for one in await list_open(connection) if one.kind == "digest"]
    assert {tuple(reversed(one.subject.rsplit("/", 1))) for one in alerts} == expected, "each told once"
    assert {one.authority_id for one in alerts} == {world.authority, None}


async def test_a_fault_that_was_corrected_ends_its_alert(deps: Deps, world: World) -> None:
    pes = await world.helios(50)
    other = await world.helios(60)
    change = "update content set data = set_byte(data, 0, get_byte(data, 0) # 255) where id = $1"
    for one in (pes, other):
        await world.execute(change, one["content"])
    assert len(await run(deps)) == 2
    await world.execute(change, pes["content"])
    assert await run(deps, Selection(flow=("helios", pes["id"]))) == set()
    async with deps.transaction("system") as connection:
        assert len(await list_open(connection)) == 2, "only a full verification ends alerts"
    assert len(await run(deps)) == 1
    async with deps.transaction("system") as connection:
        assert [one.subject for one in await list_open(connection)] == [
            f"content:{other['content']}/EMPREINTE_DIFFERENTE"
        ]


async def test_what_belongs_to_nothing(deps: Deps, world: World, database: TestDatabase) -> None:
    spare, _ = await keep(deps, world.authority, 10)
    orphan, _ = await keep(deps, world.authority, LARGE, archive=True)
    dangling = await world.received()
    old = deps.spool.path("left")
    old.write_bytes(b"x")
    os.utime(old, (time.time() - 30 * 86400,) * 2)
    deps.spool.path("young").write_bytes(b"x")
    connection = await asyncpg.connect(database.admin_dsn)
    try:
        await connection.execute(
            "set session_replication_role = replica;"
            f"delete from content where id in ({orphan}, {dangling['content']});"
            f"update content set created_at = now() - interval '30 days' where id = {spare};"
            f"{SCHEMAS}"
        )
    finally:
        await connection.close()
    assert await run(deps) == {
        ("CONTENU_SANS_LIGNE", f"content:{spare}"),
        ("MORCEAU_SANS_CONTENU", f"content:{orphan}"),
        ("CONTENU_ABSENT", f"received:{dangling['id']}"),
        ("FICHIER_SANS_CONTENU", "spool:left"),
        ("SCHEMAS_DIFFERENTS", "schema_set:s"),
    }


async def test_one_that_is_stopped_is_taken_up_again(
    deps: Deps, world: World, monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    monkeypatch.setattr("tdt.flows.verify.run.PAGE", 2)
    for size in (10, 20, 30, 40, 50):
        await world.helios(size)
    altered = await world.helios(60)
    await world.execute("update content set data = 'x' where id = $1", altered["content"])
    begun, selected, size = await flow.begin(deps, operator(), Selection(), resume=False)
    assert size == 210
    seen: list[int] = []
    task: asyncio.Task[object]

    def stop(read: int) -> None:
        seen.append(read)
        if len(seen) == 3:
            task.cancel()

    slow = replace(OPTIONS, at_once=1, bytes_per_second=10_000)
    task = asyncio.create_task(flow.verify(deps, operator(), (begun, selected), slow, stop))
    with pytest.raises(asyncio.CancelledError):
        await task
    async with deps.transaction("system") as connection:
        assert await get_last(connection, full=True) is None
    done = await asyncio.to_thread(terminal.run, "verify", "--resume", "--json", code=3)
    assert f'"id": {begun.id},' in done and '"bodies": 6' in done and '"bytes": 210' in done
    assert "interrompue" in await asyncio.to_thread(terminal.run, "verify", "--resume", code=1)
    assert json.loads(await asyncio.to_thread(terminal.run, "verify", "--show", "--json", code=3)) == json.loads(done)


async def test_the_selections_and_the_pace(deps: Deps, world: World, terminal: Terminal) -> None:
    other = await add_authority(deps.pool)
    await world.helios(1000)
    await world.helios(2000)
    assert "0 contenus" in await asyncio.to_thread(terminal.run, "verify", "--authority", other)
    assert "2 contenus, 3000" in await asyncio.to_thread(terminal.run, "verify", "--authority", world.authority)
    assert "0 contenus" in await asyncio.to_thread(terminal.run, "verify", "--since", "2100-01-01")
    assert "n'existe pas" in await asyncio.to_thread(terminal.run, "verify", "--flow", "helios:999", code=1)
    assert "se désigne" in await asyncio.to_thread(terminal.run, "verify", "--flow", "999", code=1)
    begun, selected, _ = await flow.begin(deps, operator(), Selection(), resume=False)
    before = time.monotonic()
    await flow.verify(deps, operator(), (begun, selected), replace(OPTIONS, bytes_per_second=10_000), lambda _: None)
    assert time.monotonic() - before >= 0.3


async def test_archived_while_it_is_verified(deps: Deps, world: World) -> None:
    """Its row was read when it lay in the spool; its file has gone since: it is looked at again."""
    pes = await world.helios(LARGE)
    async with transaction(deps.pool, "system") as connection:
        found = await get_content(connection, ContentId(pes["content"]))
    assert found is not None
    stored = found
    spool, moved = type(deps.spool), False

    class Late(spool):  # type: ignore[misc, valid-type]
        async def read(self, spool_name: str) -> AsyncIterator[bytes]:
            nonlocal moved
            if not moved:
                moved = True
                async with transaction(deps.pool, "system") as connection:
                    await move_to_archive(connection, deps.spool, stored, deps.now())
                deps.spool.remove(spool_name)
            async for chunk in super().read(spool_name):
                yield chunk

    assert await run(replace(deps, spool=Late(deps.spool.directory, 4096))) == set()
    assert moved
