"""Who may see a flow, and what is said of it."""

from tdt.db.accounts import get_owner
from tdt.db.helios import HeliosTransaction
from tdt.db.pool import Connection
from tdt.domain.audit import Actor
from tdt.domain.authorities import Module, Right, may
from tdt.domain.errors import Forbidden


async def check_view(connection: Connection, by: Actor, flow: HeliosTransaction) -> None:
    """The operator sees all; an account, what it may view. Raises Forbidden."""
    if by.who is None:
        return
    owner = await get_owner(connection, by.who.user.id, flow.account_id, flow.authority_id)
    if not may(by.who, Right.VIEW, Module.HELIOS, owner):
        raise Forbidden("Accès refusé")
