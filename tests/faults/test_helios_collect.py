"""The reception directory of the DGFiP: whatever happens to a look at it, no file is lost, none stops the others."""

import asyncio
import ctypes
import errno
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from tdt.deps import Deps
from tdt.documents.inbox import Fetched, Inbox
from tdt.domain.errors import Temporary
from tdt.domain.helios.reception import DOUBT
from tdt.domain.ids import RouteId
from tdt.domain.routes import RouteKind
from tdt.flows import helios_receive, helios_send
from tdt.flows.helios_receive.collect import FIRST, GROUP
from tdt.flows.helios_receive.storing import FORGOTTEN, LOST
from tdt.remote.dgfip_ftp import FtpClient
from tests.collecting import POINTS, run_collect, storing
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, acquit

Memory = helios_receive.Memory


async def look(works: Plant, memory: Memory | None = None) -> int:
    return await helios_receive.collect(works.deps, works.routes[RouteKind.HELIOS], memory or Memory())


async def stored(works: Plant) -> dict[str, bytes]:
    rows = await works.fetch("select name, content_id from received order by id")
    assert len({row["name"] for row in rows}) == len(rows)
    return {
        row["name"]: b"".join([chunk async for chunk in works.deps.stream("system", row["content_id"])]) for row in rows
    }


def put(works: Plant, name: str, data: bytes) -> Path:
    path = works.ftp.received / name
    path.write_bytes(data)
    return path


# --- killed


def large_acquit(elements: int) -> bytes:
    return acquit().replace(b"<ACQUIT>", b"<ACQUIT>" + b'<ElementACQUIT><EtatAck V="1"/></ElementACQUIT>' * elements)


@pytest.mark.parametrize(
    ("where", "gateway"), [*((where, True) for where in POINTS), *((where, False) for where in list(POINTS)[-3:])]
)
async def test_killed_at_each_step_nothing_is_lost_nor_stored_twice(
    works: Plant, tmp_path: Path, where: str, gateway: bool
) -> None:
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.gateway = gateway
    # more than a connection holds: the gateway has not sent it whole, and deleted it, when its first bytes are here
    data, name = large_acquit(300_000 if where == "while it comes" else 40_000), "ACK 1%~.xml"
    put(works, name, data)
    killed = run_collect(works.deps.config, tmp_path, where)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    await look(works)
    await look(works)
    assert await stored(works) == {name: data}
    assert list((works.deps.spool.directory / "receiving").rglob("*~*")) == []
    rows = await works.fetch("select object_id from job where kind = 'helios.ingest'")
    for row in rows:
        await helios_receive.ingest(works.deps, row["object_id"])
    assert await works.helios_life(flow) == [1, 2, 3, 8]


async def test_what_lies_forgotten_here_is_stored(works: Plant) -> None:
    """Its route was closed since, or a worker of another machine listens to it: no look of ours comes by any more."""
    route = works.routes[RouteKind.HELIOS].id
    folder = works.deps.spool.directory / "receiving" / str(route)
    assert await helios_receive.take_left(works.deps) == 0
    folder.mkdir(parents=True)
    (folder / "4~entier.xml").write_bytes(b"<x/>")
    (folder / "9~partiel.xml").write_bytes(b"<x/>")
    assert await helios_receive.take_left(works.deps) == 0  # somebody may be at work on it
    works.elapse(FORGOTTEN)
    assert await helios_receive.take_left(works.deps) == 1
    works.elapse(LOST)
    assert await helios_receive.take_left(works.deps) == 1
    assert await stored(works) == {"entier.xml": b"<x/>", "partiel.xml": b"<x/>"}
    assert list(folder.iterdir()) == []


async def test_what_is_taken_by_another_meanwhile_stops_nobody(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage the housekeeping and the listener find the same files, and each stores what it sees first."""
    folder = works.deps.spool.directory / "receiving" / str(works.routes[RouteKind.HELIOS].id)
    folder.mkdir(parents=True)
    store = storing.store

    async def store_and_lose(deps: Deps, route: RouteId, fetched: Fetched) -> int:
        stored: int = await store(deps, route, fetched)
        (folder / "4~b.xml").unlink(missing_ok=True)
        return stored

    monkeypatch.setattr(storing, "store", store_and_lose)
    for again in (partial(look, works), partial(helios_receive.take_left, works.deps)):
        for name in ("4~a.xml", "4~b.xml"):
            (folder / name).write_bytes(b"<x/>")
        await again()
        assert list(folder.iterdir()) == []
        works.elapse(FORGOTTEN)
    assert (await stored(works)).keys() == {"a.xml"}


async def test_files_of_a_route_that_is_unknown_are_left_and_stop_nobody(works: Plant) -> None:
    """A database that was restored from before the route: the worker must live, and the files stay."""
    folder = works.deps.spool.directory / "receiving"
    known = folder / str(works.routes[RouteKind.HELIOS].id)
    for one in (folder / "1000000", known):
        one.mkdir(parents=True)
        (one / "4~a.xml").write_bytes(b"<x/>")
    works.elapse(FORGOTTEN)
    assert await helios_receive.take_left(works.deps) == 1
    assert [path.parent.name for path in folder.rglob("*~*")] == ["1000000"]


# --- files in trouble


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The names of the files whose download is cut."""
    names: set[str] = set()
    fetch = FtpClient.fetch

    async def cut_fetch(self: FtpClient, name: str) -> AsyncIterator[bytes]:
        async with aclosing(fetch(self, name)) as blocks:  # type: ignore[type-var]
            async for block in blocks:
                if name in names:
                    raise Temporary("cut")
                yield block

    monkeypatch.setattr(FtpClient, "fetch", cut_fetch)
    yield names


async def test_a_file_that_cannot_be_fetched_keeps_none_waiting(works: Plant, cut: set[str]) -> None:
    works.ftp.behaviour.gateway = False
    files = {name: f"<{name[0]}/>".encode() for name in ("a.xml", "b.xml", "c.xml", "d.xml")}
    for name, data in files.items():
        put(works, name, data)
    cut |= {"a.xml", "c.xml"}
    memory = Memory()
    assert await look(works, memory) == 2
    assert memory.late == {"a.xml", "c.xml"}
    assert (await stored(works)).keys() == {"b.xml", "d.xml"}
    cut.clear()
    put(works, "z.xml", b"<z/>")
    assert await look(works, memory) == 3
    assert list(await stored(works)) == ["b.xml", "d.xml", "z.xml", "a.xml", "c.xml"]  # those that failed come last


async def test_a_server_that_gives_nothing_is_left_until_the_next_look(works: Plant, cut: set[str]) -> None:
    cut |= {f"{number}.xml" for number in range(9)}
    for name in cut:
        put(works, name, b"<x/>")
    with pytest.raises(Temporary):
        await look(works)
    assert sum(command.startswith("RETR") for command in works.ftp.commands) == 3


async def test_what_is_still_written_is_left_and_what_goes_is_forgotten(
    works: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list changes while it is read: one grows, one comes, one goes."""
    growing, going = put(works, "grandit.xml", b"<a>"), put(works, "part.xml", b"<b/>")
    put(works, "stable.xml", b"<c/>")
    lists = 0
    list_names, sizes_of = FtpClient.list_received, FtpClient.sizes_of

    async def changing(self: FtpClient) -> set[str]:
        nonlocal lists
        lists += 1
        names = await list_names(self)
        if lists == 1:
            put(works, "nouveau.xml", b"<d/>")
        return names

    async def changing_sizes(self: FtpClient, names: Sequence[str]) -> dict[str, int]:
        sizes = await sizes_of(self, names)
        if names:
            growing.write_bytes(b"<a></a>")
            going.unlink(missing_ok=True)
        return sizes

    monkeypatch.setattr(FtpClient, "list_received", changing)
    monkeypatch.setattr(FtpClient, "sizes_of", changing_sizes)
    assert await look(works) == 2
    assert lists == 3  # it went on while the directory grew
    assert (await stored(works)).keys() == {"stable.xml", "nouveau.xml"}
    assert await look(works) == 1
    assert (await stored(works))["grandit.xml"] == b"<a></a>"


async def test_a_long_list_gives_its_first_file_soon_and_asks_little_of_each(works: Plant) -> None:
    """A look that asks for every size before it stores anything gives nothing when it is killed again and again."""
    names = {f"{number:03}.xml" for number in range(2 * GROUP + 7)}
    for name in names:
        put(works, name, b"<x/>")
    assert await look(works) == len(names)
    assert (await stored(works)).keys() == names
    commands = [command.partition(" ")[0] for command in works.ftp.commands]
    assert commands[: commands.index("RETR")].count("SIZE") <= 4 * FIRST + 1
    assert commands.count("SIZE") == 3 * len(names)


async def test_what_stays_there_and_is_known_costs_one_question_and_no_wait(
    works: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a server where nothing may be removed: thousands of files of the past, and a new one."""
    works.ftp.behaviour.gateway = False

    async def keep(_: FtpClient, _name: str) -> None:
        pass

    monkeypatch.setattr(FtpClient, "remove", keep)
    for number in range(3 * GROUP):
        put(works, f"{number:03}.xml", b"<x/>")
    memory = Memory()
    assert await look(works, memory) == 3 * GROUP
    put(works, "zzz.xml", b"<new/>")
    works.ftp.commands.clear()
    waits = list[float]()
    sleep = asyncio.sleep

    async def waiting(seconds: float, result: object = None) -> object:
        waits.append(seconds)
        return await sleep(seconds, result)

    monkeypatch.setattr(sys.modules[helios_receive.collect.__module__], "asyncio", SimpleNamespace(sleep=waiting))
    assert await look(works, memory) == 1
    assert (await stored(works))["zzz.xml"] == b"<new/>"
    assert sum(command.startswith("SIZE") for command in works.ftp.commands) == 3 * GROUP + 3
    assert len(waits) == 2, "for the list, then for the new file"


@pytest.mark.parametrize("gateway", [True, False])
async def test_what_grows_between_the_lists_and_the_fetch_is_not_taken_for_whole(
    works: Plant, monkeypatch: pytest.MonkeyPatch, gateway: bool
) -> None:
    """Its sender stood still for a while: what was fetched is a part, and the rest must still find its file there."""
    works.ftp.behaviour.gateway = gateway
    path = put(works, "grandit.xml", b"<a>")
    put(works, "stable.xml", b"<c/>")
    fetch, removed = FtpClient.fetch, list[str]()

    async def remove(_: FtpClient, name: str) -> None:
        removed.append(name)

    async def growing_fetch(self: FtpClient, name: str) -> AsyncIterator[bytes]:
        if name == path.name and path.exists() and path.read_bytes() == b"<a>":
            path.write_bytes(b"<a><b/>")
        async with aclosing(fetch(self, name)) as blocks:  # type: ignore[type-var]
            async for block in blocks:
                yield block

    monkeypatch.setattr(FtpClient, "fetch", growing_fetch)
    monkeypatch.setattr(FtpClient, "remove", remove)
    assert await look(works) == 1
    assert removed == ["stable.xml"]
    if gateway:  # it is gone there, whatever we make of it: what came is kept
        assert await look(works) == 0
        assert (await stored(works))["grandit.xml"] == b"<a><b/>"
        return
    path.write_bytes(b"<a><b/></a>")
    assert await look(works) == 1
    assert (await stored(works))["grandit.xml"] == b"<a><b/></a>"
    assert removed.count("grandit.xml") == 1


async def test_empty_and_unfinished_files_wait_an_hour_then_are_stored(works: Plant) -> None:
    memory = Memory()
    empty, part = put(works, "vide.xml", b""), put(works, "ACK.xml.part", b"<x/>")
    for _ in range(3):
        assert await look(works, memory) == 0
    assert empty.exists()
    assert part.exists()
    works.elapse(DOUBT)
    assert await look(works, memory) == 2
    assert await stored(works) == {"vide.xml": b"", "ACK.xml.part": b"<x/>"}
    assert await look(works, memory) == 0
    for row in await works.fetch("select id from received"):
        await helios_receive.ingest(works.deps, row["id"])
    rows = await works.fetch("select code from received order by code")
    assert [row["code"] for row in rows] == ["FICHIER_INCONNU", "FICHIER_VIDE"]


async def test_own_files_folders_and_odd_names(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["été é&<>'.xml", "deux  espaces.XML", "100%.xml", "~x~.xml", "-", "x" * 240]
    latin = works.ftp.received / "ignore"
    for name in names:
        put(works, name, b"<x>" + name.encode() + b"</x>")
    for name in ("PESALR2_123456782_260301_001.xml", f"VHPCE31%%GHELPES2%%PES#012#034001#00%%{'a' * 40}"):
        put(works, name, b"<own/>")
    latin.mkdir()
    (latin / "dedans.xml").write_bytes(b"<x/>")
    assert await look(works) == len(names)
    found = await works.fetch("select name from received")
    read = {row["name"].encode("latin-1").decode() for row in found}
    assert read == set(names)
    assert {path.name[:7] for path in works.ftp.received.iterdir()} == {"PESALR2", "VHPCE31", "ignore"}


async def test_sizes_that_the_server_does_not_tell(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(_: FtpClient, __: str) -> int:
        return -1

    monkeypatch.setattr(FtpClient, "_size", unknown)
    put(works, "a.xml", b"<a/>")
    put(works, "b.xml", b"")
    assert await look(works) == 2
    assert await stored(works) == {"a.xml": b"<a/>", "b.xml": b""}
    assert list(works.ftp.received.iterdir()) == []


async def test_the_same_name_with_other_bytes_is_another_file(works: Plant) -> None:
    works.ftp.behaviour.gateway = False
    memory = Memory()
    put(works, "ACK.xml", b"<a/>")
    assert await look(works, memory) == 1
    # it stays there: not fetched again at each look, but taken as soon as it is another
    assert await look(works, memory) == 0
    assert sum(command.startswith("RETR") for command in works.ftp.commands) == 1
    put(works, "ACK.xml", b"<a></a>")
    assert await look(works, memory) == 1
    assert await look(works) == 0
    assert await works.value("select count(*) from received") == 2


async def test_nothing_is_asked_for_that_the_disk_cannot_take(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway deletes what it has sent: a small file is gone there before the first write fails here."""
    put(works, "ACK.xml", acquit())
    with monkeypatch.context() as full:
        full.setattr("tdt.documents.inbox.MARGIN", 1 << 62)
        with pytest.raises(Temporary, match="ne peut pas être écrit"):
            await look(works)
    assert not any(command.startswith("RETR") for command in works.ftp.commands)
    assert await look(works) == 1


async def test_what_is_fetched_has_its_place_before_it_is_asked_for(tmp_path: Path) -> None:
    """A disk that others fill after that takes none of it; yet the file shows how much of it has come."""
    inbox, size = Inbox(tmp_path), 3 << 20
    seen = []

    async def chunks() -> AsyncIterator[bytes]:
        [left] = inbox.list_left()
        seen.append((left.path.stat().st_size, left.path.stat().st_blocks * 512))
        for _ in range(3):
            yield bytes(1 << 20)

    fetched = await inbox.fetch("ACK.xml", size, chunks())
    [(before, reserved)] = seen
    assert (before, reserved >= size, fetched.is_whole) == (0, True, True)


async def test_what_has_no_place_is_not_asked_for(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    put(works, "ACK.xml", acquit())
    with monkeypatch.context() as full:
        full.setattr("tdt.documents.inbox._fallocate", lambda *_: ctypes.set_errno(errno.ENOSPC) or -1)
        with pytest.raises(Temporary, match="ne peut pas être écrit"):
            await look(works)
    assert not any(command.startswith("RETR") for command in works.ftp.commands)
    assert await look(works) == 1


# --- large


async def test_a_retour_of_160_mib_takes_no_more_memory_than_a_small_one(works: Plant, tmp_path: Path) -> None:
    piece = b'<Piece><BlocPiece><InfoPiece><IdPce V="345"/><EtatPce V="05"/></InfoPiece></BlocPiece></Piece>' * 1000
    with put(works, "PES2R_DEP_P.xml", b"").open("wb") as file:
        file.write(
            b'<n:PES_Retour xmlns:n="urn:x"><Enveloppe><Parametres><TypFic V="PES2R_DEP"/></Parametres></Enveloppe>'
        )
        file.write(b'<EnTetePES><IdColl V="73282932000074"/></EnTetePES><PES_DepenseRetour>')
        for _ in range(100):
            file.write(piece)
        file.write(b"<Commentaire>")
        while file.tell() < 160 << 20:
            file.write(b"0123456789abcde " * 65_536)
        file.write(b"</Commentaire></PES_DepenseRetour></n:PES_Retour>")
    ended = run_collect(works.deps.config, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.splitlines()[-1]) < 48 << 20
    [row] = await works.fetch("select code, said, state from received")
    assert (row["state"], row["code"]) == ("set_aside", "RETOUR_SIRET_INCONNU")
    assert row["said"]["counts"] == {"Piece": 100_000}
