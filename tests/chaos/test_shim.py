"""The disk that is full by a preloaded library: the spool sees it as a real one, all else sees nothing."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tdt.documents.inbox import Inbox
from tdt.documents.spool import DiskUnwritable, SpoolWriter
from tests.chaos.mounts import MIB, Disk, Form
from tests.chaos.shim import build_shim, find_compiler

ROOT = Path(__file__).parents[2]
PAGE = 4096
BODY = bytes(range(256)) * 400


@pytest.fixture(params=["tmpfs", "tcc", *(["cc"] if shutil.which("cc") else [])])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A spool that can be full: really, or by the shim, of the compiler of scripts/services and of the usual one."""
    disk = Disk(tmp_path / "spool", 64 * MIB)
    if request.param == "tmpfs":
        disk.mount()
        if disk.form is not Form.TMPFS:
            pytest.skip("mounting is not allowed here")
    else:
        compiler = shutil.which(request.param)
        assert compiler is not None, "scripts/services installs it"
        disk.make()
        disk.preload(build_shim(disk.path, compiler))
    try:
        # a tmpfs cannot be made smaller than this
        (disk.path / "ballast").write_bytes(b"b" * 2 * MIB)
        yield disk
    finally:
        disk.unmount()


@pytest.fixture
def preloaded(tmp_path: Path) -> Disk:
    compiler = find_compiler()
    assert compiler is not None, "scripts/services installs one"
    disk = Disk(tmp_path / "spool", 0)
    disk.make()
    disk.preload(build_shim(disk.path, compiler))
    return disk


class Child:
    """A process with the shim that runs one generator of this module; each `yield` of it waits to be told to go on."""

    def __init__(self, disk: Disk, name: str):
        code = f"from tests.chaos.test_shim import live, {name}; live({name})"
        usual = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        environment = disk.shim.with_shim(usual) if disk.shim else usual
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(disk.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def go_on(self) -> str:
        """To its next `yield`; what it says there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        assert self.process.returncode == 0


Life = Callable[[Path], Iterator[str]]


def live(life: Life) -> None:
    """In the child."""
    steps = life(Path(sys.argv[1]))
    while sys.stdin.readline() and (said := next(steps, None)) is not None:
        print(said, flush=True)


def run(disk: Disk, life: Life) -> Iterator[str]:
    with Child(disk, life.__name__) as child:
        while said := child.go_on():
            yield said


def attempt(what: Callable[[], object]) -> str:
    """What became of it: the name of the fault of the disk, or that there was none."""
    try:
        what()
    except DiskUnwritable as fault:
        return f"refused: {fault.details['error']}"
    except OSError as fault:
        return errno.errorcode[fault.errno or 0]
    return "done"


NO_ROOM = f"refused: {os.strerror(errno.ENOSPC)}"


# ------------------------------------------------------------------------------------- the spool


def deposit(spool: Path) -> Iterator[str]:
    """A body begun while there was room, and went on with while there is none; then another one."""
    begun = SpoolWriter(spool, 10)
    begun.write(BODY[:100])
    [partial] = spool.glob("*.part")
    yield "begun"
    yield attempt(lambda: begun.write(BODY[100:]))
    yield str(partial.stat().st_size)
    begun.discard()
    # the room of what was discarded is free again on a real disk
    yield str(len(list(spool.glob("*.part"))))
    again = SpoolWriter(spool, 10)
    again.write(BODY)
    body = asyncio.run(again.finish())
    assert body.spool_name is not None
    yield str((spool / body.spool_name).read_bytes() == BODY)


def test_a_body_for_which_there_is_no_room_is_refused_and_the_next_one_is_taken(disk: Disk) -> None:
    with Child(disk, "deposit") as child:
        assert child.go_on() == "begun"
        disk.fill()
        assert child.go_on() == NO_ROOM
        assert child.go_on() == str(PAGE), "as on a real full disk, the last page is filled first"
        assert child.go_on() == "0"
        disk.empty()
        assert child.go_on() == "True"


def fetch(spool: Path) -> Iterator[str]:
    """A file received: room is reserved before it is asked for; what is reserved can be written."""
    inbox = Inbox(spool / "inbox")

    async def chunks() -> AsyncIterator[bytes]:
        print("asked for", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for start in range(0, len(BODY), 1000):
            yield BODY[start : start + 1000]

    async def take() -> bytes:
        fetched = await inbox.fetch("ACK", len(BODY), chunks())
        return fetched.path.read_bytes()

    yield "ready"
    yield f"{attempt(lambda: asyncio.run(take()))}, {len(list((spool / 'inbox').iterdir()))} files"
    yield str(asyncio.run(take()) == BODY)


def test_what_was_reserved_is_written_on_a_full_disk(disk: Disk) -> None:
    with Child(disk, "fetch") as child:
        assert child.go_on() == "ready"
        disk.fill()
        assert child.go_on() == f"{NO_ROOM}, 0 files"
        disk.empty()
        assert child.go_on() == "asked for"
        disk.fill()
        assert child.go_on() == "True"


# ------------------------------------------------------------------------------------- every call


def take_room(spool: Path) -> Iterator[str]:
    """Each call that takes room, on a file that has none left; the flag is there from the start."""
    folder, source = os.open(spool, os.O_RDONLY), os.open(spool.parent / "source", os.O_RDONLY)
    file = os.open(spool / "full", os.O_RDWR)
    size, parts = os.fstat(file).st_size, [b"more", b"bytes"]
    flags = os.O_WRONLY | os.O_CREAT
    os.chdir(spool)
    calls: dict[str, Callable[[], object]] = {
        "open": lambda: os.open(spool / "new", flags),
        "open here": lambda: os.open("new", flags),
        "open through a link": lambda: os.open(spool.parent / "link" / "new", flags),
        "open for a moment": lambda: os.open(spool, os.O_TMPFILE | os.O_RDWR),
        "openat": lambda: os.open("new", flags, dir_fd=folder),
        "mkdir": (spool / "folder").mkdir,
        "mkdirat": lambda: os.mkdir("folder", dir_fd=folder),
        "write": lambda: (os.lseek(file, size, os.SEEK_SET), os.write(file, b"more")),
        "append": lambda: os.write(os.open(spool / "full", os.O_WRONLY | os.O_APPEND), b"more"),
        "pwrite": lambda: os.pwrite(file, b"more", size),
        "writev": lambda: (os.lseek(file, size, os.SEEK_SET), os.writev(file, parts)),
        "pwritev": lambda: os.pwritev(file, parts, size),
        "posix_fallocate": lambda: os.posix_fallocate(file, 0, size + 1),
        "ftruncate": lambda: os.ftruncate(file, size + 1),
        "sendfile": lambda: (os.lseek(file, size, os.SEEK_SET), os.sendfile(file, source, 0, 100)),
        "copy_file_range": lambda: os.copy_file_range(source, file, 100, 0, size),
        "print": lambda: (spool / "full").open("a").write("more\n" * 10_000),
    }
    for name, call in calls.items():
        yield f"{name} {attempt(call)}"
    yield f"grown by {os.fstat(file).st_size - size}, new {sorted(path.name for path in spool.iterdir())}"


def test_every_call_that_takes_room_is_refused(preloaded: Disk) -> None:
    (preloaded.path / "full").write_bytes(b"f" * 2 * PAGE)
    (preloaded.path.parent / "source").write_bytes(b"s" * PAGE)
    (preloaded.path.parent / "link").symlink_to(preloaded.path)
    preloaded.fill()
    *said, grown = run(preloaded, take_room)
    assert [line for line in said if not line.endswith(" ENOSPC")] == []
    assert len(said) == 17
    assert grown == "grown by 0, new ['full']"


def cut_short(spool: Path) -> Iterator[str]:
    """Each call that writes, on a file whose last page has 96 bytes left: they fit, the rest does not."""
    source, more = os.open(spool.parent / "source", os.O_RDONLY), [b"m" * 60, b"m" * 60, b"m" * 60]
    path = spool / "part"
    calls: dict[str, Callable[[int], int]] = {
        "write": lambda file: os.write(file, b"m" * 180),
        "pwrite": lambda file: os.pwrite(file, b"m" * 180, 4000),
        "writev": lambda file: os.writev(file, more),
        "pwritev": lambda file: os.pwritev(file, more, 4000),
        "sendfile": lambda file: os.sendfile(file, source, 0, 180),
        "copy_file_range": lambda file: os.copy_file_range(source, file, 180, 0, 4000),
    }
    for name, call in calls.items():
        file = os.open(path, os.O_WRONLY)
        os.ftruncate(file, 4000)
        os.lseek(file, 4000, os.SEEK_SET)
        yield f"{name} {call(file)} {path.read_bytes()[4000:4002]!r} {attempt(lambda call=call, file=file: call(file))}"  # type: ignore[misc]
        os.close(file)


def test_what_fits_is_written_before_it_is_refused(preloaded: Disk) -> None:
    (preloaded.path / "part").write_bytes(b"f" * 4000)
    (preloaded.path.parent / "source").write_bytes(b"m" * PAGE)
    preloaded.fill()
    for said in run(preloaded, cut_short):
        name, written, what, then = said.split()
        # a call that says where writes the same bytes again: they have their place
        expected = "done" if name in ("pwrite", "pwritev", "copy_file_range") else "ENOSPC"
        assert (written, what, then) == ("96", "b'mm'", expected), said


def need_no_room(spool: Path) -> Iterator[str]:
    """What works on a full disk, and everything elsewhere."""
    file, other = os.open(spool / "full", os.O_RDWR), spool.parent / "spool2"
    calls: dict[str, Callable[[], object]] = {
        "overwrite": lambda: os.pwrite(file, b"other", 0),
        "read": lambda: os.pread(file, 100, 0),
        "open what is there": lambda: os.open(spool / "full", os.O_WRONLY | os.O_CREAT),
        "rename": lambda: (spool / "full").rename(spool / "moved"),
        "link": lambda: os.link(spool / "moved", spool / "full"),
        "unlink": (spool / "moved").unlink,
        "shrink": lambda: os.ftruncate(file, 10),
        "folder that is there": lambda: spool.mkdir(exist_ok=True),
        "sync": lambda: os.fsync(file),
        "folder beside": other.mkdir,
        "file beside": lambda: (other / "new").write_bytes(BODY),
        "pipe": lambda: os.write(os.pipe()[1], b"bytes"),
    }
    for name, call in calls.items():
        yield f"{name} {attempt(call)}"
    yield f"exclusive {attempt(lambda: os.open(spool / 'full', os.O_CREAT | os.O_EXCL))}"


def test_all_else_is_untouched(preloaded: Disk) -> None:
    (preloaded.path / "full").write_bytes(b"f" * 2 * PAGE)
    preloaded.fill()
    *said, exclusive = run(preloaded, need_no_room)
    assert [line for line in said if not line.endswith(" done")] == []
    assert len(said) == 12
    assert exclusive == "exclusive EEXIST"
    assert (preloaded.path.parent / "spool2" / "new").read_bytes() == BODY
    preloaded.empty()
