"""Deposits whose answers are kept: number, digests, instant; and which of them a database still has."""

import asyncio
import http.client
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tdt.sandbox.client import ACTES, HELIOS, Client
from tests.chaos.clients import PES_OK
from tests.chaos.documents import MIB, Deposit, make_acte, make_pes
from tests.chaos.tenants import TENANTS
from tests.restore.machine import Machine, now


@dataclass(frozen=True, slots=True)
class Answered:
    """A deposit that was answered OK. `archived`: by the server that answers once the bytes are in the database."""

    kind: str
    number: int
    sha256: frozenset[str]
    size: int
    sent_at: float
    at: float
    archived: bool


class Depositor:
    """The software of a collectivité."""

    def __init__(self, machine: Machine, seed: int):
        self._machine, self._chance, self._numbers = machine, random.Random(seed), itertools.count(1)
        self.answered: list[Answered] = []

    async def send(self, kind: str, *, size: int = 0, archived: bool = False) -> None:
        """One deposit; what gets no answer is not counted."""
        key = f"R_{next(self._numbers)}"
        chance = random.Random(self._chance.random())
        deposit = make_acte(TENANTS[0], key, chance) if kind == "acte" else make_pes(TENANTS[0], key, chance, size)
        sent_at = now()
        try:
            number = await asyncio.to_thread(_post, self._client(archived), deposit)
        except (OSError, http.client.HTTPException):
            return
        digests = frozenset(one.sha256 for one in deposit.flow.files)
        size = sum(one.size for one in deposit.flow.files)
        self.answered.append(Answered(kind, number, digests, size, sent_at, now(), archived))

    async def some(self, count: int, *, archived: bool = False) -> None:
        """Small actes and PES of 1 to 5 MiB."""
        for number in range(count):
            kind = "acte" if number % 2 else "pes"
            await self.send(kind, size=self._chance.randrange(MIB, 5 * MIB), archived=archived)

    async def until_cut(self, archived: bool) -> None:
        """As fast as it goes, until it is cancelled."""
        while True:
            await self.some(2, archived=archived)

    def _client(self, archived: bool) -> Client:
        said: dict[str, Any] = self._machine.said
        account = said["accounts"]["certonly"]
        port = self._machine.archiving_port if archived else int(said["url"].rpartition(":")[2])
        paths = (Path(said["ca"]), Path(account["cert"]), Path(account["key"]))
        return Client(port, *paths, account["login"], account["password"])


def _post(client: Client, deposit: Deposit) -> int:
    acte = deposit.flow.kind == "acte"
    path = f"{ACTES}/actes_transac_create.php" if acte else f"{HELIOS}/helios_importer_fichier.php"
    status, body = client.deposit(path, deposit.fields, deposit.uploads)
    lines, found = body.split(b"\n"), PES_OK.search(body)
    if acte and lines[0] == b"OK":
        return int(lines[1])
    if not acte and found is not None:
        return int(found[1])
    raise http.client.HTTPException(f"{status} {body[:200]!r}")


HELD = """
    select 'acte' as kind, f.transaction_id as number, c.id as content, encode(c.sha256, 'hex') as sha256
    from acte_file f join content c on c.id = f.content_id where f.position > 0
    union all select 'pes', t.id, c.id, encode(c.sha256, 'hex')
    from helios_transaction t join content c on c.id = t.content_id"""


async def list_missing(dsn: str, answered: Sequence[Answered], said: dict[str, Any]) -> list[Answered]:
    """Those that this database has not, not with these bytes, or whose bytes `tdt verify` finds missing or altered."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(HELD)
    finally:
        await connection.close()
    bad = {str(one["subject"]) for one in said["findings"] if one["fault"]}
    held: dict[tuple[str, int], set[str]] = {}
    for row in rows:
        if f"content:{row['content']}" not in bad:
            held.setdefault((row["kind"], row["number"]), set()).add(row["sha256"])
    return [one for one in answered if not one.sha256 <= held.get((one.kind, one.number), set())]
