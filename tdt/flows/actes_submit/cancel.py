"""Ask for the annulation of an act that the préfecture has (6-1)."""

from dataclasses import replace

from tdt.db import acte_letters as letters_db
from tdt.db import actes as db
from tdt.db.pool import Connection
from tdt.db.routes import find_deposit_route
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.envelope import build_cancellation
from tdt.domain.actes.filetype import XML
from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.authorities import Owner, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import hold
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import ActeId
from tdt.domain.routes import RouteKind
from tdt.flows.actes_submit.deposit import File, Sender, authority_of, deposit, keep, repeat

UNKNOWN = "Erreur d'initialisation de la transaction."
PENDING = "Une demande d'annulation est déjà en cours pour cette transaction."
NOT_ACKNOWLEDGED = "Impossible d'annuler une transaction qui n'est pas en état « Acquittement reçu »."


async def cancel(deps: Deps, who: Principal, acte_id: ActeId) -> ActeId:
    """Record the annulation of an act and its first job; gives its number. Raises Refused in S2LOW's words."""
    authority = authority_of(who)
    day = paris_date(deps.now())
    async with deps.transaction(authority.id) as connection:
        # locked: of two requests at once, the second sees the first
        acte = await db.lock_transaction(connection, acte_id)
        unique_id = await _check(connection, who, acte)
        assert acte is not None
        closed, route = await find_deposit_route(connection, authority.id, RouteKind.ACTES, day)
        check_open(closed)
        way = route.id if route is not None else None
        sender = Sender(authority, who.user.id, way, day, who.identity.evidence)
        message = File(naming.message_name(unique_id, "6-1"), XML, hold(build_cancellation(unique_id)))
        files = await keep(deps, connection, authority.id, [message])
        again = repeat(acte, sender, "api:acte:cancel")
        new = replace(again, type=MessageCode.ANNULATION, unique_id=unique_id, related_id=acte.id)
        return await deposit(deps, connection, sender, (new, files))


async def _check(connection: Connection, who: Principal, acte: db.Acte | None) -> str:
    """The IDActe of an act that may be cancelled."""
    if acte is None:
        raise Refused(UNKNOWN)
    if acte.type != MessageCode.ACTE:
        raise Refused("Ce type de transaction ne peut pas être annulé.")
    if await letters_db.is_being_cancelled(connection, acte.id):
        raise Refused(PENDING)
    if not may(who, Right.MANAGE, owner=Owner(acte.account_id, acte.authority_id)):
        raise Forbidden("Accès refusé.", details={"page": "/modules/actes/index.php"})
    if acte.status is not ActeStatus.ACQUITTEMENT_RECU or acte.unique_id is None:
        raise Refused(NOT_ACKNOWLEDGED)
    return acte.unique_id
