"""Administration of services: create, members, place in the tree, removal; each change with its audit row."""

from tdt.db.account_admin import get_administered
from tdt.db.audit import insert_change
from tdt.db.authorities import get_authority
from tdt.db.pool import Connection
from tdt.db.services import (
    Service,
    count_inside,
    delete_service,
    delete_service_member,
    find_above,
    get_service,
    insert_service,
    insert_service_member,
    lock_tree,
    move_service,
    move_service_name,
)
from tdt.deps import Deps
from tdt.domain.accounts import FORBIDDEN, NO_AUTHORITY, administers
from tdt.domain.audit import Actor
from tdt.domain.authorities import Owner
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.fields import Field, check_fields
from tdt.domain.ids import AccountId, AuthorityId

NAMELESS = "Le nom du service est obligatoire"
KNOWN = "Ce service existe déjà !"
CYCLE = "Un service ne peut être rattaché ni à lui-même, ni à l'un de ceux qui lui sont rattachés."
ELSEWHERE = "Un service ne peut être rattaché qu'à un service de la même collectivité."
NOT_EMPTY = "Le service n'est pas vide : retirez d'abord ses membres et les services qui lui sont rattachés."
NAME_LENGTH = 255


async def create(deps: Deps, by: Actor, authority: AuthorityId | None, name: str, parent: int | None = None) -> int:
    """Record a service of a collectivité, by default that of the actor. Raises Refused, Forbidden."""
    wanted = authority or (by.who.user.authority_id if by.who is not None else None)
    if wanted is None:
        raise Refused(NO_AUTHORITY)
    try:
        async with deps.acting(by) as connection:
            await _check_authority(connection, by, wanted)
            _check_name(name)
            if parent is not None:
                await _check_parent(connection, wanted, parent)
            service = await insert_service(connection, wanted, name, parent)
            after = {"name": name, "parent_id": parent}
            await insert_change(connection, by, ("service:create", service, wanted), {}, after)
    except Conflict as error:
        raise Refused(KNOWN) from error
    return service


async def add_member(deps: Deps, by: Actor, service: int, account: AccountId) -> None:
    """Put an account in a service of its collectivité; nothing changes when it is there. Raises Forbidden."""
    async with deps.acting(by) as connection:
        found = await _take(connection, by, service)
        await _check_account(connection, by, account, found.authority_id)
        if await insert_service_member(connection, service, account, found.authority_id):
            what = ("service:add_member", service, found.authority_id)
            await insert_change(connection, by, what, {}, {"account_id": account})


async def remove_member(deps: Deps, by: Actor, service: int, account: AccountId) -> None:
    """Take an account out of a service; nothing changes when it is not there. Raises Forbidden."""
    async with deps.acting(by) as connection:
        found = await _take(connection, by, service)
        await _check_account(connection, by, account, found.authority_id)
        if await delete_service_member(connection, service, account):
            what = ("service:remove_member", service, found.authority_id)
            await insert_change(connection, by, what, {"account_id": account}, {})


async def move(deps: Deps, by: Actor, service: int, parent: int | None) -> None:
    """Put a service under another one of its collectivité, or at the top. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        found = await _take(connection, by, service)
        if parent is not None:
            await _check_parent(connection, found.authority_id, parent)
            if await find_above(connection, parent, service):
                raise Refused(CYCLE)
        await move_service(connection, service, parent)
        before, after = {"parent_id": found.parent_id}, {"parent_id": parent}
        await insert_change(connection, by, ("service:move", service, found.authority_id), before, after)


async def rename(deps: Deps, by: Actor, service: int, name: str) -> None:
    """Give a service another name. Raises Refused, Forbidden."""
    try:
        async with deps.acting(by) as connection:
            found = await _take(connection, by, service)
            _check_name(name)
            await move_service_name(connection, service, name)
            what = ("service:rename", service, found.authority_id)
            await insert_change(connection, by, what, {"name": found.name}, {"name": name})
    except Conflict as error:
        raise Refused(KNOWN) from error


async def remove(deps: Deps, by: Actor, service: int) -> None:
    """Remove a service that has no member and none under it. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        found = await _take(connection, by, service)
        if await count_inside(connection, service):
            raise Refused(NOT_EMPTY)
        await delete_service(connection, service)
        before = {"name": found.name, "parent_id": found.parent_id}
        await insert_change(connection, by, ("service:delete", service, found.authority_id), before, {})


def _check_name(name: str) -> None:
    if not name:
        raise Refused(NAMELESS)
    if faults := check_fields([Field("Nom du service", name, length=NAME_LENGTH)]):
        raise Refused(faults.rstrip("\n"))


async def _check_authority(connection: Connection, by: Actor, authority: AuthorityId) -> None:
    """Forbidden unless the actor administers this collectivité; its tree is locked."""
    found = await get_authority(connection, authority)
    if found is None or not by.administers(Owner(None, found.id, group_id=found.group_id)):
        raise Forbidden(FORBIDDEN)
    await lock_tree(connection, authority)


async def _take(connection: Connection, by: Actor, service: int) -> Service:
    """The service, its tree locked. An unknown one, or another collectivité's, is forbidden."""
    found = await get_service(connection, service)
    if found is None:
        raise Forbidden(FORBIDDEN)
    await _check_authority(connection, by, found.authority_id)
    locked = await get_service(connection, service)
    if locked is None:
        raise Forbidden(FORBIDDEN)
    return locked


async def _check_parent(connection: Connection, authority: AuthorityId, parent: int) -> None:
    above = await get_service(connection, parent)
    if above is None or above.authority_id != authority:
        raise Refused(ELSEWHERE)


async def _check_account(connection: Connection, by: Actor, account: AccountId, authority: AuthorityId) -> None:
    """Forbidden unless the actor administers the account, and it is of the collectivité of the service."""
    found = await get_administered(connection, account)
    if found is None or found.user.authority_id != authority:
        raise Forbidden(FORBIDDEN)
    if not administers(by, found.owner, found.user.role, found.user.group_id):
        raise Forbidden(FORBIDDEN)
