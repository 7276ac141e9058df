"""Administration of conventions: record, modify, avenants, PDF, suspensions; what waited is looked at again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import date

from tdt.db import conventions as db
from tdt.db.audit import insert_change
from tdt.db.authorities import get_authority
from tdt.db.conventions import Filed
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes.filetype import PDF, sniff
from tdt.domain.audit import Actor
from tdt.domain.authorities import Module, Owner
from tdt.domain.authority_sheet import NOT_FOUND
from tdt.domain.calendar import paris_date
from tdt.domain.content import Body
from tdt.domain.conventions import Avenant, Convention, Suspension, Verdict, is_domain, judge
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import AuthorityId, ContentId

UNKNOWN = "Cette convention n'existe pas."
NO_SUSPENSION = "Cette suspension n'existe pas, ou elle est déjà terminée."
FORBIDDEN = "Accès refusé"
REFERENCE_TAKEN = "La collectivité a déjà une convention de cette référence pour ce module."
AVENANT_TAKEN = "Cette convention a déjà un avenant de cette référence."
NAMELESS = "La référence est obligatoire."
BACKWARDS = "La fin est avant le début."
TOO_EARLY = "Un avenant ne prend pas effet avant le début de la convention."
NO_REASON = "La raison est obligatoire : elle est montrée à côté des envois retenus."
NO_AVENANT = "Cet avenant n'existe pas."
UNKNOWN_DOMAIN = (
    "Domaine inconnu pour ce module : {}. Une nature d'acte (1 à 6) ou un élément d'un PES (PES_DepenseAller…)."
)
NOT_A_PDF = "Le document de la convention doit être un PDF."
Edit = Callable[[Convention], Convention]
"""What a convention becomes, from what it is."""


async def create(deps: Deps, by: Actor, new: Convention, document: Body | None = None) -> int:
    """Record a convention. Raises Refused, Forbidden."""
    _check(new)
    with _told(REFERENCE_TAKEN):
        async with deps.acting(by) as connection:
            await _check_authority(connection, by, new.authority_id)
            convention = await db.insert_convention(connection, new)
            content = await _keep(deps, connection, new.authority_id, document)
            if content is not None:
                await db.move_document(connection, convention, None, content)
            what = ("convention:create", convention, new.authority_id)
            await insert_change(connection, by, what, {}, {**_audited(new), **_digest(document)})
            await db.wake_held(connection, new.authority_id, new.module)
    return convention


async def modify(deps: Deps, by: Actor, convention: int, edit: Edit) -> None:
    """Correct a convention; what both parties agree on later is an avenant. Raises Refused, Forbidden."""
    with _told(REFERENCE_TAKEN):
        async with deps.acting(by) as connection:
            current = await _take(connection, by, convention)
            new = replace(edit(current), id=current.id, authority_id=current.authority_id, module=current.module)
            _check(new)
            await db.move_convention(connection, new)
            what = ("convention:modify", convention, current.authority_id)
            await insert_change(connection, by, what, _audited(current), _audited(new))
            await db.wake_held(connection, current.authority_id, current.module)


async def amend(deps: Deps, by: Actor, convention: int, new: Avenant, document: Body | None = None) -> int:
    """Record an avenant. Raises Refused, Forbidden."""
    if not new.reference.strip():
        raise Refused(NAMELESS)
    if new.ends_on is not None and new.ends_on < new.effective_on:
        raise Refused(BACKWARDS)
    with _told(AVENANT_TAKEN):
        async with deps.acting(by) as connection:
            current = await _take(connection, by, convention)
            _check_domains(current.module, new.domains or frozenset())
            if new.effective_on < current.starts_on:
                raise Refused(TOO_EARLY)
            content = await _keep(deps, connection, current.authority_id, document)
            avenant = await db.insert_avenant(connection, current, new, content)
            after = {**_audited(new), "avenant_id": avenant, **_digest(document)}
            await insert_change(connection, by, ("convention:amend", convention, current.authority_id), {}, after)
            await db.wake_held(connection, current.authority_id, current.module)
    return avenant


async def attach(deps: Deps, by: Actor, convention: int, avenant: int | None, document: Body) -> None:
    """Give a convention or one of its avenants its PDF. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        current = await _take(connection, by, convention)
        if avenant is not None and avenant not in {one.id for one in current.avenants}:
            raise Refused(NO_AVENANT)
        held = await db.find_document(connection, convention, avenant)
        content = await _keep(deps, connection, current.authority_id, document)
        await db.move_document(connection, convention, avenant, content)
        before, after = {"content_id": held}, {"content_id": content, "avenant_id": avenant, **_digest(document)}
        await insert_change(connection, by, ("convention:document", convention, current.authority_id), before, after)


async def suspend(deps: Deps, by: Actor, authority: AuthorityId, new: Suspension) -> int:
    """Stop the télétransmission of a module of a collectivité: what is to leave waits. Raises Refused, Forbidden."""
    if not new.reason.strip():
        raise Refused(NO_REASON)
    if new.ends_on is not None and new.ends_on < new.starts_on:
        raise Refused(BACKWARDS)
    _check_domains(new.module, new.domains)
    async with deps.acting(by) as connection:
        await _check_authority(connection, by, authority)
        suspension = await db.insert_suspension(connection, authority, new)
        await insert_change(connection, by, ("suspension:create", suspension, authority), {}, _audited(new))
    return suspension


async def lift(deps: Deps, by: Actor, suspension: int) -> None:
    """End a suspension now: what waited leaves. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        found = await db.lock_suspension(connection, suspension)
        today = paris_date(deps.now())
        if found is None or (found[1].ends_on is not None and found[1].ends_on < today):
            raise Refused(NO_SUSPENSION)
        authority, current = found
        if authority is not None:
            await _check_authority(connection, by, authority)
        elif by.who is not None:
            raise Forbidden(FORBIDDEN)
        await db.end_suspension(connection, current, today)
        before, after = {"ends_on": _plain(current.ends_on), "lifted": False}, {"ends_on": str(today), "lifted": True}
        await insert_change(connection, by, ("suspension:lift", suspension, authority), before, after)
        await db.wake_held(connection, authority, current.module)


@dataclass(frozen=True, slots=True)
class Question:
    """May this collectivité send a flow of these domains of this module on this day?"""

    authority: AuthorityId
    module: Module
    domains: frozenset[str]
    day: date


async def ask(deps: Deps, by: Actor, question: Question) -> Verdict:
    """The verdict that a transmission would get. Raises Refused, Forbidden."""
    _check_domains(question.module, question.domains)
    async with deps.acting(by) as connection:
        await _check_authority(connection, by, question.authority)
        dossier = await db.get_dossier(connection, question.authority, question.module)
    return judge(dossier, question.domains, question.day, deps.config.conventions.policy)


async def find(deps: Deps, by: Actor, convention: int) -> Filed:
    """A convention with its avenants. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        return await _take_filed(connection, by, convention)


async def count_held(deps: Deps) -> dict[str, int]:
    """How many flows wait for a convention, by kind of job: for the metrics."""
    async with deps.transaction("system") as connection:
        return await db.count_held(connection)


async def find_document(deps: Deps, by: Actor, convention: int, avenant: int | None) -> ContentId | None:
    """Where the PDF of a convention or of an avenant is; None when there is none. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        await _take(connection, by, convention)
        return await db.find_document(connection, convention, avenant)


def _check(new: Convention) -> None:
    if not new.reference.strip():
        raise Refused(NAMELESS)
    if new.ends_on is not None and new.ends_on < new.starts_on:
        raise Refused(BACKWARDS)
    _check_domains(new.module, new.domains)


def _check_domains(module: Module, domains: frozenset[str]) -> None:
    unknown = [one for one in sorted(domains) if not is_domain(module, one)]
    if unknown:
        raise Refused(UNKNOWN_DOMAIN.format(", ".join(unknown)))


async def _check_authority(connection: Connection, by: Actor, authority: AuthorityId) -> None:
    """Those above the collectivité keep its conventions; an unknown one and one out of sight are told alike."""
    found = await get_authority(connection, authority)
    if found is None:
        raise Refused(NOT_FOUND)
    if not by.administers(Owner(None, found.id, group_id=found.group_id)):
        raise Forbidden(FORBIDDEN)


async def _take(connection: Connection, by: Actor, convention: int) -> Convention:
    return (await _take_filed(connection, by, convention)).convention


async def _take_filed(connection: Connection, by: Actor, convention: int) -> Filed:
    found = await db.lock_convention(connection, convention)
    if found is None:
        raise Refused(UNKNOWN)
    await _check_authority(connection, by, found.convention.authority_id)
    return found


async def _keep(deps: Deps, connection: Connection, authority: AuthorityId, document: Body | None) -> ContentId | None:
    if document is None:
        return None
    if sniff(document.head) != PDF:
        raise Refused(NOT_A_PDF)
    (content,) = await deps.keep(connection, authority, [document])
    return content


def _digest(document: Body | None) -> dict[str, object]:
    return {"pdf_sha256": document.sha256.hex()} if document is not None else {}


def _audited(value: Convention | Avenant | Suspension) -> dict[str, object]:
    """What the audit keeps: every field, dates as text, its own id and its avenants apart."""
    names = [one.name for one in fields(value) if one.name not in ("id", "avenants", "authority_id")]
    return {name: _plain(getattr(value, name)) for name in names}


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.isoformat() if isinstance(value, date) else value


@contextmanager
def _told(message: str) -> Iterator[None]:
    try:
        yield
    except Conflict as error:
        raise Refused(message) from error
