"""How an account wants to be told by e-mail: read, and changed by itself or by the operator, with the audit row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tdt.db import notification_wishes as db
from tdt.db.audit import insert_change
from tdt.db.notification_wishes import Preferences
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes.notifications import WISHES, Kind, Mode, addresses
from tdt.domain.audit import Actor
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AccountId, AuthorityId

UNKNOWN = "Ce compte n'existe pas."
HOMELESS = "Ce compte n'appartient à aucune collectivité : aucun acte ne lui est annoncé."
NOT_A_WISH = "Préférence « {kind} » : « {value} » n'est pas immediate, digest ou none."
NOT_REFUSED = "L'adresse {address} n'est pas mise à l'écart pour cette collectivité."


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked for; a kind that is not there stays. `retry`: try the address again that was set aside."""

    wishes: Mapping[Kind, Mode] = field(default_factory=dict)
    retry: bool = False


def read_wishes(said: Mapping[str, str]) -> dict[Kind, Mode]:
    """The wishes of a form or of a command line, what is empty left out. Raises Refused."""
    wishes = {}
    for name, value in said.items():
        if value and value not in WISHES:
            raise Refused(NOT_A_WISH.format(kind=name, value=value))
        if value:
            wishes[Kind(name)] = Mode(value)
    return wishes


async def find(deps: Deps, by: Actor, account: AccountId) -> Preferences:
    """The wishes of an account, for itself or the operator. Raises Refused when there is none."""
    _check_own(by, account)
    async with deps.transaction("system") as connection:
        return await _get(connection, account)


async def change(deps: Deps, by: Actor, account: AccountId, asked: Change) -> Preferences:
    """Record wishes of an account, for what happens from now on. Raises Refused."""
    _check_own(by, account)
    # an account above the collectivités belongs to none, and no narrower scope would see it
    async with deps.transaction("system") as connection:
        await db.lock_account(connection, account)
        before = await _get(connection, account)
        if before.authority_id is None:
            raise Refused(HOMELESS)
        for kind, mode in asked.wishes.items():
            await db.move_wish(connection, (account, before.authority_id), kind, mode)
        if asked.retry:
            await db.delete_refusal(connection, before.authority_id, before.email)
        after = await _get(connection, account)
        what = ("account:notify", account, before.authority_id)
        await insert_change(connection, by, what, _audited(before), _audited(after))
        return after


async def retry_address(deps: Deps, by: Actor, authority: AuthorityId, address: str) -> None:
    """For the operator: try an address again, of an account or of a list. Raises Refused when it is not set aside."""
    wanted = (addresses(address) or [address])[0]
    async with deps.acting(by) as connection:
        known = {(owner, one) for owner, _, one, _, _ in await db.list_refusals(connection)}
        if (authority, wanted) not in known:
            raise Refused(NOT_REFUSED.format(address=wanted))
        await db.delete_refusal(connection, authority, wanted)
        what = ("authority:mail-retry", authority, authority)
        await insert_change(connection, by, what, {"refused": wanted}, {"refused": None})


def _check_own(by: Actor, account: AccountId) -> None:
    if by.who is not None and by.who.user.id != account:
        raise Forbidden("Accès refusé")


async def retry_all(deps: Deps, by: Actor) -> int:
    """For the operator, when it was the mail server that was wrong: try every address again; gives how many."""
    async with deps.acting(by) as connection:
        refusals = await db.list_refusals(connection)
        for authority, _, address, _, reply in refusals:
            await db.delete_refusal(connection, authority, address)
            what = ("authority:mail-retry", authority, authority)
            await insert_change(connection, by, what, {"refused": f"{address} : {reply}"}, {"refused": None})
    return len(refusals)


async def _get(connection: Connection, account: AccountId) -> Preferences:
    found = await db.get_preferences(connection, account)
    if found is None:
        raise Refused(UNKNOWN)
    return found


def _audited(preferences: Preferences) -> dict[str, object]:
    said: dict[str, object] = {str(kind): str(mode) for kind, mode in preferences.wishes.items()}
    return said | {"refused": preferences.refused[1] if preferences.refused is not None else None}
