"""Twenty PES of 150 MB uploaded at once: what the server's memory grows by, what small requests feel of it."""

import mmap
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Barrier, Thread

from loadtests.memory import IMPORT, LIMIT_MIB, STATUS, deposit, door_of
from loadtests.pes import Wish, write_pes
from loadtests.processes import Program, drop_files, forget_peak, peak_resident, resident
from loadtests.result import Outcome, Sample, Side, compare
from loadtests.stand import Stand, run_sql, server_and_database
from loadtests.wire import BLOCK, FORM_END, Door, ask, body_of, connect, file_head, request_head

UPLOADS = 20
SIZE = 157_286_400
LINE = 6_250_000
"""Bytes a second of one client: a line of 50 Mbit/s, so 1 Gbit/s in all."""
MARK = b"LOADTEST@@@@"
PAUSE = 0.02
"""Between two small requests."""
ALONE = 200
BATCH = 64 << 10


@dataclass(frozen=True, slots=True)
class Load:
    """What the uploading clients do; `rate`: bytes a second of each, 0 for all that the machine gives."""

    door: Door
    flow: Path
    first: int
    rate: int


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """In each round the same small requests alone, then while the uploads last; each upload is kept and durable."""
    size = SIZE // 10 if quick else SIZE
    with server_and_database(stand) as servers:
        flow = stand.directory / "flow.xml"
        number = _deposit_small(stand, flow)
        with flow.open("wb") as file:
            for piece in write_pes(Wish(MARK.decode("ascii"), size, max(size // 150_000, 1))):
                file.write(piece)
        path = f"{STATUS}?transaction={number}"
        # before any of them: what the first leaves with the allocator counts too
        before = resident(servers["tdt"].pid)
        for place, (name, rate) in enumerate((("50 Mbit/s each", LINE), ("as fast as they go", 0))):
            found = [
                _round(stand, servers["tdt"], Load(door_of(stand), flow, _first(place, turn), rate), path)
                for turn in range(rounds + 1)
            ]
            yield from _tell(name, found, before)
        flow.unlink()


def _first(place: int, turn: int) -> int:
    """The number of the first upload of a round: no flow is posted twice."""
    return (place * 100 + turn) * UPLOADS


def _deposit_small(stand: Stand, flow: Path) -> int:
    flow.write_bytes(b"".join(write_pes(Wish("ESSAI-PETIT", 1_000_000, 3))))
    return deposit(stand, flow)


@dataclass(frozen=True, slots=True)
class Round:
    """Latencies in milliseconds, the most resident bytes of the server."""

    alone: list[float]
    loaded: list[float]
    peak: int
    seconds: float


def _round(stand: Stand, server: Program, load: Load, path: str) -> Round:
    alone = [_small(load.door, path) for _ in range(ALONE)]
    forget_peak(server.pid)
    context = multiprocessing.get_context("spawn")
    begun, ended = context.Event(), context.Queue()
    clients = context.Process(target=_upload_all, args=(load, begun, ended))
    clients.start()
    if not begun.wait(60):
        raise RuntimeError("the uploading clients did not start")
    loaded = []
    while ended.empty() and clients.is_alive():
        loaded.append(_small(load.door, path))
    seconds, answers = ended.get(timeout=10)
    clients.join()
    peak = peak_resident(server.pid)
    if refused := [answer for answer in answers if b"<resultat>OK" not in answer]:
        raise RuntimeError(f"refused: {refused[0][:600]!r}")
    [(kept,)] = run_sql(stand, f"select count(*) from helios_transaction where size > {load.flow.stat().st_size // 2}")
    drop_files(stand.spool)
    found = Round(alone, loaded, peak, seconds)
    print(
        f"    {kept} kept; {seconds:.1f} s; alone {statistics.median(alone):.1f} ms, loaded"
        f" {statistics.median(loaded):.1f} ms ({len(loaded)}); {peak / 2**20:.0f} MiB",
        flush=True,
    )
    return found


def _small(door: Door, path: str) -> float:
    """A status on a connection of its own, full handshake included."""
    time.sleep(PAUSE)
    context = door.context()
    started = time.monotonic()
    answer = ask(door, context, [request_head("GET", path)])
    if b"<resultat>OK" not in answer:
        raise RuntimeError(f"refused: {answer[:600]!r}")
    return 1000 * (time.monotonic() - started)


def _tell(name: str, everything: list[Round], before: int) -> Iterator[Outcome]:
    growth = [Sample((one.peak - before) / 2**20) for one in everything]
    # the first warms up: its memory counts, its latencies do not
    found = everything[1:]
    what = f"{UPLOADS} uploads, {name}"
    for label, centile in (("median", 50), ("95th centile", 95)):
        sides = (
            Side("while they last", [Sample(_centile(one.loaded, centile)) for one in found]),
            Side("alone", [Sample(_centile(one.alone, centile)) for one in found]),
        )
        note = f"{sum(len(one.loaded) for one in found)} requests meanwhile" if centile == 50 else ""
        yield compare(f"{what}: a status, {label}", "ms", sides, None, at_least=False, note=note)
    yield Outcome(
        f"{what}: memory of the server",
        "MiB",
        Side("tdt", growth),
        None,
        [one.value for one in growth],
        LIMIT_MIB,
        at_least=False,
        note=f"{statistics.median(one.seconds for one in found):.0f} s for all",
    )


def _centile(values: list[float], centile: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[centile - 1]


# ---------------------------------------------------------------------------------------------- the clients


def _upload_all(load: Load, begun: Event, ended: "Queue[tuple[float, list[bytes]]]") -> None:
    """A process of its own: each client a thread, all connected before the first byte of any."""
    together = Barrier(UPLOADS + 1)
    answers: list[bytes] = [b""] * UPLOADS
    threads = [Thread(target=_upload, args=(load, place, together, answers)) for place in range(UPLOADS)]
    for thread in threads:
        thread.start()
    together.wait(60)
    started = time.monotonic()
    begun.set()
    for thread in threads:
        thread.join()
    ended.put((time.monotonic() - started, answers))


def _upload(load: Load, place: int, together: Barrier, answers: list[bytes]) -> None:
    head = file_head("enveloppe", f"flux-{place}.xml", "text/xml")
    with load.flow.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # the same flow under a name of its own: the server refuses bytes that it already has
        first = data[:BLOCK].replace(MARK, MARK.replace(b"@@@@", b"%04d" % (load.first + place)))
        with connect(load.door, load.door.context()) as connection:
            together.wait(60)
            started, sent = time.monotonic(), 0
            connection.sendall(request_head("POST", IMPORT, len(head) + len(data) + len(FORM_END)) + head)
            for start in range(0, len(data), BATCH):
                piece = first[start : start + BATCH] if start < BLOCK else data[start : start + BATCH]
                connection.sendall(piece)
                sent += len(piece)
                if load.rate and (early := sent / load.rate - (time.monotonic() - started)) > 0:
                    time.sleep(early)
            connection.sendall(FORM_END)
            answer = b""
            while more := connection.recv(65_536):
                answer += more
                if b"</import>" in answer:
                    break
    answers[place] = body_of(answer)
