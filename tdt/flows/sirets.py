"""Administration of the SIRETs of a collectivité, by which the DGFiP's returns find it: give, take, block."""

from tdt.db.audit import insert_change
from tdt.db.authorities import insert_siret
from tdt.db.authority_admin import Siret, delete_siret, get_owned, list_sirets, lock_siret, move_siret
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain import authority_sheet as rules
from tdt.domain.audit import Actor
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AuthorityId
from tdt.domain.jobs import JobKind
from tdt.domain.siren import is_siret


async def add(deps: Deps, by: Actor, authority: AuthorityId, siret: str) -> None:
    """Give a SIRET to a collectivité; nothing when it has it. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        await _check(connection, by, authority)
        if not is_siret(siret):
            raise Refused(rules.WRONG_SIRET)
        if await insert_siret(connection, authority, siret):
            await insert_change(connection, by, ("siret:add", authority, authority), {}, {"siret": siret})
            await _read_again(connection, authority)


async def remove(deps: Deps, by: Actor, siret: int) -> None:
    """Take a SIRET away: its returns find nobody, until a flow of its collectivité brings it again. Raises Refused."""
    async with deps.acting(by) as connection:
        found = await _take(connection, by, siret)
        await delete_siret(connection, siret)
        before = {"siret": found.siret, "blocked": found.blocked}
        await insert_change(connection, by, ("siret:remove", found.authority_id, found.authority_id), before, {})
        await _read_again(connection, found.authority_id)


async def set_blocked(deps: Deps, by: Actor, siret: int, blocked: bool) -> None:
    """Block a SIRET: it attracts no return and is not learnt again; or let it. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        found = await _take(connection, by, siret)
        await move_siret(connection, siret, blocked)
        what = ("siret:block" if blocked else "siret:unblock", found.authority_id, found.authority_id)
        before, after = ({found.siret: "blocked" if state else "free"} for state in (found.blocked, blocked))
        await insert_change(connection, by, what, before, after)
        await _read_again(connection, found.authority_id)


async def find(deps: Deps, by: Actor, authority: AuthorityId, siret: str) -> int:
    """The row of a SIRET of a collectivité. Raises Refused."""
    async with deps.acting(by) as connection:
        await _check(connection, by, authority)
        found = [one.id for one in await list_sirets(connection, authority) if one.siret == siret]
    if not found:
        raise Refused(rules.NO_SIRET)
    return found[0]


async def _check(connection: Connection, by: Actor, authority: AuthorityId) -> None:
    owned = await get_owned(connection, authority)
    if owned is None:
        raise Refused(rules.NOT_FOUND)
    if not by.administers(owned.owner):
        raise Forbidden(rules.FORBIDDEN)


async def _read_again(connection: Connection, authority: AuthorityId) -> None:
    """The PES_Retour of the box that this change gives an owner: by a job, for who changes it does not see the box."""
    await insert_job(connection, JobKind.HELIOS_REREAD, authority, authority)


async def _take(connection: Connection, by: Actor, siret: int) -> Siret:
    found = await lock_siret(connection, siret)
    if found is None:
        raise Refused(rules.NO_SIRET)
    await _check(connection, by, found.authority_id)
    return found
