"""What is made of an act when it is asked for: its files with a stamp, its bordereau."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date

import structlog

from tdt.db.acte_documents import StampFacts, get_bordereau_facts, get_stamp_facts
from tdt.db.actes import ActeFile
from tdt.db.pool import Scope
from tdt.deps import Deps
from tdt.documents.bordereau import LAY_OUT
from tdt.documents.child import Cause, ChildBug, ChildFailed
from tdt.documents.scratch import Scratch
from tdt.documents.stamp import STAMP, StampOrder
from tdt.domain.actes.bordereau import describe
from tdt.domain.actes.stamp import APPLIED, UNSTAMPED, date_of_reception, stamp_lines
from tdt.domain.calendar import paris_date
from tdt.domain.errors import NotFound, Permanent, Refused, Temporary
from tdt.domain.ids import ActeId

log = structlog.get_logger()

FAILURES = {
    Cause.MEMORY: "TAMPON_PDF_TROP_LOURD",
    Cause.SIZE: "TAMPON_PDF_TROP_LOURD",
    Cause.TIME: "TAMPON_PDF_TROP_LONG",
    Cause.CRASH: "TAMPON_ECHEC",
}


@dataclass(frozen=True, slots=True)
class StampedFile:
    """The copy with its stamp, or none; `code` says that it is there, or why not."""

    body: Scratch | None
    code: str


@asynccontextmanager
async def stamp(deps: Deps, scope: Scope, file: ActeFile, published: date | None) -> AsyncIterator[StampedFile]:
    """A copy of a PDF with its stamp, for as long as the block; the file itself is never touched.

    A stamp that cannot be made is no reason to refuse the document: the caller gives it as it is, and says why.
    """
    order = await _order(deps, scope, file, published)
    if order is None:
        yield _without(file, "TAMPON_SANS_OBJET")
        return
    with ExitStack() as stack:
        yield await _stamp(deps, (scope, file), order, stack)


async def _stamp(deps: Deps, named: tuple[Scope, ActeFile], order: StampOrder, stack: ExitStack) -> StampedFile:
    scope, file = named
    try:
        target = stack.enter_context(deps.scratch())
        async with deps.as_file(scope, file.content_id) as source:
            done = await deps.children.run(STAMP, order, (source.descriptor, target.descriptor))
    except Refused as refusal:
        return _without(file, refusal.code, refusal.message)
    except ChildFailed as failure:
        return _without(file, FAILURES[failure.cause], str(failure))
    except ChildBug as bug:
        log.error("stamp_bug", file_id=file.id, error=str(bug))
        return _without(file, "TAMPON_ECHEC")
    except Temporary as error:
        return _without(file, "TAMPON_INDISPONIBLE", str(error.details.get("error", error)))
    if not done.logo:
        log.warning("stamp_logo_unreadable", logo=order.logo)
    log.info("stamped", file_id=file.id, pages=done.pages, bands=done.bands, repaired=done.repaired, signed=done.signed)
    return StampedFile(target, APPLIED)


async def _order(deps: Deps, scope: Scope, file: ActeFile, published: date | None) -> StampOrder | None:
    async with deps.transaction(scope) as connection:
        facts = await get_stamp_facts(connection, file.transaction_id)
    if facts is None or facts.came_in:
        return None
    sent = paris_date(facts.transmitted_at) if facts.transmitted_at is not None else None
    received = await _received_on(deps, scope, facts)
    style = deps.config.stamp
    return StampOrder(
        lines=stamp_lines(sent, received, published, facts.unique_id or ""),
        position=style.position,
        x=style.x,
        y=style.y,
        pages=style.pages,
        logo=style.logo,
        opacity=style.opacity,
    )


async def _received_on(deps: Deps, scope: Scope, facts: StampFacts) -> date | None:
    if facts.received_on is not None or facts.ar_content_id is None:
        return facts.received_on
    return date_of_reception(b"".join([chunk async for chunk in deps.stream(scope, facts.ar_content_id)]))


def _without(file: ActeFile, code: str, detail: str = "") -> StampedFile:
    log.warning("unstamped", file_id=file.id, code=code, reason=UNSTAMPED.get(code, ""), detail=detail)
    return StampedFile(None, code)


@asynccontextmanager
async def write_bordereau(deps: Deps, scope: Scope, acte: ActeId) -> AsyncIterator[Scratch]:
    """The bordereau of a transaction as a PDF, for as long as the block. Raises NotFound, Permanent."""
    async with deps.transaction(scope) as connection:
        facts = await get_bordereau_facts(connection, acte)
        stamp_facts = await get_stamp_facts(connection, acte)
    if facts is None or stamp_facts is None:
        raise NotFound("Erreur d'initialisation de la transaction.")
    facts = replace(facts, received_on=await _received_on(deps, scope, stamp_facts))
    with deps.scratch() as target:
        try:
            await deps.children.run(LAY_OUT, describe(facts), (target.descriptor,))
        except (ChildFailed, ChildBug) as failure:
            details = {"acte_id": acte, "error": str(failure)}
            raise Permanent(
                "Le bordereau ne peut pas être écrit.", code="BORDEREAU_ECHEC", details=details
            ) from failure
        yield target
