"""Administration of groups: create, rename, suspend, remove, the SIREN that each may use; audited."""

from collections.abc import Sequence
from dataclasses import dataclass

from tdt.db.audit import insert_change
from tdt.db.authorities import insert_group
from tdt.db.groups import (
    Group,
    delete_group,
    delete_siren,
    get_group,
    insert_sirens,
    is_used,
    list_sirens,
    lock_group,
    move_group,
)
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain import authority_sheet as rules
from tdt.domain.accounts import is_super
from tdt.domain.audit import Actor
from tdt.domain.authorities import Role
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import GroupId


@dataclass(frozen=True, slots=True)
class GroupEdit:
    """What changes of a group; None: as it is. `sirens` are allowed to it besides those that it has."""

    name: str | None = None
    active: bool | None = None
    sirens: Sequence[str] = ()


async def create(deps: Deps, by: Actor, name: str, active: bool = True, sirens: Sequence[str] = ()) -> GroupId:
    """Record a group, with the SIREN that it may use. Raises Refused, Forbidden."""
    _check_super(by)
    name = rules.group_name(name)
    try:
        async with deps.acting(by) as connection:
            group = await insert_group(connection, name)
            if not active:
                await move_group(connection, group, name, active)
            await insert_change(connection, by, ("group:create", group, None), {}, {"name": name, "active": active})
            await _allow(connection, by, group, sirens)
    except Conflict as error:
        raise _taken(error) from error
    return group


async def modify(deps: Deps, by: Actor, group: GroupId, edit: GroupEdit) -> Group:
    """Rename, suspend or resume a group, allow it more SIREN. Raises Refused, Forbidden.

    While a group is suspended the accounts of its collectivités are refused.
    """
    _check_super(by)
    try:
        async with deps.acting(by) as connection:
            found = await _take(connection, group)
            new = Group(
                group,
                found.name if edit.name is None else rules.group_name(edit.name),
                found.active if edit.active is None else edit.active,
            )
            await move_group(connection, group, new.name, new.active)
            before, after = ({"name": one.name, "active": one.active} for one in (found, new))
            await insert_change(connection, by, ("group:modify", group, None), before, after)
            await _allow(connection, by, group, edit.sirens)
    except Conflict as error:
        raise _taken(error) from error
    return new


async def remove(deps: Deps, by: Actor, group: GroupId) -> None:
    """Remove a group that no collectivité was ever in and that has no account. Raises Refused, Forbidden."""
    _check_super(by)
    async with deps.acting(by) as connection:
        found = await _take(connection, group)
        if await is_used(connection, group):
            raise Refused(rules.GROUP_NOT_EMPTY)
        before = {"name": found.name, "active": found.active, "sirens": await list_sirens(connection, group)}
        await delete_group(connection, group)
        await insert_change(connection, by, ("group:delete", group, None), before, {})


async def allow(deps: Deps, by: Actor, group: GroupId, sirens: Sequence[str]) -> list[str]:
    """Let the administrators of a group open collectivités of these SIREN; gives those that are new to it.

    For a SADM, or for a GADM in its own group: another one is as unknown as none. Raises Refused, Forbidden.
    """
    # the audit of a group is of no collectivité: no scope but that of the system may write it
    async with deps.transaction("system") as connection:
        await _take_own(connection, by, group)
        return await _allow(connection, by, group, sirens)


async def forbid(deps: Deps, by: Actor, group: GroupId, siren: str) -> None:
    """Take a SIREN from a group; collectivités that exist stay. Raises Refused, Forbidden."""
    async with deps.transaction("system") as connection:
        await _take_own(connection, by, group)
        if not await delete_siren(connection, group, siren):
            raise Refused(rules.SIREN_NOT_OF_GROUP.format(siren))
        await insert_change(connection, by, ("group:forbid_siren", group, None), {"siren": siren}, {})


async def find_sirens(deps: Deps, by: Actor, group: GroupId | None) -> list[str]:
    """The SIREN of a group, ascending: for a GADM its own group whatever is asked; none of an unknown group."""
    if by.who is not None and by.who.user.role is Role.GADM:
        group = by.who.user.group_id
    if group is None:
        return []
    async with deps.acting(by) as connection:
        return await list_sirens(connection, group)


async def _allow(connection: Connection, by: Actor, group: GroupId, sirens: Sequence[str]) -> list[str]:
    new = await insert_sirens(connection, group, sirens) if sirens else []
    if new:
        await insert_change(connection, by, ("group:allow_siren", group, None), {}, {"sirens": new})
    return new


def _check_super(by: Actor) -> None:
    if not is_super(by):
        raise Forbidden(rules.FORBIDDEN)


async def _take(connection: Connection, group: GroupId) -> Group:
    found = await lock_group(connection, group)
    if found is None:
        raise Refused(rules.NO_GROUP)
    return found


async def _take_own(connection: Connection, by: Actor, group: GroupId) -> None:
    if by.who is not None and by.who.user.role not in (Role.SADM, Role.GADM):
        raise Forbidden(rules.FORBIDDEN)
    mine = by.who.user.group_id if by.who is not None and by.who.user.role is Role.GADM else group
    if mine != group or await get_group(connection, group) is None:
        raise Refused(rules.NO_GROUP)


def _taken(error: Conflict) -> Exception:
    return Refused(rules.GROUP_NAME_TAKEN) if error.details.get("constraint") == "authority_group_name" else error
