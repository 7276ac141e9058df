"""Accept an envelope that the collectivité's software made: its number, then its archive, read to the last byte."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tdt.db import acte_envelopes as db
from tdt.db.actes import get_submit_facts
from tdt.db.classifications import read_held
from tdt.db.content import insert_small
from tdt.db.deposits import NewActe, NewEnvelope, insert_transaction
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.envelope_reader import ArchiveFault, ReaderLimits, read_envelope
from tdt.domain.actes import submitted
from tdt.domain.actes.model import Classification
from tdt.domain.actes.naming import read_envelope_name
from tdt.domain.authorities import Authority, Principal
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import Body
from tdt.domain.errors import Conflict, Refused, Temporary
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_submit.deposit import Sender, authority_of, keep, route_of
from tdt.flows.actes_submit.ready_messages import describe, files_of

MEMBERS = 1000
TEXT_BYTES = 16 << 20
"""Of all the messages of an envelope together: one is a few kilobytes, some dozens with signatures."""


@dataclass(frozen=True, slots=True)
class _Archive:
    """What was read of an archive: its messages as they are and as they were understood, its documents."""

    name: str
    envelope_name: str
    sha256: bytes
    envelope: submitted.ReadyEnvelope
    messages: Mapping[str, bytes]
    read: tuple[submitted.SentMessage, ...]
    documents: Mapping[str, Body]


async def take_serial(deps: Deps, who: Principal) -> int | None:
    """Take the next number of an envelope of today; None when the day has no more. Nothing gives it back."""
    authority = authority_of(who)
    async with deps.transaction(authority.id) as connection:
        return await db.take_serial(connection, authority.id, paris_date(deps.now()))


async def submit_ready(deps: Deps, who: Principal, filename: str, posted: Body) -> list[ActeId]:
    """Record each message of a ready-made envelope as a transaction; gives their numbers in the envelope's order.

    Raises Refused in S2LOW's words. The archive itself is not kept: its messages and documents are, byte for byte.
    """
    authority = authority_of(who)
    actes = deps.config.actes
    name = submitted.read_archive_name(filename, actes.trigramme, actes.quadrigramme, authority.siren)
    limit = deps.config.limits.acte_archive_bytes
    if posted.size > limit:
        raise submitted.too_large(str(posted.size), limit)
    async with deps.transaction(authority.id) as connection:
        await _check_new(connection, authority, name)
    try:
        bodies = await read_envelope(deps.posted(posted), deps.spool, ReaderLimits(2 * limit, MEMBERS))
    except ArchiveFault as fault:
        raise Refused(submitted.IMPORT + fault.message, code=fault.code) from fault
    needed = {body.spool_name for body in bodies.values()}
    try:
        archive = await _read(deps, authority, (filename, name, posted.sha256), bodies)
        recorded = await _record(deps, who, archive)
        needed = {body.spool_name for body in archive.documents.values()}
    except (Temporary, asyncio.CancelledError):
        raise  # a commit whose answer was lost may need them; if not, the sweep takes them
    except BaseException:
        needed = set()
        raise
    finally:
        _remove(deps, bodies.values(), needed)
    _remove(deps, [posted], set())
    return recorded


async def _check_new(connection: Connection, authority: Authority, name: str) -> None:
    """Nothing is sent twice: neither the State nor the collectivité could tell two envelopes of one name apart."""
    known = await db.list_of_name(connection, authority.id, name)
    if known is not None:
        raise submitted.already_deposited(name, known)


def _remove(deps: Deps, bodies: Iterable[Body], needed: set[str | None]) -> None:
    for body in bodies:
        if body.spool_name is not None and body.spool_name not in needed:
            deps.spool.remove(body.spool_name)


async def _read(
    deps: Deps, authority: Authority, posted: tuple[str, str, bytes], bodies: Mapping[str, Body]
) -> _Archive:
    archive_name, name, sha256 = posted
    if name not in bodies:
        raise Refused(submitted.IMPORT + "Impossible de trouver le fichier XML enveloppe correspondant à l'archive.")
    budget = _Budget(TEXT_BYTES)
    xml = await _bytes(deps, bodies[name], budget)
    envelope = await asyncio.to_thread(
        submitted.read_ready_envelope, xml, authority, deps.config.actes.return_addresses
    )
    documents = {other: body for other, body in bodies.items() if other != name and other not in envelope.forms}
    messages: dict[str, bytes] = {}
    read = []
    for form in envelope.forms:
        if form not in bodies or form == name:
            raise Refused(f"{submitted.TRANSACTION}Fichier XML introuvable.")
        messages[form] = await _bytes(deps, bodies[form], budget)
        message = await asyncio.to_thread(submitted.read_message, form, messages[form])
        submitted.check_pieces(message, {other: body.head for other, body in documents.items()})
        read.append(message)
    return _Archive(archive_name, name, sha256, envelope, messages, tuple(read), documents)


@dataclass(slots=True)
class _Budget:
    left: int


async def _bytes(deps: Deps, body: Body, budget: _Budget) -> bytes:
    """A small member, whole. Raises Refused when the messages together are more than memory is for."""
    budget.left -= body.size
    if budget.left < 0:
        raise Refused(submitted.UNREADABLE_MESSAGE)
    return b"".join([chunk async for chunk in deps.posted(body)])


async def _record(deps: Deps, who: Principal, archive: _Archive) -> list[ActeId]:
    authority = authority_of(who)
    day = paris_date(deps.now())
    try:
        async with deps.transaction(authority.id) as connection:
            known = await get_submit_facts(connection, authority.id, "", day)
            check_open(known.closed)
            evidence = {**who.identity.evidence, "archive": archive.name, "archive_sha256": archive.sha256.hex()}
            sender = Sender(authority, who.user.id, known.route, day, evidence)
            new = await _judge(connection, sender, await read_held(connection, known), archive)
            envelope = await _open(connection, sender, archive)
            recorded = []
            for one, message in zip(new, archive.read, strict=True):
                sent = files_of(message, archive.messages[message.name], archive.documents)
                files = await keep(deps, connection, authority.id, sent)
                recorded.append(await insert_transaction(connection, envelope, one, files))
            return recorded
    except Conflict as conflict:
        # two posts at the same instant: the index let one through
        match conflict.details.get("constraint"):
            case "acte_transaction_number":
                raise submitted.number_taken() from conflict
            case "acte_envelope_authority_id_name_key" | "acte_envelope_archive_name":
                raise submitted.already_deposited(archive.envelope_name, ()) from conflict
        raise


async def _judge(
    connection: Connection, sender: Sender, held: Classification | None, archive: _Archive
) -> list[NewActe]:
    """The transactions that the messages make. One job for all of them: the archive leaves whole, or not at all."""
    authority = sender.authority
    new: list[NewActe] = []
    for message in archive.read:
        described = await describe(connection, sender, held, message)
        new.append(described if new else replace(described, job=JobKind.ACTES_ANALYSE))
    numbers = [message.acte.number for message in archive.read if message.acte is not None]
    submitted.check_numbers(numbers, await db.list_numbers_taken(connection, authority.id, numbers))
    submitted.check_archive(archive.envelope, archive.messages, archive.read, archive.documents, authority.siren)
    return new


async def _open(connection: Connection, sender: Sender, archive: _Archive) -> NewEnvelope:
    """Record the envelope; the numbers up to its own are then taken, lest we make another of its name."""
    name = read_envelope_name(archive.envelope_name)
    assert name is not None, "the name of the archive was read"
    account = sender.account
    new = NewEnvelope(sender.authority.id, account, route_of(sender), archive.envelope_name, archive.name, sender.day)
    await db.insert_ready(connection, new, await insert_small(connection, sender.authority.id, archive.envelope.xml))
    if name.date == sender.day.isoformat().replace("-", ""):
        await db.move_serial(connection, sender.authority.id, sender.day, name.serial)
    return new
