"""A PES of 150 MB over mutual TLS: kept and answered durable, against nginx writing the body to a file."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from loadtests.nginx import Certificates, nginx
from loadtests.pes import Wish, write_pes
from loadtests.processes import Program, drop_files, forget_peak, milliseconds_since, peak_resident, resident, spent
from loadtests.result import Outcome, Sample, Side, compare, interleave
from loadtests.stand import Stand, server_and_database
from loadtests.wire import BLOCK, FORM_END, Door, ask, file_head, request_head

TARGET = 0.75
SIZE = 157_286_400
PATH = "/modules/helios/api/helios_importer_fichier.php"


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """Megabytes (10^6 bytes) a second from the connection to the end of the answer."""
    body = _body(SIZE // 8 if quick else SIZE)
    with ExitStack() as stack:
        servers = stack.enter_context(server_and_database(stand))
        certificates = Certificates(stand.pki / "server.pem", stand.pki / "server.key", stand.pki / "connect")
        front = stack.enter_context(nginx(stand.directory / "nginx", certificates))
        growth: list[int] = []

        def send_ours(number: int) -> Sample:
            pid = servers["tdt"].pid
            forget_peak(pid)
            before = resident(pid)
            sample = _send(stand, stand.port, PATH, _unique(body, number), servers)
            growth.append(peak_resident(pid) - before)
            drop_files(stand.spool)
            return sample

        durable: list[Sample] = []

        def send_theirs(number: int) -> Sample:
            sample = _send(stand, front.port, "/upload", _unique(body, number), {"nginx": front.program})
            seconds = len(body) / 1e6 / sample.value + _sync(front.directory / "bodies")
            durable.append(Sample(len(body) / 1e6 / seconds, sample.cpu))
            drop_files(front.directory / "bodies")
            return sample

        sides = interleave(rounds, ("tdt", send_ours), ("nginx, body to a file", send_theirs))
    note = f"tdt: the most that its resident memory grew by in one upload: {max(growth[1:]) / 2**20:.1f} MiB"
    yield compare("upload of 150 MB", "MB/s", sides, TARGET, note=note)
    synced = sides[0], Side("nginx, then fdatasync", durable[1:])
    yield compare("upload of 150 MB, both synced", "MB/s", synced, None)


def _body(size: int) -> bytearray:
    head = file_head("enveloppe", "flux.xml", "text/xml")
    flow = b"".join(write_pes(Wish("LOADTEST@@@@", size, max(size // 150_000, 1))))
    return bytearray(head + flow + FORM_END)


def _unique(body: bytearray, number: int) -> bytearray:
    """The same flow under a name of its own: the server refuses bytes that it already has."""
    start = body.index(b"LOADTEST") + len(b"LOADTEST")
    body[start : start + 4] = b"%04d" % number
    return body


def _sync(directory: Path) -> float:
    """Seconds that it takes to make durable what nginx wrote."""
    started = time.monotonic()
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fdatasync(file.fileno())
    return time.monotonic() - started


def _send(stand: Stand, port: int, path: str, body: bytearray, servers: Mapping[str, Program]) -> Sample:
    account = stand.account("certonly")
    door = Door(port, stand.pki / "ca.pem", account.cert, account.key)
    view = memoryview(body)
    blocks = [view[start : start + BLOCK] for start in range(0, len(view), BLOCK)]
    context = door.context()
    os.sync()
    time.sleep(0.3)
    before = spent(servers)
    started = time.monotonic()
    answer = ask(door, context, [request_head("POST", path, len(view)), *blocks])
    seconds = time.monotonic() - started
    if b"OK" not in answer:
        raise RuntimeError(f"refused: {answer[:600]!r}")
    megabytes = len(view) / 1e6
    return Sample(megabytes / seconds, milliseconds_since(before, servers, megabytes))
