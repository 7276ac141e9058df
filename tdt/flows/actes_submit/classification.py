"""Ask the préfecture for its classification (7-1): on demand, every day, at once when an answer tells a newer date."""

from datetime import timedelta

from tdt.db import actes as db
from tdt.db.authorities import get_authority
from tdt.db.classifications import Asked, lock_asked
from tdt.db.conventions import get_dossier
from tdt.db.deposits import NewActe
from tdt.db.pool import Connection
from tdt.db.routes import find_deposit_route
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.envelope import build_classification_request
from tdt.domain.actes.filetype import XML
from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.actes.status import DEPOT_INITIAL
from tdt.domain.authorities import Module, Principal
from tdt.domain.calendar import paris_date, paris_midnight
from tdt.domain.closing import check_open
from tdt.domain.content import hold
from tdt.domain.conventions import judge
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId, AuthorityId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.flows.actes_submit.deposit import File, Sender, authority_of, deposit, keep

TOO_SOON = "La dernière demande de classification date de moins d'un jour."
LOST_AFTER = timedelta(days=1)
"""A request without an answer for that long is believed lost: it does not stand in the way of the next one."""


async def request_classification(deps: Deps, who: Principal) -> ActeId:
    """Ask the préfecture for its classification (message 7-1); gives the number of the transaction."""
    authority = authority_of(who)
    day = paris_date(deps.now())
    async with deps.transaction(authority.id) as connection:
        closed, route = await find_deposit_route(connection, authority.id, RouteKind.ACTES, day)
        check_open(closed)
        if (await _asked(deps, connection, authority.id)).today and deps.config.actes.one_classification_request_a_day:
            raise Refused(TOO_SOON, code="CLASSIFICATION_TROP_TOT")
        way = route.id if route is not None else None
        sender = Sender(authority, who.user.id, way, day, who.identity.evidence)
        return await _request(deps, connection, sender, "api:classification:request")


async def renew_classification(deps: Deps, number: AuthorityId) -> None:
    """The server asks by itself, because an answer told a date newer than the one held."""
    await _renew(deps, number, daily=False)


async def renew_classification_daily(deps: Deps, number: AuthorityId) -> None:
    """The server asks by itself, as it does every day; not when somebody has asked on that day."""
    await _renew(deps, number, daily=True)


async def _renew(deps: Deps, number: AuthorityId, *, daily: bool) -> None:
    """Nothing is asked while a request waits for its answer, nor for a collectivité from which nothing may leave."""
    day = paris_date(deps.now())
    async with deps.transaction("system") as connection:
        asked = await _asked(deps, connection, number)
        if asked.pending or (daily and asked.today):
            return
        authority = await get_authority(connection, number)
        closed, route = await find_deposit_route(connection, number, RouteKind.ACTES, day)
        if authority is None or closed or route is None:
            return
        dossier = await get_dossier(connection, number, Module.ACTES)
        if judge(dossier, set(), day, deps.config.conventions.policy).held:
            return
        tag = "system:classification:daily" if daily else "system:classification:newer"
        await _request(deps, connection, Sender(authority, None, route.id, day, {}), tag)


async def _asked(deps: Deps, connection: Connection, authority: AuthorityId) -> Asked:
    return await lock_asked(connection, authority, deps.now() - LOST_AFTER, paris_midnight(paris_date(deps.now())))


async def _request(deps: Deps, connection: Connection, sender: Sender, tag: str) -> ActeId:
    authority = sender.authority
    held = await db.last_classification(connection, authority.id)
    held_date = held.date if held is not None else None
    name = naming.classification_request_name(authority.department, authority.siren)
    message = hold(build_classification_request(held_date))
    files = await keep(deps, connection, authority.id, [File(name, XML, message)])
    new = NewActe(
        type=MessageCode.CLASSIFICATION,
        status=ActeStatus.POSTE,
        message=DEPOT_INITIAL,
        tag=tag,
        job=JobKind.ACTES_ANALYSE,
        classification_date=held_date,
        evidence=sender.evidence,
    )
    return await deposit(deps, connection, sender, (new, files))
