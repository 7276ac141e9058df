"""Ask the préfecture for its classification (7-1)."""

from tdt.db import actes as db
from tdt.db.deposits import NewActe
from tdt.db.routes import find_deposit_route
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.envelope import build_classification_request
from tdt.domain.actes.filetype import XML
from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.actes.status import DEPOT_INITIAL
from tdt.domain.authorities import Principal
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import hold
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.flows.actes_submit.deposit import File, Sender, authority_of, deposit, keep


async def request_classification(deps: Deps, who: Principal) -> ActeId:
    """Ask the préfecture for its classification (message 7-1); gives the number of the transaction."""
    authority = authority_of(who)
    day = paris_date(deps.now())
    async with deps.transaction(authority.id) as connection:
        closed, route = await find_deposit_route(connection, authority.id, RouteKind.ACTES, day)
        check_open(closed)
        way = route.id if route is not None else None
        sender = Sender(authority, who.user.id, way, day, who.identity.evidence)
        held = await db.last_classification(connection, authority.id)
        held_date = held.date if held is not None else None
        name = naming.classification_request_name(authority.department, authority.siren)
        message = hold(build_classification_request(held_date))
        files = await keep(deps, connection, authority.id, [File(name, XML, message)])
        new = NewActe(
            type=MessageCode.CLASSIFICATION,
            status=ActeStatus.POSTE,
            message=DEPOT_INITIAL,
            tag="api:classification:request",
            job=JobKind.ACTES_ANALYSE,
            classification_date=held_date,
            evidence=sender.evidence,
        )
        return await deposit(deps, connection, sender, (new, files))
