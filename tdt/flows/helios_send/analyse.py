"""Check a posted flow, then let it leave: status 2, or -1 with the words of its refusal."""

from tdt.crash import Step, reach
from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.audit import insert_audit
from tdt.db.authorities import get_authority
from tdt.db.helios_bordereaux import insert_bordereaux
from tdt.db.helios_reports import insert_report
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.altered_text import write_altered
from tdt.domain.errors import Refused
from tdt.domain.helios import rules
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import HeliosStatus, PesHeader
from tdt.domain.helios.stream import PesUnreadable
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind
from tdt.flows.helios_send.checks import run_checks
from tdt.flows.helios_send.findings import Reading
from tdt.flows.helios_send.reading import read
from tdt.flows.helios_send.sirets import take_siret


async def analyse(deps: Deps, transaction_id: HeliosId) -> None:
    """Read the flow once and apply S2LOW's background checks, in its order and with its words.

    What the checks found is kept either way. Raises Temporary when one cannot be made now: nothing is refused for it.
    """
    async with deps.transaction("system") as connection:
        found = await db.get_transaction(connection, transaction_id)
    if found is None or found.status is not HeliosStatus.POSTE:
        return
    reading = await read(deps, found)
    reports, refusal = await run_checks(deps, found, reading)
    reach(Step.ANALYSIS_PES_CHECKED)
    async with deps.transaction("system") as connection:
        # checks take their time: the flow may have been turned to an error, or analysed by another, meanwhile
        locked = await db.lock_transaction(connection, transaction_id)
        if locked is None or locked.status is not HeliosStatus.POSTE:
            return
        for report in reports:
            await insert_report(connection, found.authority_id, found.id, report)
        try:
            await _conclude(deps, connection, found, reading, refusal)
        except Refused as refused:
            if any(report.data.get("code") == rules.ALTERED for report in reports):
                await refuse_altered(deps, connection, found, refused.message)
            else:
                await refuse(connection, found, refused.message)
            if refused.details:
                # of nobody: only the operator reads whose the first copy is
                data = {"code": refused.code, **refused.details}
                await insert_audit(connection, (None, None), db.REFUSED_TAG, found.id, data)
        reach(Step.ANALYSIS_PES)


async def _conclude(
    deps: Deps, connection: Connection, found: db.HeliosTransaction, reading: Reading, refusal: str
) -> None:
    """Take the couple and let the flow go on. Raises Refused."""
    header = reading.header
    if refusal or isinstance(header, PesUnreadable):
        raise Refused(refusal)
    waived = await _is_waived(deps, connection, found)
    holder = await db.find_nomfic_holder(connection, header.nomfic or "", header.cod_col)
    rules.check_naming(header, _another(holder, found) if not waived else None, found.id)
    # the couple is taken only by a flow that passes: a refused one must not block its corrected copy
    holder = await db.claim_nomfic(connection, found, header)
    rules.check_naming(header, _another(holder, found) if not waived else None, found.id)
    await _accept(connection, found, header)
    await insert_bordereaux(connection, found.authority_id, found.id, reading.carried)


def _another(holder: rules.Holder | None, found: db.HeliosTransaction) -> rules.Holder | None:
    return None if holder is None or holder.transaction_id == found.id else holder


async def _is_waived(deps: Deps, connection: Connection, found: db.HeliosTransaction) -> bool:
    """As S2LOW: a couple used twice passes only when the platform and the collectivité both say so."""
    if not deps.config.helios.nomfic_uniqueness_waivable:
        return False
    authority = await get_authority(connection, found.authority_id)
    return authority is not None and authority.nomfic_uniqueness_waived


async def _accept(connection: Connection, found: db.HeliosTransaction, header: PesHeader) -> None:
    await db.move_header(connection, found.id, header)
    await take_siret(connection, found, header.id_coll)
    route = await routes_db.get_route(connection, found.route_id)
    text = texts.queued_text(found.id, route is not None and route.transport.is_passtrans)
    await db.move_status(connection, found, db.Move(HeliosStatus.POSTE, HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, text))
    await insert_job(connection, JobKind.HELIOS_TRANSMIT, found.authority_id, found.id)
    await insert_job(connection, JobKind.HELIOS_SCHEMA, found.authority_id, found.id)


async def refuse(connection: Connection, found: db.HeliosTransaction, message: str) -> None:
    """Turn a flow to an error, its reason in the workflow."""
    await db.move_status(connection, found, db.Move(found.status, HeliosStatus.ERREUR, texts.error_text(message)))


async def refuse_altered(deps: Deps, connection: Connection, found: db.HeliosTransaction, message: str) -> None:
    """The same of one whose bytes changed, told to the operators: they lie with us."""
    await refuse(connection, found, message)
    text = write_altered([f"helios:{found.id}"], message, "tdt admin helios repost")
    await deps.tell_operators(connection, ("helios.altered", f"helios:{found.id}"), text)
