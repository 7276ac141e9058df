"""Hold a flow, a collectivité or a module before it leaves, and release it: by suspensions, the one mechanism there is.

A flow is held under its lock, as its sending is decided: it is told that it is leaving, or it does not leave. What is
held at large is looked at by each sender right before its first byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tdt.db import actes as actes_db
from tdt.db import attempts as attempts_db
from tdt.db import conventions as db
from tdt.db import helios as helios_db
from tdt.db.acte_letters import find_acknowledgement
from tdt.db.audit import insert_change
from tdt.db.authorities import get_authority
from tdt.db.pool import Connection
from tdt.db.uncertain import count_open
from tdt.deps import Deps
from tdt.domain import holds as rules
from tdt.domain.actes.status import STATUS_LABELS as ACTE_LABELS
from tdt.domain.audit import Actor
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Suspension
from tdt.domain.errors import Refused
from tdt.domain.helios.status import STATUS_LABELS as HELIOS_LABELS
from tdt.domain.holds import Target
from tdt.domain.ids import ActeId, AuthorityId, HeliosId

MODULES = (Module.ACTES, Module.HELIOS)


@dataclass(frozen=True, slots=True)
class Held:
    """What was held or released: suspensions by module, and how many sendings had begun already and go on."""

    suspensions: Mapping[Module, int]
    begun: int = 0


async def hold(deps: Deps, by: Actor, target: Target, reason: str) -> Held:
    """Nothing of the target leaves until it is released. Raises Refused."""
    _check_reason(reason)
    today = paris_date(deps.now())
    async with deps.acting(by) as connection:
        authority, modules = await _find(deps, connection, target, to_hold=True)
        made = {}
        for module in modules:
            known = await db.lock_holds(connection, module, authority, target.flow, today)
            if known:
                if len(modules) == 1:
                    raise Refused(rules.ALREADY.format(target, known[0].reason))
                continue
            new = Suspension(0, module, today, None, reason.strip(), flow=target.flow, everyone=authority is None)
            made[module] = await db.insert_suspension(connection, authority, new)
            what = ("flow:hold", target.flow or made[module], authority)
            after = {"held": str(target), "module": str(module), "suspension": made[module], "reason": reason.strip()}
            await insert_change(connection, by, what, {}, after)
            await _tell(connection, target, new.clause)
        if not made:
            raise Refused(rules.ALREADY.format(target, reason))
        begun = await count_open(connection, authority, [str(one) for one in made]) if target.flow is None else 0
    return Held(made, begun)


async def release(deps: Deps, by: Actor, target: Target, reason: str) -> Held:
    """What was held leaves. Raises Refused when it is not held."""
    _check_reason(reason)
    today = paris_date(deps.now())
    async with deps.acting(by) as connection:
        authority, modules = await _find(deps, connection, target, to_hold=False)
        ended = {}
        for module in modules:
            for one in await db.lock_holds(connection, module, authority, target.flow, today):
                await db.end_suspension(connection, one, today)
                ended[module] = one.id
                before = {
                    "held": str(target),
                    "suspension": one.id,
                    "since": str(one.starts_on),
                    "held_for": one.reason,
                }
                what = ("flow:release", target.flow or one.id, authority)
                await insert_change(connection, by, what, before, {"reason": reason.strip()})
            if module in ended:
                await _tell(connection, target, rules.released(reason.strip()))
                await db.wake_held(connection, authority, module)
        if not ended:
            raise Refused(rules.NOT_HELD.format(target))
    return Held(ended)


async def is_held(deps: Deps, target: Target) -> bool:
    """Whether something is to release."""
    today = paris_date(deps.now())
    async with deps.transaction("system") as connection:
        authority, modules = await _find(deps, connection, target, to_hold=False)
        return any([await db.lock_holds(connection, one, authority, target.flow, today) for one in modules])


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused(rules.NO_REASON)


async def _find(
    deps: Deps, connection: Connection, target: Target, *, to_hold: bool
) -> tuple[AuthorityId | None, tuple[Module, ...]]:
    """Whose it is, and the modules concerned; a flow is kept from its sender. Raises Refused."""
    if target.authority is not None:
        if await get_authority(connection, target.authority) is None:
            raise Refused(rules.UNKNOWN.format(target))
        return target.authority, MODULES
    assert target.module is not None
    if target.flow is None:
        return None, (target.module,)
    take = _take_acte if target.module is Module.ACTES else _take_flow
    return await take(deps, connection, target, to_hold), (target.module,)


async def _take_acte(deps: Deps, connection: Connection, target: Target, to_hold: bool) -> AuthorityId:
    number = ActeId(target.flow or 0)
    acte = await actes_db.get_transaction(connection, number)
    if acte is None:
        raise Refused(rules.UNKNOWN.format(target))
    envelope = await find_acknowledgement(connection, number) or acte.envelope_id
    await actes_db.lock_envelope(connection, envelope)
    acte = await actes_db.lock_transaction(connection, number) or acte
    if to_hold and acte.status not in rules.MAY_BE_HELD_ACTES:
        raise Refused(rules.LEFT.format(target, int(acte.status), ACTE_LABELS[acte.status]))
    attempts = await attempts_db.list_attempts(connection, actes_db.ENVELOPE, envelope)
    window = timedelta(seconds=deps.config.actes.uncertain_seconds)
    if to_hold and rules.is_sending(attempts, deps.now(), window):
        raise Refused(rules.LEAVING.format(target))
    return acte.authority_id


async def _take_flow(deps: Deps, connection: Connection, target: Target, to_hold: bool) -> AuthorityId:
    flow = await helios_db.lock_transaction(connection, HeliosId(target.flow or 0))
    if flow is None:
        raise Refused(rules.UNKNOWN.format(target))
    if to_hold and flow.status not in rules.MAY_BE_HELD_HELIOS:
        raise Refused(rules.LEFT.format(target, int(flow.status), HELIOS_LABELS[flow.status]))
    attempts = await attempts_db.list_attempts(connection, helios_db.OBJECT, flow.id)
    window = timedelta(seconds=deps.config.helios.uncertain_seconds)
    if to_hold and rules.is_sending(attempts, deps.now(), window):
        raise Refused(rules.LEAVING.format(target))
    return flow.authority_id


async def _tell(connection: Connection, target: Target, words: str) -> None:
    """The client reads it in the workflow of its flow; those of a collectivité read it when their turn comes."""
    if target.flow is None:
        return
    if target.module is Module.ACTES:
        acte = await actes_db.get_transaction(connection, ActeId(target.flow))
        if acte is not None:
            await actes_db.insert_note(connection, acte, words)
        return
    flow = await helios_db.get_transaction(connection, HeliosId(target.flow))
    if flow is not None:
        await helios_db.insert_note(connection, flow, words)
