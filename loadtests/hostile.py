"""Slow and hostile clients by the thousand: what each costs the server, what another client feels of them.

Idle TLS connections, handshakes that never end, headers and deposits byte by byte, a large document that is read at
1 kB/s. Meanwhile another client asks for a status and deposits; each phase is compared with what it had alone.
"""

import multiprocessing
import resource
import selectors
import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from loadtests.memory import IMPORT, STATUS, deposit, door_of
from loadtests.pes import Wish, write_pes
from loadtests.processes import Program, forget_peak, peak_resident, resident
from loadtests.result import Outcome, Sample, Side, compare
from loadtests.stand import Stand, database, run_sql, serve
from loadtests.wire import Door, ask, connect, file_head, request_head

FILE = "/modules/helios/helios_download_file.php"
SIZE = 157_286_400
IDLE, SILENT, DRIPPING, READERS = 5_000, 5_000, 500, 200
LIMITS = {"idle_seconds": "300.0", "handshake_seconds": "60.0", "stall_seconds": "30.0"}
"""Idle connections must outlast the time that their establishment takes on a machine like ours."""
ASKED = 60
PAUSE = 0.02
MEMORY_MIB = 700.0
"""Below MemoryHigh of our unit, with the 768 MB that it leaves."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Hostile clients: how many, what each does. They live in a process of their own."""

    name: str
    count: int
    kind: str
    path: str = ""


def run(stand: Stand, _rounds: int, quick: bool) -> Iterator[Outcome]:
    """Each crowd in turn, against one `tdt serve`; what is held is looked at again when it has gone."""
    share = 10 if quick else 1
    with database(stand), serve(stand, changes=LIMITS) as server:
        flow = stand.directory / "flow.xml"
        path = f"{STATUS}?transaction={_deposit(stand, flow, 'ESSAI-PETIT', 1_000_000)}"
        large = _deposit(stand, flow, "ESSAI-GRAND", SIZE // share)
        good = Good(stand, path)
        crowds = (
            Crowd("idle TLS connections", IDLE // share, "idle"),
            Crowd("handshakes never ended", SILENT // share, "silent"),
            Crowd("headers byte by byte", DRIPPING // share, "headers"),
            Crowd("deposits byte by byte", DRIPPING // share, "deposits"),
            Crowd("a large document read at 1 kB/s", READERS // share, "readers", f"{FILE}?id={large}"),
        )
        for crowd in crowds:
            yield from _phase(stand, server, crowd, good)


def _deposit(stand: Stand, flow: Path, name: str, size: int) -> int:
    flow.write_bytes(b"".join(write_pes(Wish(name, size, max(size // 150_000, 1)))))
    return deposit(stand, flow)


class Good:
    """The client that must not feel anything: a status, and a small deposit, each on a new connection."""

    def __init__(self, stand: Stand, path: str):
        self._stand, self._path, self._number = stand, path, 0
        self._flow = stand.directory / "small.xml"

    def measure(self, count: int) -> tuple[list[float], list[float]]:
        """Latencies in milliseconds of statuses and of deposits."""
        return [self._timed(self._ask) for _ in range(count)], [self._timed(self._post) for _ in range(count // 6)]

    def _timed(self, act: Callable[[], None]) -> float:
        time.sleep(PAUSE)
        started = time.monotonic()
        act()
        return 1000 * (time.monotonic() - started)

    def _ask(self) -> None:
        door = door_of(self._stand)
        answer = ask(door, door.context(), [request_head("GET", self._path)])
        if b"<resultat>OK" not in answer:
            raise RuntimeError(f"refused: {answer[:600]!r}")

    def _post(self) -> None:
        self._number += 1
        self._flow.write_bytes(b"".join(write_pes(Wish(f"BON-{self._number:05d}", 20_000, 1))))
        deposit(self._stand, self._flow)


def _phase(stand: Stand, server: Program, crowd: Crowd, good: Good) -> Iterator[Outcome]:
    alone = good.measure(ASKED)
    forget_peak(server.pid)
    before, began = resident(server.pid), time.monotonic()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_besiege, args=(crowd, door_of(stand), theirs), daemon=True)
    process.start()
    established = ours.recv()
    took = time.monotonic() - began
    loaded = good.measure(ASKED)
    sessions = run_sql(stand, "select count(*) from pg_stat_activity where state like 'idle in transaction%'")[0][0]
    grown = peak_resident(server.pid) - before
    ours.send("leave")
    left = ours.recv()
    process.join(30)
    after = good.measure(ASKED)
    note = (
        f"{established} established in {took:.0f} s, {left} left; {grown / max(established, 1) / 1024:.0f} KiB each;"
        f" {sessions} transactions open"
    )
    yield Outcome(
        f"{crowd.name}: memory of the server",
        "MiB",
        Side("tdt", [Sample(grown / 2**20)]),
        None,
        [grown / 2**20],
        MEMORY_MIB,
        at_least=False,
        note=note,
    )
    for number, what in enumerate(("status", "deposit")):
        for moment, values in (("meanwhile", loaded[number]), ("after", after[number])):
            yield _told(f"{crowd.name}: a {what} {moment}", values, alone[number])


def _told(name: str, values: list[float], alone: list[float]) -> Outcome:
    sides = (
        Side("with them", [Sample(statistics.median(values))]),
        Side("alone", [Sample(statistics.median(alone))]),
    )
    note = f"95th centile {_p95(values):.0f} ms, alone {_p95(alone):.0f} ms"
    return compare(name, "ms", sides, None, at_least=False, note=note)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[18]


# -------------------------------------------------------------------------------------------- the hostile clients


def _besiege(crowd: Crowd, door: Door, line: Connection) -> None:
    """Establish all, tell how many, then go on until told to leave."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, crowd.count + 500)), hard))
    context = door.context()
    clients: list[socket.socket] = []
    for _ in range(crowd.count):
        with suppress(OSError):
            clients.append(_arrive(crowd, door, context))
    line.send(len(clients))
    act = {"headers": _drip, "deposits": _drip, "readers": _sip}.get(crowd.kind, _nothing)
    while not line.poll(1.0):
        for client in clients:
            act(client)
    line.send(_count_open(clients))
    for client in clients:
        client.close()


def _arrive(crowd: Crowd, door: Door, context: ssl.SSLContext) -> socket.socket:
    if crowd.kind == "silent":
        return socket.create_connection(("127.0.0.1", door.port), timeout=30)
    client = connect(door, context)
    if crowd.kind == "headers":
        client.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
    elif crowd.kind == "deposits":
        head = file_head("enveloppe", "flux.xml", "text/xml")
        client.sendall(request_head("POST", IMPORT, 1_000_000) + head + b"x")
    elif crowd.kind == "readers":
        client.sendall(request_head("GET", crowd.path))
    client.setblocking(False)
    return client


def _drip(client: socket.socket) -> None:
    with suppress(OSError):
        client.send(b"x")


def _sip(client: socket.socket) -> None:
    with suppress(OSError):
        client.recv(1_000)


def _nothing(_client: socket.socket) -> None:
    pass


def _count_open(clients: list[socket.socket]) -> int:
    """Those that the server has not closed: nothing to read, or something that is no end."""
    waiting = selectors.DefaultSelector()
    for client in clients:
        waiting.register(client, selectors.EVENT_READ)
    return len(clients) - sum(_has_ended(key.fileobj) for key, _ in waiting.select(0.5))  # type: ignore[arg-type]


def _has_ended(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        while data := client.recv(65_536):
            if data.startswith(b"HTTP/1.1 4"):
                return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    return True
