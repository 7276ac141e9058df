"""The gateway's disk: uploads counted only when complete and durable, the sending and the reception directories."""

import hashlib
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tdt.simulators.dgfip_reader import read_header
from tdt.simulators.journal import BodyWriter, Due, Journal, Stored

HEAD = 1 << 16  # the envelope and the header of a flow are well within

DEFAULTS: dict[str, Any] = {
    **{"acquit": "ok", "delay": 0.5, "outage": False, "cut_at": None},
    **{"retours": "none", "retour_delay": 0.5},
}

# Kinds of answers due, in their payload.
ACKNOWLEDGE, DELIVER = "acknowledge", "deliver"


class UploadRefused(Exception):
    """The upload is not a reception; the message tells the client why."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What comes with a file: an empty value was not given."""

    p_dest: str = ""
    p_appli: str = ""
    p_msg: str = ""

    @property
    def complete(self) -> bool:
        return bool(self.p_dest and self.p_appli and self.p_msg)


@dataclass(frozen=True, slots=True)
class Origin:
    transport: str
    address: str


@dataclass(slots=True)
class Upload:
    """A file on its way in, digested as it comes. `cut` once the simulator has decided to break it off."""

    writer: BodyWriter
    cut_at: int | None
    head: bytearray = field(default_factory=bytearray)
    sha1: Any = field(default_factory=lambda: hashlib.sha1(usedforsecurity=False))
    cut: bool = False
    open: bool = True

    def write(self, chunk: bytes) -> None:
        self.writer.write(chunk)
        self.sha1.update(chunk)
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]
        if self.cut_at is not None and self.writer.size >= self.cut_at:
            self.cut = True

    def finish(self) -> Stored:
        self.open = False
        return self.writer.finish()

    def discard(self) -> None:
        if self.open:
            self.open = False
            self.writer.discard()


class Intake:
    """Shared by the FTP threads, the SFTP server and the scheduler: every method may be called from any thread."""

    def __init__(self, journal: Journal, send_directory: str, receive_directory: str):
        self.journal = journal
        folder = journal.body_path(Stored("", 0, "")).parent
        self.home = folder / "home"
        self.staging = folder / "staging"
        self.send = self.home / send_directory.strip("./")
        self.receive = self.home / receive_directory.strip("./")
        self.on_due: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Build the directories; the send directory shows again what was received, and nothing unfinished."""
        for folder in (self.home, self.staging, self.send, self.receive):
            folder.mkdir(parents=True, exist_ok=True)
        pending = {str(due.id) for due in self.journal.due(float("inf"))}
        for file in self.staging.iterdir():
            if file.name.partition(".")[0] not in pending:
                file.unlink()
        if self.send != self.receive:
            self._empty(self.send)
        for number, reception in enumerate(self.journal.receptions()):
            body = self.journal.reception_path(number)
            if body is not None:
                self._show(body, reception.name)

    def reset(self) -> None:
        """Forget everything: lists, behaviours, answers due, register of duplicates, files of both directories."""
        with self._lock:
            with self.journal.transaction():
                self.journal.reset()
                self.journal.put("generation", self.generation() + 1)
            for folder in (self.staging, self.send, self.receive):
                self._empty(folder)

    def generation(self) -> int:
        """Changes at each reset: what was begun before must not end after."""
        return int(self.journal.get("generation", 0))

    def behaviour(self) -> dict[str, Any]:
        return self.journal.behaviour(DEFAULTS)

    @property
    def outage(self) -> bool:
        return bool(self.behaviour()["outage"])

    # --- files coming in

    def begin(self) -> Upload:
        return Upload(self.journal.writer(), self.behaviour()["cut_at"])

    def accept(self, upload: Upload, name: str, metadata: Metadata, origin: Origin) -> None:
        """Make a complete upload a reception, durable with its answer (syncs the disk). Raises UploadRefused."""
        if upload.cut:
            upload.discard()
            raise UploadRefused("the transfer was cut")
        self._list(upload.finish(), bytes(upload.head), name, metadata, origin)

    def keep_temporary(self, upload: Upload, name: str) -> None:
        """Keep a complete upload under a temporary name, in view in the sending directory."""
        if upload.cut:
            upload.discard()
            raise UploadRefused("the transfer was cut")
        self.journal.body_path(upload.finish()).rename(self.send / name)

    def accept_renamed(self, temporary: Path, name: str, metadata: Metadata, sha1: str, origin: Origin) -> None:
        """Make of a temporary file the reception that its final name announces. Raises UploadRefused."""
        with temporary.open("rb") as file:
            head = file.read(HEAD)
            file.seek(0)
            if hashlib.file_digest(file, "sha1").hexdigest() != sha1:
                raise UploadRefused("the content does not have the sha1 of its name")
        self._list(self.journal.adopt(temporary), head, name, metadata, origin)

    def _list(self, stored: Stored, head: bytes, name: str, metadata: Metadata, origin: Origin) -> None:
        behaviour = self.behaviour()
        matches = message_matches(metadata.p_msg, head)
        facts = {
            "P_DEST": metadata.p_dest,
            "P_APPLI": metadata.p_appli,
            "P_MSG": metadata.p_msg,
            "P_MSG_matches": matches,
            "transport": origin.transport,
            "remote_address": origin.address,
        }
        with self.journal.transaction():
            self.journal.reception(name, facts, stored)
            if behaviour["acquit"] != "never":
                payload = {
                    "do": ACKNOWLEDGE,
                    "body": stored.token,
                    "mode": behaviour["acquit"],
                    "p_msg_matches": matches,
                    "retours": [behaviour["retours"], behaviour["retour_delay"]],
                }
                self.journal.add_due(time.time() + behaviour["delay"], payload)
        self._show(self.journal.body_path(stored), name)
        self.on_due()

    def _show(self, body: Path, name: str) -> None:
        """Show an uploaded file in the sending directory: a second name of the same bytes, put there at once."""
        hidden = self.staging / f"show.{uuid.uuid4().hex}"
        os.link(body, hidden)
        hidden.replace(self.send / name)

    def _empty(self, folder: Path) -> None:
        for entry in folder.iterdir():
            if entry.is_dir() and entry not in (self.send, self.receive):
                shutil.rmtree(entry)
            elif entry.is_file():
                entry.unlink(missing_ok=True)

    # --- files going out

    def deposit(self, name: str, content: bytes, deliver: Callable[[Due], None]) -> None:
        """Put these bytes in the reception directory now; if that is interrupted, after the restart."""
        with self.journal.transaction():
            number = self.journal.add_due(time.time(), {"do": DELIVER, "name": name}, content)
        for due in self.journal.due():
            if due.id == number:
                deliver(due)


def message_matches(p_msg: str, head: bytes) -> bool | None:
    """Whether P_MSG (`…#CodCol#IdPost#CodBud`) says what the header of the file says; None without a header."""
    flow = read_header(head)
    if flow is None:
        return None
    code = flow.header.get("CodCol") or flow.header.get("CodColl", "")
    return p_msg.split("#")[1:] == [code, flow.header.get("IdPost", ""), flow.header.get("CodBud", "")]


def parse_remote_name(name: str) -> tuple[Metadata, str] | None:
    """Metadata and sha1 carried by an SFTP name (`P_DEST%%P_APPLI%%P_MSG%%sha1`), or None."""
    parts = name.split("%%")
    if len(parts) != 4 or not re.fullmatch("[0-9a-fA-F]{40}", parts[3]):
        return None
    metadata = Metadata(*parts[:3])
    return (metadata, parts[3].lower()) if metadata.complete else None


def plain_name(name: str) -> bool:
    """Whether this may be the name of a file in a directory that others list."""
    return 0 < len(os.fsencode(name)) <= 200 and "/" not in name and not name.startswith(".") and name.isprintable()
