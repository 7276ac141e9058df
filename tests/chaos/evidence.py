"""What the database and the simulators say at the end, read without any code of the server's."""

import asyncio
import hashlib
import json
import re
import sqlite3
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg


@dataclass(frozen=True, slots=True)
class Reception:
    """Something that the State received."""

    name: str
    sha256: str
    at: datetime
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a sending, as it was recorded."""

    name: str
    sha256: str
    outcome: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Sending:
    """Something that has a name to leave under: an envelope (an act's, or the AR of a letter), a PES."""

    kind: str
    number: int
    name: str
    sha256: str
    """Of its bytes as they lie there; empty when it has none yet."""
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Return:
    """A mail or a file that was received, and what was made of it; `route` is the kind of the route that it came by."""

    route: str
    name: str
    state: str
    kind: str
    code: str
    detail: str
    authority: int | None
    flow: int | None
    """The PES that it answers."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """What the journals of the simulators say that the State decided and sent, whatever became of it on its way."""

    ars: Mapping[str, frozenset[str]]
    """The digests of the messages, by IDActe."""
    acts: frozenset[str]
    """The IDActe of the acts acknowledged."""
    acquits: int
    """How many: they are numbered from 1 in their names."""


@dataclass(slots=True)
class Transaction:
    """A transaction of ours and all that belongs to it. `sent_as` is the name under which it left, if it did."""

    number: int
    kind: str
    authority: int
    status: int
    label: str
    """The number of the act, the NomFic of the PES."""
    type: int
    sent_as: str | None
    contents: list[int]
    answer: int | None
    """The content of its AR or acquit."""
    unique_id: str = ""
    answer_name: str = ""
    """Of the file of its acquit."""
    last_words: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    received: bool = False
    """A letter of the préfecture."""


@dataclass(slots=True)
class Evidence:
    """Everything that the verification compares."""

    transactions: dict[tuple[str, int], Transaction]
    sendings: list[Sending]
    digests: Mapping[int, str]
    """SHA-256 of the bytes of each content as they lie there, computed anew; empty when they cannot be had."""
    answers: Mapping[int, bytes]
    sirens: Mapping[int, str]
    receptions: Mapping[str, list[Reception]]
    """`acte` and `pes`, in their order."""
    jobs: list[str]
    returns: list[Return]
    """In the order of their reception."""
    unsent_mails: int
    emitted: Emitted


ACTES = """
    select t.id, t.authority_id, t.status, coalesce(t.number, '') as number, t.type, coalesce(t.unique_id, '') as uid,
        e.archive_name, t.envelope_id, e.received,
        array(select f.content_id from acte_file f where f.transaction_id = t.id order by f.position) as contents,
        (select w.flux_content_id from acte_workflow w where w.transaction_id = t.id and w.status = 4
            order by w.id desc limit 1) as answer,
        (select w.message from acte_workflow w where w.transaction_id = t.id order by w.id desc limit 1) as words
    from acte_transaction t join acte_envelope e on e.id = t.envelope_id"""
FLOWS = """
    select t.id, t.authority_id, t.status, coalesce(t.xml_nomfic, t.filename) as number, t.transmitted_name,
        t.content_id, t.acquit_content_id as answer, coalesce(t.acquit_filename, '') as answer_name,
        (select w.message from helios_workflow w where w.transaction_id = t.id order by w.id desc limit 1) as words
    from helios_transaction t"""
NAMED = (
    ("acte", "acte_envelope", "select id, archive_name as name, content_id from acte_envelope where not received"),
    (
        "pes",
        "helios_transaction",
        "select id, transmitted_name as name, content_id from helios_transaction where transmitted_name is not null",
    ),
)
"""What leaves under a name, by the kind of its attempts."""
ATTEMPTS = "select object_kind, object_id, name, sha256, outcome, detail from attempt order by id"
CONTENTS = "select id, place, size, data, spool_name, archived_at from content"
CHUNKS = "select data from content_chunk where content_id = $1 and archived_at = $2 order by seq"
JOBS = "select kind, object_id, state, attempts, run_at, last_error from job order by id"
RECEIVED = """
    select o.kind as route, r.name, r.state, r.kind, r.code, r.detail, r.authority_id, r.helios_id
    from received r join route o on o.id = r.route_id order by r.id"""
ID_ACTE = re.compile(rb'IDActe="([^"]*)"')
MAILS = "select count(*) from acte_mail where sent_at is null and refused is null"


async def gather_evidence(dsn: str, control: str, directory: Path) -> Evidence:
    """Read it all, of the campaign in this folder."""
    connection = await asyncpg.connect(dsn)
    try:
        attempts = await _attempts(connection)
        transactions = await _transactions(connection, attempts)
        digests, answers = await _contents(
            connection, directory / "spool", {one.answer for one in transactions.values()}
        )
        sendings = [
            _sending(kind, row, digests, attempts[object_kind, row["id"]])
            for kind, object_kind, named in NAMED
            for row in await connection.fetch(named)
        ]
        authorities = await connection.fetch("select id, siren from authority")
        jobs = [
            f"{row['kind']} {row['object_id']} {row['state']} after {row['attempts']} tries, next at"
            f" {row['run_at']:%H:%M:%S}: {row['last_error']}"
            for row in await connection.fetch(JOBS)
        ]
        returns = [Return(*row) for row in await connection.fetch(RECEIVED)]
        unsent = await connection.fetchval(MAILS)
    finally:
        await connection.close()
    receptions = {
        "acte": await asyncio.to_thread(_receptions, control, "prefecture"),
        "pes": await asyncio.to_thread(_receptions, control, "dgfip"),
    }
    sirens = {row["id"]: row["siren"] for row in authorities}
    emitted = await asyncio.to_thread(read_emitted, directory / "state")
    return Evidence(transactions, sendings, digests, answers, sirens, receptions, jobs, returns, unsent, emitted)


def read_emitted(state: Path) -> Emitted:
    """From the journals of both simulators."""
    ars: dict[str, set[str]] = defaultdict(set)
    for files in _journal(state / "prefecture", "ar/%").values():
        _envelope, (_name, text) = files
        message = text.encode("latin-1")
        named = ID_ACTE.search(message)
        assert named is not None, text
        ars[named[1].decode()].add(hashlib.sha256(message).hexdigest())
    acts = frozenset(key.removeprefix("act/") for key in _journal(state / "prefecture", "act/%"))
    acquits = _journal(state / "dgfip", "serial/acquit").get("serial/acquit", 0)
    return Emitted({act: frozenset(digests) for act, digests in ars.items()}, acts, acquits)


def _journal(folder: Path, pattern: str) -> dict[str, Any]:
    with closing(sqlite3.connect(f"file:{folder / 'journal.sqlite3'}?mode=ro", uri=True)) as database:
        rows = database.execute("select key, value from state where key like ?", (pattern,))
        return {key: json.loads(value) for key, value in rows}


def _sending(kind: str, row: Any, digests: Mapping[int, str], attempts: list[Attempt]) -> Sending:
    return Sending(kind, row["id"], row["name"], digests.get(row["content_id"], ""), tuple(attempts))


async def _attempts(connection: Any) -> dict[tuple[str, int], list[Attempt]]:
    attempts: dict[tuple[str, int], list[Attempt]] = defaultdict(list)
    for row in await connection.fetch(ATTEMPTS):
        one = Attempt(row["name"], row["sha256"].hex(), row["outcome"], row["detail"])
        attempts[row["object_kind"], row["object_id"]].append(one)
    return attempts


async def _transactions(
    connection: Any, attempts: Mapping[tuple[str, int], list[Attempt]]
) -> dict[tuple[str, int], Transaction]:
    found: dict[tuple[str, int], Transaction] = {}
    for row in await connection.fetch(ACTES):
        one_acte = Transaction(
            row["id"], "acte", row["authority_id"], row["status"], row["number"], row["type"], row["archive_name"],
            list(row["contents"]), row["answer"], row["uid"], "", row["words"] or "",
            attempts.get(("acte_envelope", row["envelope_id"]), []), row["received"],
        )  # fmt: skip
        found["acte", row["id"]] = one_acte
    for row in await connection.fetch(FLOWS):
        flow = Transaction(
            row["id"], "pes", row["authority_id"], row["status"], row["number"], 0, row["transmitted_name"],
            [row["content_id"]], row["answer"], "", row["answer_name"], row["words"] or "",
            attempts.get(("helios_transaction", row["id"]), []),
        )  # fmt: skip
        found["pes", row["id"]] = flow
    return found


async def _contents(connection: Any, spool: Path, wanted: set[int | None]) -> tuple[dict[int, str], dict[int, bytes]]:
    digests: dict[int, str] = {}
    kept: dict[int, bytes] = {}
    for row in await connection.fetch(CONTENTS):
        digest, data, number = hashlib.sha256(), b"", row["id"]
        if row["place"] == "row":
            data = row["data"]
            digest.update(data)
        elif row["place"] == "spool":
            path = spool / row["spool_name"]
            data = await asyncio.to_thread(path.read_bytes) if path.exists() else b""
            digest.update(data)
        else:
            for chunk in await connection.fetch(CHUNKS, number, row["archived_at"]):
                digest.update(chunk["data"])
                if number in wanted:
                    data += chunk["data"]
        digests[number] = digest.hexdigest()
        if number in wanted:
            kept[number] = data
    return digests, kept


def _receptions(control: str, simulator: str) -> list[Reception]:
    with urllib.request.urlopen(f"{control}/{simulator}/received", timeout=60) as answer:
        rows = json.loads(answer.read())
    return [
        Reception(
            row["name"],
            row["sha256"],
            datetime.fromisoformat(row["time"]),
            tuple(row["metadata"].get("messages", ())),
        )
        for row in rows
    ]
