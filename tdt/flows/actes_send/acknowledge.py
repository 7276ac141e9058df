"""3-2 and 4-2: the AR that the TdT sends by itself for a letter of the préfecture, in an envelope of its own."""

from tdt.db import acte_letters as letters_db
from tdt.db import actes as db
from tdt.db.authorities import get_authority
from tdt.db.deposits import SERIAL, NewEnvelope, insert_acknowledgement
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.archive import in_memory, write_archive
from tdt.domain.actes import envelope, naming
from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.model import ActeStatus
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Permanent, Temporary
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_send.envelopes import emitter_of

CODES = {3: "3-2", 4: "4-2"}


async def acknowledge(deps: Deps, letter_id: ActeId) -> None:
    """Make the envelope of the AR of a letter, with its archive, and put it in line; the letter goes to 8 once it left.

    One transaction: the serial of the envelope is in its bytes. Raises Temporary when the serials of the day are used.
    """
    async with deps.transaction("system") as connection:
        letter = await db.lock_transaction(connection, letter_id)
        if letter is None or letter.status is not ActeStatus.DOCUMENT_RECU:
            return
        if await letters_db.find_acknowledgement(connection, letter_id) is not None:
            return
        if letter.unique_id is None or letter.letter_date is None:
            raise Permanent("Le courrier ne porte ni acte ni date.", details={"acte_id": letter_id})
        code = CODES[letter.type]
        message = envelope.build_answer(code, letter.unique_id, letter.letter_date)
        await _send(deps, connection, letter, (naming.message_name(letter.unique_id, code), message))


async def _send(deps: Deps, connection: Connection, letter: db.Acte, form: tuple[str, bytes]) -> None:
    received = await db.get_envelope(connection, letter.envelope_id)
    if received is None:
        raise Permanent("Le courrier n'a plus d'enveloppe.", details={"acte_id": letter.id})
    authority = await get_authority(connection, letter.authority_id)
    if authority is None:
        raise Permanent("Le courrier n'a plus de collectivité.", details={"acte_id": letter.id})
    day = paris_date(deps.now())
    envelope_name = naming.envelope_name(deps.config.actes.quadrigramme, authority.siren, day, SERIAL)
    archive = naming.archive_name(deps.config.actes.trigramme, envelope_name)
    new = NewEnvelope(letter.authority_id, letter.account_id, received.route_id, envelope_name, archive, day)
    opened = await insert_acknowledgement(connection, new, letter.id)
    if opened is None:
        raise Temporary("Les numéros d'enveloppe du jour sont épuisés.", code="SERIE_EPUISEE")
    sent = await db.get_envelope(connection, opened)
    assert sent is not None
    name, message = form
    data = envelope.build_envelope(await emitter_of(deps, connection, sent), [name])
    if faults := check_message(data) + check_message(message):
        raise Permanent(" ; ".join(faults), details={"acte_id": letter.id})
    body = await write_archive([in_memory(sent.name, data), in_memory(name, message)], deps.spool.writer())
    content = (await deps.keep(connection, letter.authority_id, [body]))[0]
    await db.move_archive(connection, opened, content)
    await insert_job(connection, JobKind.ACTES_TRANSMIT, letter.authority_id, opened)
