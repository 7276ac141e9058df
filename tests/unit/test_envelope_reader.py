"""The reader of archives that others made: whatever the bytes, files of ours or a refusal, within limits, no more."""

import asyncio
import gzip
import io
import random
import tarfile
import tempfile
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdt.documents.envelope_reader import NAME, NOT_GZIP, NOT_TAR, ArchiveFault, ReaderLimits, read_envelope
from tdt.documents.spool import Spool
from tdt.domain.content import Body

INLINE = 1 << 12
LIMITS = ReaderLimits(1 << 20, 20)
FILES = {"TACT--123456782--20261122-1.xml": b"<e/>", "99_DE-a.pdf": b"%PDF-1.4" * 1000, "vide.xml": b""}


async def read(spool: Spool, data: bytes, limits: ReaderLimits = LIMITS, step: int = 1 << 16) -> dict[str, bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    bodies = await read_envelope(chunks(), spool, limits)
    return {name: content(spool, body) for name, body in bodies.items()}


def content(spool: Spool, body: Body) -> bytes:
    data = body.data if body.spool_name is None else spool.path(body.spool_name).read_bytes()
    assert data is not None and len(data) == body.size
    return data


def tar(files: dict[str, bytes], form: int = tarfile.USTAR_FORMAT, **changes: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", INLINE)


def left(spool: Spool) -> list[str]:
    return [path.name for path in spool.directory.iterdir()]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("step", [1, 511, 1 << 16])
async def test_what_software_writes_is_read(spool: Spool, form: int, step: int) -> None:
    data = gzip.compress(tar(FILES, form, mtime=1.5 if form == tarfile.PAX_FORMAT else 1, uname="é" * 40))
    assert await read(spool, data, step=step) == FILES
    assert len(left(spool)) == 1


async def test_the_archives_of_gnu_tar_are_read(spool: Spool, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    for what in (["."], sorted(FILES), [f"./{name}" for name in FILES]):
        made = await asyncio.create_subprocess_exec(
            "tar", "-C", str(folder), "-czf", "-", *what, stdout=asyncio.subprocess.PIPE
        )
        archive, _ = await made.communicate()
        assert await read(spool, archive) == FILES


async def test_several_gzip_members_and_padding_are_one_file(spool: Spool) -> None:
    whole = tar(FILES)
    data = gzip.compress(whole[:700]) + gzip.compress(whole[700:]) + b"\0" * 600
    assert await read(spool, data) == FILES


def member(kind: bytes = tarfile.REGTYPE, name: str = "a.xml", **changes: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in changes.items():
        setattr(info, key, value)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    return file.getvalue()


def pax(**records: str) -> bytes:
    return tar({"a.xml": b"x"}, tarfile.PAX_FORMAT, pax_headers=records)


HOSTILE = {
    "symbolic link": (member(tarfile.SYMTYPE, linkname="/etc/passwd"), "un lien"),
    "hard link": (member(tarfile.LNKTYPE, linkname="b"), "un lien"),
    "folder": (member(tarfile.DIRTYPE, "d"), "un dossier"),
    "top folder with bytes": (member(tarfile.DIRTYPE, "./", size=1), "un dossier"),
    "device": (member(tarfile.CHRTYPE), "un périphérique"),
    "fifo": (member(tarfile.FIFOTYPE), "un tube"),
    "sparse": (member(tarfile.GNUTYPE_SPARSE), "un fichier creux"),
    "contiguous": (member(tarfile.CONTTYPE), "type inconnu"),
    "long link": (member(tarfile.SYMTYPE, linkname="l" * 300), "un lien"),
    "absolute": (member(name="/etc/passwd"), "n'est pas accepté"),
    "above": (member(name="../a.xml"), "n'est pas accepté"),
    "above, later": (member(name="./../a.xml"), "n'est pas accepté"),
    "deep": (member(name="d/a.xml"), "n'est pas accepté"),
    "option": (member(name="-rf"), "n'est pas accepté"),
    "hidden": (member(name=".a"), "n'est pas accepté"),
    "accents": (member(name="délibération.pdf"), "n'est pas accepté"),
    "line": (member(name="a\n.xml"), "n'est pas accepté"),
    "long name": (member(name="n" * 150), "n'est pas accepté"),
    "prefix": (tar({"p" * 90 + "/" + "n" * 60: b""}), "n'est pas accepté"),
    "pax path": (pax(path="../../etc/passwd"), "n'est pas accepté"),
    "pax link": (pax(linkpath="/etc/passwd"), "creux ou des liens"),
    "pax sparse": (pax(**{"GNU.sparse.major": "1"}), "creux ou des liens"),
    "global path": (
        tarfile.TarInfo.create_pax_global_header({"path": "b"}) + tar({"a.xml": b"x"}),
        "creux ou des liens",
    ),
    "huge pax": (pax(comment="c" * 70_000), "démesuré"),
    "duplicate": (tar({"a.xml": b"1"})[:1024] + tar({"a.xml": b"2"}), "deux fois"),
    "duplicate, with a dot": (tar({"a.xml": b"1"})[:1024] + tar({"./a.xml": b"2"}), "deux fois"),
    "too many": (tar({f"f{number}": b"" for number in range(21)}), "plus de 20 fichiers"),
    "behind the end": (tar({"a.xml": b"1"}) + tar({"b.xml": b"2"}), "après sa fin"),
    "bomb": (tar({"a.xml": b"\0" * (2 << 20)}), "dépasse 1048576 octets"),
    "bomb of padding": (tar({"a.xml": b""}) + b"\0" * (2 << 20), "dépasse 1048576 octets"),
    "size of a lie": (tar({"a.xml": b"x" * 2000})[:1024], ""),
    "pax size": (pax(size="99999999999999999999"), ""),
    "checksum": (b"a" + tar(FILES)[1:], ""),
    "text": (b"Bonjour, voici la liste." * 100, ""),
    "cut header": (tar(FILES)[:300], ""),
    "long name of nothing": (member(name="n" * 150)[:1024], ""),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_what_is_not_a_flat_archive_is_refused_and_leaves_nothing(spool: Spool, case: str) -> None:
    data, reason = HOSTILE[case]
    with pytest.raises(ArchiveFault) as caught:
        await read(spool, gzip.compress(data))
    assert caught.value.message.startswith(NOT_TAR)
    assert reason in caught.value.message
    assert (caught.value.message == NOT_TAR) is (reason == "")
    assert left(spool) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        tar(FILES),
        gzip.compress(tar(FILES))[:-9],
        gzip.compress(tar(FILES))[:40],
        gzip.compress(tar(FILES)) + b"x",
        gzip.compress(tar(FILES)) + b"\0\0x",
        gzip.compress(tar(FILES))[:-5] + b"wrong",
        gzip.compress(tar(FILES)) + gzip.compress(b"") * 200,
    ],
    ids=["empty", "zip", "tar", "no trailer", "cut", "more", "zeros and more", "wrong check", "many members"],
)
async def test_what_is_not_gzip_is_refused_in_s2lows_words(spool: Spool, data: bytes) -> None:
    with pytest.raises(ArchiveFault) as caught:
        await read(spool, data)
    assert caught.value.message == NOT_GZIP
    assert left(spool) == []


async def test_a_reader_that_is_cancelled_leaves_nothing(spool: Spool) -> None:
    begun = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield gzip.compress(tar(FILES | {"b.pdf": random.Random(1).randbytes(100_000)}))[:60_000]
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(read_envelope(chunks(), spool, LIMITS))
    await begun.wait()
    assert len(left(spool)) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(spool) == []


async def test_memory_stays_flat(spool: Spool) -> None:
    """150 MiB of what cannot be compressed, in large files, then in very many small ones."""
    noise = random.Random(1).randbytes(1 << 20)

    async def packed(sizes: list[int]) -> AsyncIterator[bytes]:
        zipper = zlib.compressobj(0, wbits=31)
        for number, size in enumerate(sizes):
            info = tarfile.TarInfo(f"f{number}.pdf")
            info.size = size
            yield zipper.compress(info.tobuf(tarfile.USTAR_FORMAT))
            for _ in range(size // len(noise)):
                yield zipper.compress(noise)
            yield zipper.compress(noise[: size % len(noise)] + b"\0" * (-size % 512))
        yield zipper.flush()

    wide = Spool(spool.directory, 1 << 18)
    for sizes in ([100 << 20, 50 << 20], [150_000] * 1000):
        tracemalloc.start()
        try:
            bodies = await read_envelope(packed(sizes), wide, ReaderLimits(300 << 20, 1000))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert [body.size for body in bodies.values()] == sizes
        assert peak < 48 << 20


def judged(data: bytes, limits: ReaderLimits = LIMITS) -> dict[str, bytes] | None:
    """What is read of these bytes, None when they are refused; whatever they are, no more than that happens."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool", 64)
        try:
            files = asyncio.run(read(spool, data, limits))
        except ArchiveFault:
            files = None
        assert [path.name for path in Path(folder).iterdir()] == ["spool"]
        kept = sum(path.stat().st_size for path in spool.directory.iterdir())
        if files is None:
            assert kept == 0
        else:
            assert len(files) <= limits.members
            assert all(NAME.fullmatch(name) for name in files)
            assert kept <= sum(map(len, files.values())) <= limits.unpacked_bytes
    return files


SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.from_regex(r"[A-Za-z0-9_]{1,20}\.(xml|pdf)", fullmatch=True)


@SLOW
@given(st.binary(max_size=4000))
def test_arbitrary_bytes(data: bytes) -> None:
    judged(data)
    judged(gzip.compress(data, 1))


@SLOW
@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5), st.data())
def test_a_good_archive_is_read_and_a_damaged_one_never_gives_other_names_or_more(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    whole = bytearray(tar(files, form))
    assert judged(gzip.compress(bytes(whole), 1)) == files
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    judged(gzip.compress(bytes(whole), 1))


@SLOW
@given(
    st.text(st.characters(exclude_characters="\0"), max_size=120),
    st.sampled_from([tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE]),
    st.text(st.characters(max_codepoint=127, exclude_characters="\0"), max_size=60),
)
def test_only_plain_files_with_plain_names_are_read(name: str, kind: bytes, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        try:
            made = info.tobuf(form, "utf-8", "surrogateescape") + b"\0" * 1024
        except (ValueError, UnicodeError):
            continue
        files = judged(gzip.compress(made, 1))
        plain = NAME.fullmatch(name.removeprefix("./")) is not None and kind in (tarfile.REGTYPE, tarfile.AREGTYPE)
        top = kind == tarfile.DIRTYPE and name.rstrip("/") == "."
        assert (files is not None) is (plain or top), (name, files)


@SLOW
@given(st.integers(0, 3000), st.integers(1, 30))
def test_limits_are_never_exceeded(size: int, count: int) -> None:
    limits = ReaderLimits(10_240, 5)
    files = {f"f{number}.pdf": b"x" * size for number in range(count)}
    read_back = judged(gzip.compress(tar(files), 1), limits)
    assert (read_back == files) is (len(tar(files)) <= limits.unpacked_bytes and count <= limits.members)
