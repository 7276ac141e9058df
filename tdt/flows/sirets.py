"""Administration of the SIRETs of a collectivité, by which the DGFiP's returns find it: give, take, block, decide."""

from tdt.db.audit import insert_change
from tdt.db.authorities import insert_siret
from tdt.db.authority_admin import Siret, delete_siret, get_owned, list_sirets, lock_siret, move_siret
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.db.sirets import (
    Proposal,
    count_proposals,
    delete_granted,
    find_siren_owner,
    insert_granted,
    lock_proposal,
    move_proposal,
)
from tdt.deps import Deps
from tdt.domain import authority_sheet as rules
from tdt.domain.audit import Actor
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AuthorityId
from tdt.domain.jobs import JobKind
from tdt.domain.siren import is_siren, is_siret

NO_PROPOSAL = "Cette proposition de SIRET n'existe pas."
DECIDED = "Cette proposition de SIRET est déjà acceptée ou refusée."
SHARED = (
    "Ce SIRET, ou son SIREN, est à une autre collectivité (n° {}) : le lui retirer d'abord, ou le partager "
    "(--shared) ; les retours qui le portent iront alors dans la boîte de l'exploitant."
)
SIREN_OWNED = "Ce SIREN est celui d'une collectivité ou lui est déjà accordé (n° {})."
WRONG_SIREN = "Ce numéro n'est pas un SIREN."
NOT_GRANTED = "Ce SIREN n'est pas accordé à cette collectivité."


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


async def accept(deps: Deps, by: Actor, proposal: int, *, shared: bool = False) -> None:
    """Give the collectivité a SIRET that its flows bear. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        found = await _take_proposal(connection, by, proposal)
        if found.holders and not shared:
            raise Refused(SHARED.format(", ".join(map(str, found.holders))))
        await insert_siret(connection, found.authority_id, found.siret)
        await _decide(connection, by, found, "accepted")
        await _read_again(connection, found.authority_id)


async def refuse(deps: Deps, by: Actor, proposal: int) -> None:
    """Propose a SIRET no more. Raises Refused, Forbidden."""
    async with deps.acting(by) as connection:
        await _decide(connection, by, await _take_proposal(connection, by, proposal), "refused")


async def count_waiting(deps: Deps) -> int:
    """How many proposals wait for the operator."""
    async with deps.transaction("system") as connection:
        return await count_proposals(connection)


async def _take_proposal(connection: Connection, by: Actor, proposal: int) -> Proposal:
    if by.who is not None:
        raise Forbidden(rules.FORBIDDEN)
    found = await lock_proposal(connection, proposal)
    if found is None:
        raise Refused(NO_PROPOSAL)
    # a refusal may be thought over; what was given is taken back by `remove`
    if found.state == "accepted":
        raise Refused(DECIDED)
    return found


async def _decide(connection: Connection, by: Actor, found: Proposal, state: str) -> None:
    if found.state == state:
        raise Refused(DECIDED)
    await move_proposal(connection, found.id, state)
    what = ("siret_proposal:" + ("accept" if state == "accepted" else "refuse"), found.id, found.authority_id)
    await insert_change(
        connection, by, what, {"state": found.state}, {"state": state, "siret": found.siret, "flows": found.flows}
    )


async def grant(deps: Deps, by: Actor, authority: AuthorityId, siren: str) -> None:
    """Let the flows of a collectivité bring the SIRETs of a SIREN besides its own. Raises Refused, Forbidden."""
    if by.who is not None:
        raise Forbidden(rules.FORBIDDEN)
    async with deps.acting(by) as connection:
        await _check(connection, by, authority)
        if not is_siren(siren):
            raise Refused(WRONG_SIREN)
        owner = await find_siren_owner(connection, siren)
        if owner is not None:
            raise Refused(SIREN_OWNED.format(owner))
        await insert_granted(connection, authority, siren)
        await insert_change(connection, by, ("siren:grant", authority, authority), {}, {"siren": siren})


async def withdraw(deps: Deps, by: Actor, authority: AuthorityId, siren: str) -> None:
    """Take a SIREN back. Raises Refused, Forbidden."""
    if by.who is not None:
        raise Forbidden(rules.FORBIDDEN)
    async with deps.acting(by) as connection:
        if not await delete_granted(connection, authority, siren):
            raise Refused(NOT_GRANTED)
        await insert_change(connection, by, ("siren:withdraw", authority, authority), {"siren": siren}, {})


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
