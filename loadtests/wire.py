"""The clients: mutual TLS with a new connection and a full handshake for each request, as the software of the field."""

import base64
import multiprocessing
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

SECONDS = 120.0
BLOCK = 1 << 20
BOUNDARY = "loadtest0123456789"


@dataclass(frozen=True, slots=True)
class Door:
    """Where to connect, and with which certificate."""

    port: int
    ca: Path
    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Session resumption is never asked for: each connection is a full handshake."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.cert, self.key)
        return context


def connect(door: Door, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", door.port), timeout=SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="localhost")


def ask(door: Door, context: ssl.SSLContext, blocks: Iterable[bytes | memoryview]) -> bytes:
    """One request on a new connection; status line, headers and body of the answer."""
    with connect(door, context) as connection:
        for block in blocks:
            connection.sendall(block)
        return _read_answer(connection)


def _read_answer(connection: ssl.SSLSocket) -> bytes:
    answer = b""
    while not _is_whole(answer):
        more = connection.recv(65536)
        if not more:
            break
        answer += more
    return answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
        if name == b"transfer-encoding":
            return body.endswith(b"0\r\n\r\n")
    return False


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def request_head(
    method: str, path: str, length: int = 0, login: str | None = None, password: str | None = None
) -> bytes:
    """Request line and headers of a multipart form (of nothing when `length` is 0)."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "User-Agent: loadtest"]
    if login is not None:
        token = base64.b64encode(f"{login}:{password}".encode()).decode("ascii")
        lines.append(f"Authorization: Basic {token}")
    if length:
        lines += [f"Content-Type: multipart/form-data; boundary={BOUNDARY}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def field(name: str, value: str) -> bytes:
    """One text field of a form."""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_head(name: str, filename: str, mime: str) -> bytes:
    """What comes before the bytes of a file."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: {mime}\r\n\r\n".encode()


FORM_END = f"\r\n--{BOUNDARY}--\r\n".encode()


def post_files(door: Door, path: str, texts: bytes, files: Sequence[tuple[bytes, Path]]) -> bytes:
    """Post a form of these text fields and files, each with its head, never holding them; the body of the answer."""
    inside = sum(len(head) + file.stat().st_size for head, file in files) + 2 * (len(files) - 1)

    def blocks() -> Iterator[bytes]:
        yield request_head("POST", path, len(texts) + inside + len(FORM_END)) + texts
        for number, (head, file) in enumerate(files):
            yield (b"\r\n" if number else b"") + head
            with file.open("rb") as opened:
                while block := opened.read(BLOCK):
                    yield block
        yield FORM_END

    return body_of(ask(door, door.context(), blocks()))


def get(door: Door, path: str) -> bytes:
    """The body of an answer."""
    return body_of(ask(door, door.context(), [request_head("GET", path)]))


@dataclass(frozen=True, slots=True)
class Burst:
    """Requests that differ by one text of fixed length between `before` and `after`; good answers hold `expected`."""

    door: Door
    before: bytes
    after: bytes
    expected: bytes


class Crowd:
    """Clients in processes of their own, so that they are not what limits; started once, used for both sides."""

    def __init__(self, size: int):
        self.size = size
        self._barrier = multiprocessing.get_context("spawn").Barrier(size)
        self._pool = ProcessPoolExecutor(
            size, multiprocessing.get_context("spawn"), initializer=_remember, initargs=(self._barrier,)
        )

    def __enter__(self) -> "Crowd":
        list(self._pool.map(_wait_for_all, range(self.size)))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def run(self, burst: Burst, texts: Sequence[str]) -> tuple[float, list[float]]:
        """Send one request for each text, shared out; seconds for all, and the latency of each."""
        shares = [texts[number :: self.size] for number in range(self.size)]
        spans = list(self._pool.map(_run_share, repeat(burst), shares))
        seconds = max(ended for _, ended, _ in spans) - min(started for started, _, _ in spans)
        return seconds, [latency for _, _, latencies in spans for latency in latencies]


_barriers: list[Callable[[], int]] = []


def _remember(barrier: object) -> None:
    _barriers.append(barrier.wait)  # type: ignore[attr-defined]


def _wait_for_all(_number: int) -> int:
    """Every client is there: none takes two shares."""
    return _barriers[0]()


def _run_share(burst: Burst, texts: Sequence[str]) -> tuple[float, float, list[float]]:
    context = burst.door.context()
    latencies = []
    _barriers[0]()
    started = time.monotonic()
    for text in texts:
        begun = time.monotonic()
        answer = ask(burst.door, context, [burst.before + text.encode("ascii") + burst.after])
        latencies.append(time.monotonic() - begun)
        if burst.expected not in answer:
            raise RuntimeError(f"refused: {answer[:600]!r}")
    return started, time.monotonic(), latencies
