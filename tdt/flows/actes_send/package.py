"""Build the archive of an envelope, once: it is never rebuilt, so that every resend has the same bytes."""

import hashlib
from collections.abc import AsyncGenerator

from tdt.crash import Step, reach
from tdt.db import actes as db
from tdt.db.content import get_small, list_digests, unaltered
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.archive import ArchiveEntry, in_memory, write_archive
from tdt.domain.actes import envelope
from tdt.domain.actes.documents import ALTERED, altered_file
from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.package import check_entries
from tdt.domain.actes.rules import check_archive_size
from tdt.domain.actes.status import VALIDATION_OK, invalid_envelope
from tdt.domain.content import Body
from tdt.domain.errors import Refused
from tdt.domain.ids import ContentId, EnvelopeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_send.envelopes import emitter_of, refuse, tell_altered


async def package(deps: Deps, envelope_id: EnvelopeId) -> None:
    """Build the message, the envelope and the archive, check them, and put them in line for transmission."""
    async with deps.transaction("system") as connection:
        sent = await db.get_envelope(connection, envelope_id)
        actes = await db.list_of_envelope(connection, envelope_id)
        if sent is None or sent.content_id is not None or any(one.status is not ActeStatus.POSTE for one in actes):
            return
    try:
        entries = await _entries(deps, sent, actes)
        writer = deps.spool.writer()
        body = await write_archive(entries, writer)
    except Refused as refusal:
        async with deps.transaction("system") as connection:
            await refuse(connection, actes, refusal.message)
            if refusal.code == ALTERED:
                await tell_altered(deps, connection, actes, refusal.message)
        return
    reach(Step.PACKAGE_BUILT)
    with writer.discarded_on_failure():
        await _record_archive(deps, sent, actes, body)


async def _entries(deps: Deps, sent: db.Envelope, actes: list[db.Acte]) -> list[ArchiveEntry]:
    """What goes into the archive, every byte as it was deposited. Raises Refused, as reading them to their end does."""
    async with deps.transaction("system") as connection:
        forms = {}
        documents: list[db.ActeFile] = []
        for acte in actes:
            message, *others = await db.list_files(connection, acte.id)
            forms[message.name] = await _read(connection, message.name, message.content_id)
            documents += others
        envelope_xml = await _envelope_xml(deps, connection, sent, list(forms))
        digests = await list_digests(connection, [file.content_id for file in documents])
    if faults := _faults(envelope_xml, forms, documents):
        raise Refused(invalid_envelope(" ; ".join(faults)))
    entries = [in_memory(sent.name, envelope_xml), *(in_memory(name, data) for name, data in forms.items())]
    return entries + [_stored(deps, file, digests[file.content_id]) for file in documents]


async def _envelope_xml(deps: Deps, connection: Connection, sent: db.Envelope, forms: list[str]) -> bytes:
    """Ours, or that of the software which made the envelope."""
    if sent.xml_content_id is not None:
        return await _read(connection, sent.name, sent.xml_content_id)
    return envelope.build_envelope(await emitter_of(deps, connection, sent), forms)


async def _read(connection: Connection, name: str, content: ContentId) -> bytes:
    data = await get_small(connection, content)
    if hashlib.sha256(data).digest() != (await list_digests(connection, [content]))[content]:
        raise altered_file(name)
    return data


async def _record_archive(deps: Deps, sent: db.Envelope, actes: list[db.Acte], body: Body) -> None:
    async with deps.transaction("system") as connection:
        content = (await deps.keep(connection, sent.authority_id, [body]))[0]
        await db.move_archive(connection, sent.id, content)
        try:
            check_archive_size(body.size, deps.config.limits.acte_archive_bytes)
        except Refused as refusal:
            await refuse(connection, actes, refusal.message)
            return
        for acte in actes:
            move = db.Move(ActeStatus.POSTE, ActeStatus.EN_ATTENTE_DE_TRANSMISSION, VALIDATION_OK)
            await db.move_status(connection, acte, move)
        await insert_job(connection, JobKind.ACTES_TRANSMIT, sent.authority_id, sent.id)
        reach(Step.PACKAGE)


def _faults(envelope_xml: bytes, forms: dict[str, bytes], documents: list[db.ActeFile]) -> list[str]:
    faults = check_message(envelope_xml)
    for data in forms.values():
        faults += check_message(data)
    return faults or check_entries(envelope_xml, forms, [file.name for file in documents])


def _stored(deps: Deps, file: db.ActeFile, sha256: bytes) -> ArchiveEntry:
    def chunks() -> AsyncGenerator[bytes]:
        stored = deps.stream(file.authority_id, file.content_id)
        return unaltered(stored, file.size, sha256, altered_file(file.name))

    return ArchiveEntry(file.name, file.size, chunks)
