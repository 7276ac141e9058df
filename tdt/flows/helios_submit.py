"""Accept a PES flow: judge what can be judged at once, keep the bytes, add the first job; one transaction."""

import structlog

from tdt.crash import Step, reach
from tdt.db import helios as db
from tdt.db.audit import insert_audit
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.db.routes import find_deposit_route
from tdt.deps import Deps
from tdt.domain.authorities import Authority, Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import Body
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.rules import Holder, already_posted, check_upload
from tdt.domain.helios.status import POSTED_TEXT, TO_SIGN_TEXT, TO_TRANSMIT_TEXT
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind

log = structlog.get_logger()


async def submit(deps: Deps, who: Principal, filename: str, body: Body, must_signed: bool) -> HeliosId:
    """Record a new flow and its first job; gives its number. Raises Refused with S2LOW's words."""
    authority = who.authority
    if authority is None:
        raise Forbidden("Accès refusé")
    # unique on the whole platform: only the system sees the flows of others; what it finds is for the operator
    first = await _find_first(deps, authority, body)
    check_upload(body.size, deps.config.limits.pes_bytes, first)
    status, message = _first_status(who, must_signed)
    try:
        async with deps.transaction(authority.id) as connection:
            new = await _describe(deps, connection, (who, authority), (filename, body), (status, message))
            transaction = await db.insert_transaction(connection, new)
            by = (authority.id, who.user.id)
            await insert_audit(connection, by, "api:helios:submit", transaction, who.identity.evidence)
            if status is HeliosStatus.POSTE:
                await insert_job(connection, JobKind.HELIOS_ANALYSE, authority.id, transaction)
            reach(Step.DEPOSIT_PES)
    except Conflict as conflict:
        # two equal uploads at the same instant: the index let one through
        if conflict.details.get("constraint") == "helios_transaction_sha1":
            raise already_posted(await _find_first(deps, authority, body)) from conflict
        raise
    reach(Step.DEPOSIT_PES_COMMITTED)
    return transaction


async def _find_first(deps: Deps, authority: Authority, body: Body) -> Holder | None:
    async with deps.transaction("system") as connection:
        first = await db.find_known(connection, body.sha1)
    if first is not None:
        # the answer never says whose it is; `tdt flow` finds it again by this digest
        log.info("helios.known", authority=authority.id, sha1=body.sha1.hex(), **first.told())
    return first


def _first_status(who: Principal, must_signed: bool) -> tuple[HeliosStatus, str]:
    if must_signed:
        return HeliosStatus.EN_ATTENTE_D_ETRE_SIGNE, TO_SIGN_TEXT
    if not may(who, Right.TT, Module.HELIOS):
        return HeliosStatus.EN_ATTENTE_D_ETRE_TELETRANSMIS, TO_TRANSMIT_TEXT
    return HeliosStatus.POSTE, POSTED_TEXT


async def _describe(
    deps: Deps,
    connection: Connection,
    whose: tuple[Principal, Authority],
    what: tuple[str, Body],
    first: tuple[HeliosStatus, str],
) -> db.NewHelios:
    (who, authority), (filename, body) = whose, what
    closed, route = await find_deposit_route(connection, authority.id, RouteKind.HELIOS, paris_date(deps.now()))
    check_open(closed)
    if route is None:
        raise Refused("La collectivité n'est pas raccordée à Hélios.", code="ROUTE_ABSENTE")
    return db.NewHelios(
        authority_id=authority.id,
        account_id=who.user.id,
        route_id=route.id,
        siren=authority.siren,
        filename=filename[:1024],
        content_id=(await deps.keep(connection, authority.id, [body]))[0],
        sha1=body.sha1,
        size=body.size,
        status=first[0],
        message=first[1],
    )
