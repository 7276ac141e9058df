"""What the clients sent and what they were answered: one line each, on disk before the next step."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Outcome(StrEnum):
    """What a client knows after one try."""

    OK = "ok"
    KO = "ko"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Sent:
    """A file of a flow, as it left the client."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What a client wants to deposit: its number (acte) or its NomFic (PES) is never used by another."""

    key: str
    tenant: str
    kind: str
    files: tuple[Sent, ...]


@dataclass(slots=True)
class Told:
    """A flow and everything that was answered about it; `number` is the one that it was given."""

    flow: Flow
    tries: int = 0
    outcome: Outcome = Outcome.NOTHING
    number: int = 0
    texts: tuple[str, ...] = ()


class Ledger:
    """Append-only, each line synced: what is in it happened, also when the machine stops."""

    def __init__(self, path: Path):
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def sends(self, flow: Flow) -> None:
        """Before the first byte leaves."""
        files: Sequence[Any] = [[file.name, file.sha256, file.size] for file in flow.files]
        self._write(event="send", flow=flow.key, tenant=flow.tenant, kind=flow.kind, files=files)

    def hears(self, flow: Flow, outcome: Outcome, number: int, text: str) -> None:
        """After the answer, or after none came."""
        self._write(event="answer", flow=flow.key, outcome=outcome, number=number, text=text[:200])

    def close(self) -> None:
        os.close(self._file)

    def _write(self, **line: object) -> None:
        os.write(self._file, json.dumps({"at": round(time.time(), 3), **line}).encode() + b"\n")
        os.fdatasync(self._file)


def read_ledger(path: Path) -> dict[str, Told]:
    """Every flow by its key."""
    found: dict[str, Told] = {}
    for line in _lines(path):
        if line["event"] == "send":
            files = tuple(Sent(*file) for file in line["files"])
            flow = Flow(line["flow"], line["tenant"], line["kind"], files)
            found.setdefault(flow.key, Told(flow)).tries += 1
            continue
        told = found[line["flow"]]
        told.texts += (line["text"],)
        if line["outcome"] != Outcome.NOTHING and told.outcome is not Outcome.OK:
            told.outcome, told.number = Outcome(line["outcome"]), line["number"]
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
