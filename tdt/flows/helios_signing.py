"""A flow that waits for its signature (13): it is signed (→ 1, or 14), or given up (→ −1), as one that waits at 14."""

from tdt.db import helios as db
from tdt.db.accounts import get_owner
from tdt.db.audit import insert_audit
from tdt.db.closing import get_closing
from tdt.db.helios_signing import move_signed
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.child import ChildFailed, Limits
from tdt.documents.unsigned import COMPARE_SIGNED, CompareOrder
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import Body
from tdt.domain.errors import Conflict, Forbidden, Refused, Temporary
from tdt.domain.helios import signing as rules
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.rules import Holder, already_posted, check_upload
from tdt.domain.helios.status import POSTED_TEXT, TO_TRANSMIT_TEXT
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind

BYTES_A_SECOND = 1 << 20
"""At least so fast is a document compared: a large one is given its time."""


async def sign(deps: Deps, who: Principal, flow_id: HeliosId, body: Body) -> HeliosStatus:
    """Put the signed document in the place of the deposited one and post the flow; gives its new status.

    Raises Refused or Forbidden. Whether the signatures hold, the analysis says, as for any flow.
    """
    async with deps.acting(Actor(Source.API, who)) as connection:
        flow = await _take(deps, connection, who, (flow_id, Right.VIEW))
        rules.check_waits(flow.status, flow.id)
    first = await _find_first(deps, body)
    if first is not None and first.transaction_id == flow.id:
        raise rules.not_signed()
    check_upload(body.size, deps.config.limits.pes_bytes, first)
    rules.check_encoding(body.head)
    await _check_same(deps, flow, body)
    try:
        return await _replace(deps, who, flow_id, body)
    except Conflict as conflict:
        # two equal uploads at the same instant: the index let one through
        if conflict.details.get("constraint") == "helios_transaction_sha1":
            raise already_posted(await _find_first(deps, body)) from conflict
        raise rules.not_waiting(flow_id) from conflict


async def _find_first(deps: Deps, body: Body) -> Holder | None:
    """Unique on the whole platform: only the system sees the flows of others; what it finds stays here."""
    async with deps.transaction("system") as connection:
        return await db.find_known(connection, body.sha1)


async def _check_same(deps: Deps, flow: db.HeliosTransaction, body: Body) -> None:
    config = deps.config.documents
    limits = Limits(config.memory_bytes, config.seconds + (flow.size + body.size) / BYTES_A_SECOND)
    async with deps.as_file(flow.authority_id, flow.content_id) as deposited:
        with deps.scratch() as signed:
            async for chunk in deps.posted(body):
                await signed.write(chunk)
            files = [deposited.descriptor, signed.descriptor]
            try:
                found = await deps.children.run(COMPARE_SIGNED, CompareOrder(), files, limits)
            except ChildFailed as failure:
                raise Temporary("Le flux signé n'a pas pu être comparé.", code="CONTROLE_INTERROMPU") from failure
    rules.check_compared(found.fault, found.readable, found.same, found.signatures)


async def _replace(deps: Deps, who: Principal, flow_id: HeliosId, body: Body) -> HeliosStatus:
    async with deps.acting(Actor(Source.API, who)) as connection:
        flow = await _take(deps, connection, who, (flow_id, Right.VIEW))
        rules.check_waits(flow.status, flow.id)
        target, message = HeliosStatus.EN_ATTENTE_D_ETRE_TELETRANSMIS, TO_TRANSMIT_TEXT
        if may(who, Right.TT, Module.HELIOS):
            target, message = HeliosStatus.POSTE, POSTED_TEXT
        (content,) = await deps.keep(connection, flow.authority_id, [body])
        await move_signed(connection, flow.id, content, body)
        await db.move_status(connection, flow, db.Move(flow.status, target, message))
        if target is HeliosStatus.POSTE:
            await insert_job(connection, JobKind.HELIOS_ANALYSE, flow.authority_id, flow.id)
        evidence = {**who.identity.evidence, "before": flow.sha1.hex(), "after": body.sha1.hex()}
        await insert_audit(connection, (flow.authority_id, who.user.id), "api:helios:sign", flow.id, evidence)
    return target


async def cancel(deps: Deps, who: Principal, flow_id: HeliosId) -> HeliosStatus:
    """Give up a flow that waits to be signed or posted; gives its new status. Raises Refused or Forbidden."""
    async with deps.acting(Actor(Source.API, who)) as connection:
        flow = await _take(deps, connection, who, (flow_id, Right.MANAGE))
        rules.check_cancellable(flow.status, flow.id)
        message = rules.cancelled(who.user.pretty_name)
        await db.move_status(connection, flow, db.Move(flow.status, HeliosStatus.ERREUR, message))
        by = (flow.authority_id, who.user.id)
        await insert_audit(connection, by, "api:helios:cancel", flow.id, who.identity.evidence)
    return HeliosStatus.ERREUR


async def _take(
    deps: Deps, connection: Connection, who: Principal, what: tuple[HeliosId, Right]
) -> db.HeliosTransaction:
    """The flow, held until the end of the transaction, if it is there for the caller to do this."""
    flow_id, right = what
    flow = await db.lock_transaction(connection, flow_id)
    if flow is None:
        raise Refused(rules.UNKNOWN)
    owner = await get_owner(connection, who.user.id, flow.account_id, flow.authority_id)
    if not may(who, right, Module.HELIOS, owner):
        raise Forbidden("Accès refusé")
    closing = await get_closing(connection, flow.authority_id)
    check_open(closing is not None and closing.is_closed(paris_date(deps.now())))
    return flow
