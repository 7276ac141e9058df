"""The tar.gz writer: same bytes for same entries, readable by GNU tar, flat memory, declared sizes verified."""

import asyncio
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tdt.documents.archive import BATCH_BYTES, ArchiveEntry, write_archive
from tdt.documents.spool import Spool
from tdt.domain.errors import Permanent

ROOT = Path(__file__).parents[2]
INLINE = 1 << 16


def source(data: bytes, step: int = 1 << 16) -> Callable[[], AsyncIterator[bytes]]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return chunks


def entry(name: str, data: bytes, step: int = 1 << 16) -> ArchiveEntry:
    return ArchiveEntry(name, len(data), source(data, step))


def noise(size: int) -> bytes:
    blocks = (hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def left_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


FILES = {
    "EACT--123456782--20260302-1.xml": "<enveloppe>é</enveloppe>".encode("iso-8859-1"),
    "034-123456782-20260302-ESSAI-DE-1-1_0.xml": b"<acte/>" * 73,
    "99_DE-034-123456782-20260302-ESSAI-DE-1-1_1.pdf": b"%PDF-1.4\n" + noise(900_000),
    "99_AU-034-123456782-20260302-ESSAI-DE-1-1_2.pdf": b"",
    "a" * 100: b"x" * 512,
}


async def archive_of(spool: Spool, step: int = 1 << 16) -> bytes:
    entries = [entry(name, data, step) for name, data in FILES.items()]
    body = await write_archive(entries, spool.writer())
    assert body.data is None
    assert body.spool_name is not None
    stored = spool.path(body.spool_name).read_bytes()
    assert (body.size, body.sha256) == (len(stored), hashlib.sha256(stored).digest())
    return stored


def test_gnu_tar_reads_it(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(asyncio.run(archive_of(Spool(tmp_path / "spool", INLINE))))
    (tmp_path / "out").mkdir()
    listed = subprocess.run(["tar", "tzf", archive], capture_output=True, text=True, check=True)
    assert (listed.stdout.splitlines(), listed.stderr) == (list(FILES), "")
    subprocess.run(["gzip", "-t", archive], capture_output=True, check=True)
    extracted = subprocess.run(
        ["tar", "xzf", archive, "-C", tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert extracted.stderr == ""
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == FILES


async def test_members_are_plain(tmp_path: Path) -> None:
    stored = await archive_of(Spool(tmp_path, INLINE))
    assert len(gzip.decompress(stored)) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(stored)) as archive:
        members = archive.getmembers()
    assert {(one.type, one.mode, one.uid, one.gid, one.uname, one.gname, one.mtime) for one in members} == {
        (tarfile.REGTYPE, 0o644, 0, 0, "", "", 946_684_800)
    }


@pytest.mark.parametrize("step", [513, BATCH_BYTES, BATCH_BYTES + 1, 1 << 20])
async def test_same_entries_same_bytes(tmp_path: Path, step: int) -> None:
    spool = Spool(tmp_path, INLINE)
    assert await archive_of(spool, step) == await archive_of(spool)


async def test_small_archive_stays_in_memory(tmp_path: Path) -> None:
    body = await write_archive([entry("a.xml", b"<a/>")], Spool(tmp_path, INLINE).writer())
    assert body.spool_name is None
    assert body.data is not None
    with tarfile.open(fileobj=io.BytesIO(body.data)) as archive:
        member = archive.extractfile("a.xml")
        assert member is not None
        assert member.read() == b"<a/>"
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("declared", [0, 299_999, 300_001, 600_000])
async def test_declared_size_must_be_true(tmp_path: Path, declared: int) -> None:
    closed: list[bool] = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            for _ in range(3):
                yield noise(100_000)
        finally:
            closed.append(True)

    entries = [entry("a.pdf", noise(400_000)), ArchiveEntry("b.pdf", declared, chunks)]
    with pytest.raises(Permanent, match=r"b\.pdf"):
        await write_archive(entries, Spool(tmp_path, INLINE).writer())
    assert closed == [True]
    assert left_in(tmp_path) == [], "nothing stays in the spool"


@pytest.mark.parametrize(
    "names", [["a.xml", "a.xml"], ["dir/a.xml"], [".."], [""], ["a\n.xml"], ["é.xml"], ["a" * 101]], ids=repr
)
async def test_names_that_cannot_travel(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(Permanent):
        await write_archive([entry(name, b"x") for name in names], Spool(tmp_path, INLINE).writer())


async def test_size_beyond_the_format(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"huge\.xml"):
        await write_archive([ArchiveEntry("huge.xml", 8 << 30, source(b""))], Spool(tmp_path, INLINE).writer())


async def test_cancelled_leaves_nothing(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield noise(BATCH_BYTES * 2)
        reached.set()
        await asyncio.Event().wait()

    writing = asyncio.ensure_future(
        write_archive([ArchiveEntry("a.pdf", 1 << 30, chunks)], Spool(tmp_path, INLINE).writer())
    )
    await asyncio.wait_for(reached.wait(), 10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert left_in(tmp_path) == []


FALLBACK_SCRIPT = """
import asyncio, gzip, sys, tarfile, io
from pathlib import Path
sys.modules["isal"] = sys.modules["isal.isal_zlib"] = None
from tdt.documents.archive import ArchiveEntry, compressobj, write_archive
from tdt.documents.spool import Spool
import zlib
assert compressobj is zlib.compressobj
async def chunks():
    yield b"abc"
body = asyncio.run(write_archive([ArchiveEntry("a", 3, chunks)], Spool(Path(sys.argv[1]), 1 << 20).writer()))
with tarfile.open(fileobj=io.BytesIO(body.data)) as archive:
    print(archive.extractfile("a").read().decode())
"""

MEMORY_SCRIPT = """
import asyncio, os, resource, sys
from pathlib import Path
from tdt.documents.archive import ArchiveEntry, write_archive
from tdt.documents.spool import Spool
block = os.urandom(1 << 20)
def entry(megabytes):
    async def chunks():
        for _ in range(megabytes):
            yield block
    return ArchiveEntry("a.pdf", megabytes << 20, chunks)
async def main():
    spool = Spool(Path(sys.argv[1]), 1 << 18)
    await write_archive([entry(2)], spool.writer())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await write_archive([entry(96)], spool.writer())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
asyncio.run(main())
"""


def run_script(script: str, directory: Path) -> str:
    command = [sys.executable, "-c", script, str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_isal_the_standard_library_serves(tmp_path: Path) -> None:
    assert run_script(FALLBACK_SCRIPT, tmp_path) == "abc"


def test_memory_stays_flat(tmp_path: Path) -> None:
    assert int(run_script(MEMORY_SCRIPT, tmp_path)) < 16 * 1024, "kibibytes of growth"
