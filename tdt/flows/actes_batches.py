"""Lots: files put in together, each sent as an acte later; what nobody sends is swept."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tdt.db import batches as db
from tdt.db.audit import insert_audit
from tdt.db.content import get_content
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes.filetype import PDF, sniff
from tdt.domain.authorities import Authority, Owner, Principal, Right, may
from tdt.domain.content import HEAD_BYTES, Body
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import BatchFileId, BatchId

NO_BATCH = "Échec de la transaction en mode lot."
DESCRIPTION = "Intitulé du lot doit être présent."
PREFIX = (
    "Le préfixe du numéro ne peut contenir que des chiffres, des lettres en majuscules et _ (12 caractères au plus)."
)
NOT_A_PDF = "Filetype not allowed"
"""Of the jQuery File Upload protocol, in its words."""
DESCRIPTION_LENGTH = 255
_PREFIX = re.compile(r"([A-Z0-9][A-Z0-9_]{0,11})?", re.ASCII)
_NAME = re.compile(r".+\.pdf", re.IGNORECASE | re.DOTALL)
SWEPT_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Posted:
    """A file of the form."""

    filename: str
    body: Body


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a posted file: its number in the lot, or why it is not there."""

    filename: str
    size: int
    id: BatchFileId | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of a lot that is about to be sent: its body as the rules look at it, the number that its acte may take."""

    file: db.BatchFile
    body: Body
    number: str


async def create(deps: Deps, who: Principal, description: str, num_prefix: str) -> BatchId:
    """Open a lot; gives its number. Raises Refused."""
    authority = _house(who)
    if not description.strip():
        raise Refused(DESCRIPTION)
    if not _PREFIX.fullmatch(num_prefix):
        raise Refused(PREFIX)
    async with deps.transaction(authority.id) as connection:
        words = description[:DESCRIPTION_LENGTH]
        batch = await db.insert_batch(connection, authority.id, who.user.id, words, num_prefix)
        await insert_audit(connection, (authority.id, who.user.id), "api:batch:create", batch, {"prefix": num_prefix})
        return batch


async def add_files(deps: Deps, who: Principal, batch_id: BatchId, posted: Sequence[Posted]) -> list[Added]:
    """Put the PDFs among these files in a lot. Raises Refused when it is not one that the caller may fill."""
    authority = _house(who)
    good = [one for one in posted if _NAME.fullmatch(one.filename) and sniff(one.body.head) == PDF]
    async with deps.transaction(authority.id) as connection:
        batch = await _mine(connection, who, batch_id)
        contents = await deps.keep(connection, authority.id, [one.body for one in good]) if good else []
        kept = {
            id(one): await db.insert_file(connection, batch, one.filename, one.body.size, content)
            for one, content in zip(good, contents, strict=True)
        }
    for one in posted:
        if id(one) not in kept and one.body.spool_name is not None:
            deps.spool.remove(one.body.spool_name)
    return [
        Added(one.filename, one.body.size, kept.get(id(one)), "" if id(one) in kept else NOT_A_PDF) for one in posted
    ]


async def open_file(deps: Deps, who: Principal, file_id: BatchFileId) -> Opened | None:
    """A file of a lot that the caller may send, and was not; None otherwise: the rules refuse it in their turn."""
    authority = _house(who)
    async with deps.transaction(authority.id) as connection:
        file = await db.get_file(connection, file_id)
        if file is None or file.transaction_id is not None:
            return None
        batch = await db.get_batch(connection, file.batch_id)
        content = await get_content(connection, file.content_id)
    if batch is None or content is None or not _is_of(who, batch):
        return None
    chunks = deps.stream(authority.id, file.content_id)
    head = (await anext(chunks, b""))[:HEAD_BYTES]
    return Opened(file, Body(file.size, content.sha256, b"", head), f"{batch.num_prefix}{batch.next_suffix}")


async def find_next(deps: Deps, who: Principal, file: db.BatchFile) -> BatchFileId | None:
    """The next file of the lot to send."""
    async with deps.transaction(_house(who).id) as connection:
        return await db.find_next(connection, file)


async def sweep(deps: Deps) -> int:
    """Destroy what was put in a lot and not sent for too long; gives how many files."""
    before = deps.now() - timedelta(days=deps.config.actes.batch_days)
    total = 0
    while True:
        async with deps.transaction("system") as connection:
            count, names = await db.delete_unused(connection, before, SWEPT_AT_ONCE)
        for name in names:
            deps.spool.remove(name)
        total += count
        if count < SWEPT_AT_ONCE:
            return total


def _house(who: Principal) -> Authority:
    if who.authority is None:
        raise Forbidden("Accès refusé")
    return who.authority


async def _mine(connection: Connection, who: Principal, batch_id: BatchId) -> db.Batch:
    """A lot of the caller, or of the collectivité that it administers: any other is as unknown."""
    batch = await db.get_batch(connection, batch_id)
    if batch is None or not _is_of(who, batch):
        raise Refused(NO_BATCH)
    return batch


def _is_of(who: Principal, batch: db.Batch) -> bool:
    return may(who, Right.MANAGE, owner=Owner(batch.account_id, batch.authority_id))
