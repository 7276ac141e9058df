"""2-1, 3-1, 4-1, 5-1: a letter of the préfecture becomes a transaction beside its act, with an archive of its files."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from tdt.db import acte_letters as letters_db
from tdt.db import actes as db
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.db.routes import Handling, Received
from tdt.deps import Deps
from tdt.documents.archive import in_memory, write_archive
from tdt.documents.spool import SpoolWriter
from tdt.domain.actes import filetype, naming
from tdt.domain.actes import returns as r
from tdt.domain.actes import status as texts
from tdt.domain.actes.letters import flat_names
from tdt.domain.actes.model import ActeStatus
from tdt.domain.content import Body, hold
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_receive.correlation import SHARED, settle, was_sent

ACKNOWLEDGED = ("3-1", "4-1")
"""The letters that a TdT acknowledges by itself."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a letter under the name that it has in the archive, its body durable."""

    name: str
    mime: str
    body: Body


@dataclass(frozen=True, slots=True)
class Packed:
    """The bodies of a letter, made before the transaction that is to need them."""

    archive: Body
    files: Sequence[File]
    writers: list[SpoolWriter] = field(default_factory=list)


async def pack(deps: Deps, letter: r.Letter) -> Packed:
    """The message, its documents, and the tar.gz of both with their envelope, every byte as it was received."""
    parts = [(letter.name, letter.xml), *((document.name, document.data) for document in letter.documents)]
    enveloped = [(letter.envelope_name, letter.envelope_xml)] if letter.envelope_xml else []
    names = flat_names([name for name, _ in [*enveloped, *parts]])
    writers: list[SpoolWriter] = []
    try:
        files = []
        for name, (_, data) in zip(names[len(enveloped) :], parts, strict=True):
            files.append(File(name, filetype.sniff(data[:4096]), await _store(deps, writers, data)))
        entries = [in_memory(name, data) for name, (_, data) in zip(names, [*enveloped, *parts], strict=True)]
        writers.append(deps.spool.writer())
        return Packed(await write_archive(entries, writers[-1]), files, writers)
    except BaseException:
        for writer in writers:
            writer.discard()
        raise


async def _store(deps: Deps, writers: list[SpoolWriter], data: bytes) -> Body:
    if len(data) <= deps.config.content.inline_bytes:
        return hold(data)
    writers.append(deps.spool.writer())
    await asyncio.to_thread(writers[-1].write, data)
    return await writers[-1].finish()


async def receive_letter(
    deps: Deps, connection: Connection, received: Received, letter: r.Letter, packed: Packed
) -> tuple[Handling, ActeId | None]:
    """Record the letter beside its act and have it acknowledged; its number, or None when nothing was recorded."""
    found = await _find_act(connection, letter)
    if isinstance(found, Handling):
        return found, None
    acte = await db.lock_transaction(connection, found.id)
    assert acte is not None
    kind, digests = int(letter.code[0]), frozenset(file.body.sha256.hex() for file in packed.files[1:])
    same = await letters_db.list_same_letters(connection, acte, kind, packed.files[0].body.sha256)
    if same:
        known = any(digests <= documents for _, documents in same)
        detail = "Courrier déjà reçu." if known else f"Courrier {same[0][0]} déjà reçu, avec d'autres documents."
        return Handling("ignored" if known else "set_aside", letter.code, detail, acte.authority_id), None
    if acte.status is ActeStatus.EN_ATTENTE_DE_TRANSMISSION:
        acte = await settle(deps, connection, acte, f"Courrier {letter.code} reçu")
    number = await _record(deps, connection, received, (acte, letter, packed))
    return await _follow(connection, acte, letter, number), number


async def _find_act(connection: Connection, letter: r.Letter) -> db.Acte | Handling:
    """The act that the letter is about: one that has left, of the collectivité that the envelope is for."""
    actes = [one for one in await db.list_by_unique_id(connection, letter.unique_id) if await was_sent(connection, one)]
    if not actes:
        return Handling("set_aside", letter.code, f"Aucun acte envoyé {letter.unique_id}.")
    if len({one.authority_id for one in actes}) > 1:
        return Handling("set_aside", letter.code, SHARED)
    parts = naming.read_unique_id(letter.unique_id)
    if letter.siren is not None and parts is not None and letter.siren != parts.siren:
        detail = f"Courrier au SIREN {letter.siren} sur l'acte {letter.unique_id}."
        return Handling("set_aside", letter.code, detail)
    # a number used again: the préfecture writes about the act that it has
    return next((one for one in actes if one.received_on is not None), actes[0])


async def _record(
    deps: Deps, connection: Connection, received: Received, what: tuple[db.Acte, r.Letter, Packed]
) -> ActeId:
    acte, letter, packed = what
    bodies = [packed.archive, *(file.body for file in packed.files)]
    archive, *contents = await deps.keep(connection, acte.authority_id, bodies)
    files = [
        letters_db.LetterFile(position, file.name, file.mime, file.body.size, content)
        for position, (file, content) in enumerate(zip(packed.files, contents, strict=True))
    ]
    waits = letter.code in ACKNOWLEDGED
    name, archive_name = await _names(deps, connection, received, acte, letter)
    new = letters_db.NewLetter(
        type=int(letter.code[0]),
        status=ActeStatus.DOCUMENT_RECU if waits else ActeStatus.DOCUMENT_RECU_SANS_AR,
        message=texts.DOCUMENT_RECU if waits else texts.DOCUMENT_RECU_SANS_AR,
        letter_date=letter.date,
        letter_text=letter.text,
        route_id=received.route_id,
        envelope_name=name,
        archive_name=archive_name,
        archive=archive,
    )
    return await letters_db.insert_letter(connection, acte, new, files)


async def _names(
    deps: Deps, connection: Connection, received: Received, acte: db.Acte, letter: r.Letter
) -> tuple[str, str]:
    """The names of the envelope and of its archive, which no other may bear: a second letter of one envelope, or a name
    that comes back, takes that of its message, or its number here."""
    stems = [name.removesuffix(".xml") for name in (letter.envelope_name, letter.name) if name]
    stems.append(f"{stems[0]}_{received.id}")
    pairs = [(f"{stem}.xml", naming.archive_name(deps.config.actes.trigramme, stem)) for stem in stems]
    taken = await letters_db.list_names_taken(
        connection, acte.authority_id, received.route_id, [name for pair in pairs for name in pair]
    )
    return next((pair for pair in pairs if not taken.intersection(pair)), pairs[-1])


async def _follow(connection: Connection, acte: db.Acte, letter: r.Letter, number: ActeId) -> Handling:
    """Have the letter acknowledged; what is wrong with it is for an operator, the collectivité has it all the same."""
    faults = [f"document absent du courriel : {name}" for name in letter.missing]
    if letter.code in ACKNOWLEDGED:
        if letter.date is not None:
            await insert_job(connection, JobKind.ACTES_ACKNOWLEDGE, acte.authority_id, number)
        else:
            faults.append("date absente ou illisible : son accusé de réception ne peut être envoyé")
    recorded = await db.get_transaction(connection, number)
    assert recorded is not None
    for fault in faults:
        await db.insert_note(connection, recorded, fault[:1].upper() + fault[1:])
    state, detail = ("set_aside", " ; ".join(faults)) if faults else ("handled", letter.unique_id)
    return Handling(state, letter.code, f"Courrier {number} : {detail}", acte.authority_id)


def digest(data: bytes) -> bytes:
    """SHA-256, by which bytes that come twice are known."""
    return hashlib.sha256(data).digest()
