"""What a simulator must not forget (receptions, behaviours, answers due, small state), on disk before it acknowledges.

One SQLite file (write-ahead log, synchronous = FULL: a commit is on disk when it returns) and one file per body
received. Calls are short, synchronous and safe from any thread; those that belong together are grouped by
`transaction()`, which must contain no `await`. `delivery.py` builds on it the delivery of a file exactly once.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 1 << 20

SCHEMA = """
create table if not exists reception (
    seq integer primary key autoincrement, name text not null, size integer not null, sha256 text not null,
    time text not null, metadata text not null, token text not null);
create table if not exists behaviour (key text primary key, value text not null);
create table if not exists state (key text primary key, value text not null);
create table if not exists due (
    id integer primary key autoincrement, at real not null, payload text not null, content blob not null,
    started integer not null default 0);
create index if not exists due_at on due (at, id);
"""


class JournalBusy(Exception):
    """Another process holds this directory."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A body on disk (durable), not yet listed as a reception."""

    token: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Reception:
    name: str
    size: int
    sha256: str
    time: str
    metadata: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The shape of an item of `GET …/received`."""
        return {
            "name": self.name,
            "size": self.size,
            "sha256": self.sha256,
            "time": self.time,
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class Due:
    """An answer that must still leave. `at`: seconds of the Unix epoch. `started`: see delivery.py."""

    id: int
    at: float
    payload: dict[str, Any]
    started: bool


class BodyWriter:
    """Streams one body to disk, digesting it; nothing is held in memory."""

    def __init__(self, incoming: Path, bodies: Path):
        self.size = 0
        self._token = uuid.uuid4().hex
        self._incoming = incoming / self._token
        self._bodies = bodies
        self._sha256 = hashlib.sha256()
        self._file: BinaryIO = self._incoming.open("xb")

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._file.write(chunk)
        self._sha256.update(chunk)
        self.size += len(chunk)

    def finish(self) -> Stored:
        """Make the body durable (syncs the disk: call it from a thread when in an event loop)."""
        with self._file as file:
            file.flush()
            os.fdatasync(file.fileno())
        self._incoming.rename(self._bodies / self._token)
        sync_directory(self._bodies)
        return Stored(self._token, self.size, self._sha256.hexdigest())

    def discard(self) -> None:
        self._file.close()
        self._incoming.unlink(missing_ok=True)


class Journal:
    """The memory of one simulator, in its own directory."""

    def __init__(self, directory: Path):
        self._bodies = directory / "bodies"
        self._incoming = directory / "incoming"
        for folder in (self._bodies, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self._hold = _hold(directory / "lock")
        self._lock = threading.RLock()
        self._depth = 0
        self._database = sqlite3.connect(directory / "journal.sqlite3", isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = full")
        self._database.executescript(SCHEMA)
        self._sweep()

    def close(self) -> None:
        self._database.close()
        self._hold.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All the calls inside become durable together, or none of them. Re-entrant."""
        with self._lock:
            if self._depth:
                yield
                return
            self._database.execute("begin immediate")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._database.execute("rollback")
                raise
            else:
                self._database.execute("commit")
            finally:
                self._depth -= 1

    # --- bodies and receptions

    def writer(self) -> BodyWriter:
        return BodyWriter(self._incoming, self._bodies)

    def adopt(self, path: Path) -> Stored:
        """Take over a finished file of the same file system (digests and syncs it: call it from a thread)."""
        sha256 = hashlib.sha256()
        size = 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
                size += len(chunk)
            os.fdatasync(file.fileno())
        token = uuid.uuid4().hex
        path.rename(self._bodies / token)
        sync_directory(self._bodies)
        return Stored(token, size, sha256.hexdigest())

    def body_path(self, stored: Stored) -> Path:
        return self._bodies / stored.token

    def forget(self, stored: Stored) -> None:
        """Drop a body that will not become a reception."""
        self.body_path(stored).unlink(missing_ok=True)

    def reception(self, name: str, metadata: Mapping[str, Any], stored: Stored) -> None:
        """List the body as received, now."""
        row = (
            name,
            stored.size,
            stored.sha256,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            json.dumps(dict(metadata)),
            stored.token,
        )
        with self.transaction():
            self._database.execute(
                "insert into reception (name, size, sha256, time, metadata, token) values (?, ?, ?, ?, ?, ?)", row
            )

    def receptions(self) -> list[Reception]:
        """In order of reception; the place in this list is the N of `reception_path`."""
        rows = self._all("select name, size, sha256, time, metadata from reception order by seq")
        return [Reception(name, size, sha256, when, json.loads(meta)) for name, size, sha256, when, meta in rows]

    def reception_path(self, number: int) -> Path | None:
        """File that holds the bytes of the N-th reception, from 0; None when there is none."""
        if number < 0:
            return None
        rows = self._all("select token from reception order by seq limit 1 offset ?", number)
        return self._bodies / rows[0][0] if rows else None

    # --- behaviours and small state

    def behaviour(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults, and over them what has been set since the last reset."""
        rows = self._all("select key, value from behaviour")
        return {**defaults, **{key: json.loads(value) for key, value in rows}}

    def set_behaviour(self, **changes: Any) -> None:
        """Keys left out keep their value."""
        with self.transaction():
            for key, value in changes.items():
                self._database.execute("insert or replace into behaviour values (?, ?)", (key, json.dumps(value)))

    def get(self, key: str, default: Any = None) -> Any:
        rows = self._all("select value from state where key = ?", key)
        return json.loads(rows[0][0]) if rows else default

    def put(self, key: str, value: Any) -> None:
        """Any JSON value. State survives `reset()`."""
        with self.transaction():
            self._database.execute("insert or replace into state values (?, ?)", (key, json.dumps(value)))

    def remove(self, key: str) -> None:
        with self.transaction():
            self._database.execute("delete from state where key = ?", (key,))

    def all_under(self, prefix: str) -> dict[str, Any]:
        """The state whose keys begin so, by key without that beginning."""
        rows = self._all("select key, value from state where substr(key, 1, ?) = ? order by key", len(prefix), prefix)
        return {key[len(prefix) :]: json.loads(value) for key, value in rows}

    def next_serial(self, name: str) -> int:
        """1, 2, 3 … never the same twice, across restarts and resets."""
        with self.transaction():
            serial = int(self.get(f"serial/{name}", 0)) + 1
            self.put(f"serial/{name}", serial)
            return serial

    # --- answers due

    def add_due(self, at: float, payload: Mapping[str, Any], content: bytes = b"") -> int:
        """An answer to send at this instant (Unix epoch, seconds); the id is never reused."""
        with self.transaction():
            cursor = self._database.execute(
                "insert into due (at, payload, content) values (?, ?, ?)", (at, json.dumps(dict(payload)), content)
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def due(self, now: float | None = None) -> list[Due]:
        """The answers whose time has come, oldest first."""
        rows = self._all(
            "select id, at, payload, started from due where at <= ? order by at, id",
            time.time() if now is None else now,
        )
        return [Due(number, at, json.loads(payload), bool(started)) for number, at, payload, started in rows]

    def next_due(self) -> float | None:
        """Instant of the first answer that waits, whether its time has come or not."""
        rows = self._all("select min(at) from due")
        return None if rows[0][0] is None else float(rows[0][0])

    def due_content(self, number: int) -> bytes | None:
        """None: this answer is no longer due (delivered, or forgotten by a reset)."""
        rows = self._all("select content from due where id = ?", number)
        return bytes(rows[0][0]) if rows else None

    def start(self, number: int) -> None:
        """Record that the delivery of this answer is under way."""
        with self.transaction():
            self._database.execute("update due set started = 1 where id = ?", (number,))

    def complete(self, number: int) -> None:
        with self.transaction():
            self._database.execute("delete from due where id = ?", (number,))

    def reset(self) -> None:
        """Default behaviours, no reception, no answer due. State (registers, serials) stays."""
        with self.transaction():
            tokens = [row[0] for row in self._database.execute("select token from reception")]
            for table in ("reception", "behaviour", "due"):
                self._database.execute(f"delete from {table}")  # a name of the tuple above, nothing from outside
        for token in tokens:
            (self._bodies / token).unlink(missing_ok=True)

    # --- own matters

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._database.execute(sql, values).fetchall()

    def _sweep(self) -> None:
        """Remove what an interrupted reception left: its sender got no answer and will send again."""
        kept = {row[0] for row in self._all("select token from reception")}
        for file in (*self._incoming.iterdir(), *self._bodies.iterdir()):
            if file.parent == self._incoming or file.name not in kept:
                file.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hold(path: Path) -> BinaryIO:
    """Lock the journal for this process; the kernel frees it at its death, kill -9 included."""
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise JournalBusy(f"{path.parent} is used by another process") from error
    return file
