"""Check a posted transaction against what its collectivité may send; then have its archive built."""

from tdt.db import actes as db
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes.classification import parse_classification
from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.actes.rules import AnalysedFile, check_analysis
from tdt.domain.errors import Permanent, Refused
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_send.envelopes import refuse


async def analyse(deps: Deps, acte_id: ActeId) -> None:
    """Check a posted transaction against what its collectivité may send; then have its archive built."""
    async with deps.transaction("system") as connection:
        acte = await db.get_transaction(connection, acte_id)
        if acte is None or acte.status is not ActeStatus.POSTE:
            return
        try:
            await _check_files(connection, acte)
        except Refused as refusal:
            await refuse(connection, [acte], refusal.message)
            return
        await insert_job(connection, JobKind.ACTES_PACKAGE, acte.authority_id, acte.envelope_id)


async def _check_files(connection: Connection, acte: db.Acte) -> None:
    if acte.type != MessageCode.ACTE:
        return
    held = await db.last_classification(connection, acte.authority_id)
    files = await _documents(connection, acte)
    if held is None or acte.nature_code is None:
        raise Permanent("L'acte a été accepté sans classification ni nature.", details={"acte_id": acte.id})
    analysed = [AnalysedFile(file.name, file.code_pj, file.mimetype) for file in files]
    check_analysis(acte.nature_code, analysed, parse_classification(held.xml))


async def _documents(connection: Connection, acte: db.Acte) -> list[db.ActeFile]:
    return [file for file in await db.list_files(connection, acte.id) if file.position > 0]
