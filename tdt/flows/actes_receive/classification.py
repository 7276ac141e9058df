"""7-2 and 7-3: the classification in force, and the request that asked for it."""

from tdt.db import actes as db
from tdt.db.authorities import find_authority_by_siren
from tdt.db.content import insert_small
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.deps import Deps
from tdt.domain.actes import returns as r
from tdt.domain.actes import status as texts
from tdt.domain.actes.model import ActeStatus
from tdt.domain.ids import AuthorityId, ContentId
from tdt.flows.actes_receive.correlation import settle, waiting


async def renew_classification(deps: Deps, connection: Connection, answer: r.RetourClassification) -> Handling:
    authority = await find_authority_by_siren(connection, answer.siren)
    if authority is None:
        return Handling("set_aside", "7-2", f"SIREN {answer.siren} inconnu ou partagé.")
    content = await insert_small(connection, authority, answer.xml)
    await db.insert_classification(connection, authority, answer.date, content)
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


async def _answer_request(
    deps: Deps, connection: Connection, authority: AuthorityId, answer: tuple[str, ContentId]
) -> None:
    """The last request that waits gets the answer; one that nobody asked for renews the classification all the same."""
    pending = await waiting(connection, await db.list_pending_classification_requests(connection, authority))
    if not pending:
        return
    request = await settle(deps, connection, pending[0], "Classification reçue")
    await db.move_status(connection, request, db.Move(request.status, ActeStatus.ACQUITTEMENT_RECU, *answer))
