"""7-2 and 7-3: the classification in force, and the request that asked for it."""

from datetime import date

from tdt.db import actes as db
from tdt.db.authorities import find_authority_by_siren
from tdt.db.classifications import insert_announced, insert_classification
from tdt.db.content import insert_small
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.deps import Deps
from tdt.domain.actes import returns as r
from tdt.domain.actes import status as texts
from tdt.domain.actes.classification import judge_classification
from tdt.domain.actes.model import ActeStatus
from tdt.domain.calendar import paris_date
from tdt.domain.ids import AuthorityId, ContentId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_receive.correlation import settle, waiting


async def renew_classification(deps: Deps, connection: Connection, answer: r.RetourClassification) -> Handling:
    authority = await find_authority_by_siren(connection, answer.siren)
    if authority is None:
        return Handling("set_aside", "7-2", f"SIREN {answer.siren} inconnu ou partagé.")
    read, fault = judge_classification(answer.xml, paris_date(deps.now()))
    content = await insert_small(connection, authority, answer.xml)
    if read is None or fault:
        # the one in force stays: acts may go on, and the request tells what happened
        await _answer_request(
            deps, connection, authority, (texts.classification_unusable(fault), content), ActeStatus.ERREUR
        )
        return Handling("set_aside", "7-2", texts.classification_unusable(fault), authority)
    await insert_classification(connection, authority, answer.date, content, read)
    await _answer_request(deps, connection, authority, (texts.classification_updated(answer.date), content))
    return Handling("handled", "7-2", str(answer.date), authority)


async def confirm_classification(
    deps: Deps, connection: Connection, answer: r.ClassificationSansChangement
) -> Handling:
    authority = await find_authority_by_siren(connection, answer.siren)
    if authority is None:
        return Handling("set_aside", "7-3", f"SIREN {answer.siren} inconnu ou partagé.")
    content = await insert_small(connection, authority, answer.xml)
    await _answer_request(deps, connection, authority, (texts.classification_unchanged(answer.date), content))
    return Handling("handled", "7-3", str(answer.date), authority)


async def watch_classification(deps: Deps, connection: Connection, acte: db.Acte, told: date | None) -> None:
    """An answer tells the date of the classification in force: one newer than what is held is asked for at once.

    Once for each date: an answer that tells a wrong one must not bring a request with every act.
    """
    if told is None or told > paris_date(deps.now()):
        return
    if await insert_announced(connection, acte.authority_id, told):
        await insert_job(connection, JobKind.ACTES_CLASSIFICATION, acte.authority_id, acte.authority_id)


async def _answer_request(
    deps: Deps,
    connection: Connection,
    authority: AuthorityId,
    answer: tuple[str, ContentId],
    target: ActeStatus = ActeStatus.ACQUITTEMENT_RECU,
) -> None:
    """The last request that waits gets the answer; one that nobody asked for renews the classification all the same."""
    pending = await waiting(connection, await db.list_pending_classification_requests(connection, authority))
    if not pending:
        return
    request = await settle(deps, connection, pending[0], "Classification reçue")
    await db.move_status(connection, request, db.Move(request.status, target, *answer))
