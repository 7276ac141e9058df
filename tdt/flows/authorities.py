"""Administration of collectivités: create, modify, suspend, move to another group; each change with its audit row."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

from tdt.db.audit import insert_change
from tdt.db.authorities import insert_membership
from tdt.db.authority_admin import insert_owned, list_memberships, lock_owned, move_agreement, move_owned
from tdt.db.groups import find_siren, get_group
from tdt.db.pool import Connection
from tdt.db.turns import get_weight, move_weight
from tdt.deps import Deps
from tdt.domain import authority_sheet as rules
from tdt.domain.actes.filetype import PDF, sniff
from tdt.domain.audit import Actor
from tdt.domain.authorities import ACTIVE, Role
from tdt.domain.authority_sheet import Owned, Sheet
from tdt.domain.calendar import paris_date
from tdt.domain.content import Body
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import AuthorityId, GroupId
from tdt.domain.turns import check_weight

INACTIVE = 0
IN_THE_PAST = "Une collectivité ne change pas de groupe dans le passé : la date doit être aujourd'hui ou plus tard."
Edit = Callable[[Sheet], Sheet]
"""What a collectivité becomes, from what it is. May raise Refused."""


async def create(deps: Deps, by: Actor, asked: Sheet, agreement: Body | None = None) -> AuthorityId:
    """Record a collectivité, in its group from today on. Raises Refused, Forbidden."""
    rules.check_place(asked)
    if by.who is not None and by.who.user.role not in (Role.SADM, Role.GADM):
        raise Forbidden(rules.FORBIDDEN)
    sheet = rules.granted(by, asked)
    with _told_of_a_twin():
        # a collectivité is in the scope of a group only once it is there: the checks above and below say who may
        async with deps.transaction("system") as connection:
            await _check_group(connection, by, sheet)
            rules.check_sheet(sheet)
            authority = await insert_owned(connection, sheet)
            if sheet.group is not None:
                await insert_membership(connection, authority, sheet.group, paris_date(deps.now()))
            await _attach(deps, connection, authority, agreement)
            after = _audited(sheet, agreement)
            await insert_change(connection, by, ("authority:create", authority, authority), {}, after)
    return authority


async def modify(deps: Deps, by: Actor, authority: AuthorityId, edit: Edit, agreement: Body | None = None) -> None:
    """Change a collectivité, its group from today on. Raises Refused, Forbidden."""
    with _told_of_a_twin():
        async with deps.acting(by) as connection:
            current = await _take(connection, by, authority)
            asked = edit(current.sheet)
            rules.check_place(asked)
            sheet = rules.granted(by, asked, current.sheet)
            await _check_group(connection, by, sheet, current.sheet)
            rules.check_sheet(sheet, current.sheet)
            await move_owned(connection, authority, sheet)
            if sheet.group != current.sheet.group:
                await insert_membership(connection, authority, sheet.group, paris_date(deps.now()))
            await _attach(deps, connection, authority, agreement)
            what = ("authority:modify", authority, authority)
            await insert_change(connection, by, what, rules.audited(current.sheet), _audited(sheet, agreement))


async def set_active(deps: Deps, by: Actor, authority: AuthorityId, active: bool) -> None:
    """Suspend a collectivité, whose accounts are then refused, or let them in again. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        current = await _take(connection, by, authority)
        if by.who is not None and by.who.user.role is Role.ADM:
            raise Forbidden(rules.FORBIDDEN)
        status = str(ACTIVE if active else INACTIVE)
        await move_owned(connection, authority, replace(current.sheet, status=status))
        what = ("authority:resume" if active else "authority:suspend", authority, authority)
        await insert_change(connection, by, what, {"status": current.sheet.status}, {"status": status})


async def set_weight(deps: Deps, by: Actor, authority: AuthorityId, weight: int) -> None:
    """How many turns a collectivité has where another has one, from its next jobs on. Raises Refused."""
    check_weight(weight)
    async with deps.acting(by) as connection:
        await _take(connection, by, authority)
        before = await get_weight(connection, authority)
        await move_weight(connection, authority, weight)
        what = ("authority:weight", authority, authority)
        await insert_change(connection, by, what, {"weight": before}, {"weight": weight})


async def move_to_group(deps: Deps, by: Actor, authority: AuthorityId, group: GroupId | None, on: date) -> None:
    """Put a collectivité in another group, or in none, from this day on; what was before stays. Raises Refused.

    What was planned for this day or a later one is replaced. For those above the groups.
    """
    if by.who is not None and by.who.user.role is not Role.SADM:
        raise Forbidden(rules.FORBIDDEN)
    if on < paris_date(deps.now()):
        raise Refused(IN_THE_PAST)
    async with deps.acting(by) as connection:
        await _take(connection, by, authority)
        if group is not None and await get_group(connection, group) is None:
            raise Refused(rules.NO_GROUP)
        before = await _stays(connection, authority)
        await insert_membership(connection, authority, group, on)
        what = ("authority:move", authority, authority)
        after = await _stays(connection, authority)
        await insert_change(connection, by, what, {"groups": before}, {"groups": after})


async def _stays(connection: Connection, authority: AuthorityId) -> list[object]:
    return [
        [one.group_id, str(one.valid_from), str(one.valid_to) if one.valid_to is not None else None]
        for one in await list_memberships(connection, authority)
    ]


async def _take(connection: Connection, by: Actor, authority: AuthorityId) -> Owned:
    """The collectivité, kept from other administrators; one that the actor does not see is as unknown as none."""
    current = await lock_owned(connection, authority)
    if current is None:
        raise Refused(rules.UNKNOWN)
    if not by.administers(current.owner):
        raise Forbidden(rules.FORBIDDEN)
    return current


async def _check_group(connection: Connection, by: Actor, sheet: Sheet, current: Sheet | None = None) -> None:
    """The group exists; the administrators of a group use the SIREN that it was allowed. Raises Refused."""
    if sheet.group is None or (current is not None and (current.group, current.siren) == (sheet.group, sheet.siren)):
        return
    group = await get_group(connection, sheet.group)
    if group is None:
        raise Refused(rules.NOT_SAVED + rules.SAVE_FAILED)
    limited = by.who is not None and by.who.user.role is Role.GADM
    if limited and not await find_siren(connection, group.id, sheet.siren):
        raise Refused(rules.SIREN_NOT_ALLOWED.format(siren=sheet.siren, group=group.name))


async def _attach(deps: Deps, connection: Connection, authority: AuthorityId, agreement: Body | None) -> None:
    if agreement is None:
        return
    if sniff(agreement.head) != PDF:
        raise Refused(rules.NOT_A_PDF)
    (content,) = await deps.keep(connection, authority, [agreement])
    await move_agreement(connection, authority, content)


def _audited(sheet: Sheet, agreement: Body | None) -> dict[str, object]:
    values = rules.audited(sheet)
    return {**values, "agreement_sha256": agreement.sha256.hex()} if agreement is not None else values


@contextmanager
def _told_of_a_twin() -> Iterator[None]:
    try:
        yield
    except Conflict as error:
        if error.details.get("constraint") != "authority_siren":
            raise
        raise Refused(rules.NOT_SAVED + rules.SIREN_TAKEN) from error
