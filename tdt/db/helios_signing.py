"""A flow that waits for its signature: the signed document takes the place of the deposited one, which is kept."""

from dataclasses import dataclass

from tdt.db.pool import Connection, affected
from tdt.domain.content import Body
from tdt.domain.errors import Conflict
from tdt.domain.ids import ContentId, HeliosId

SIGNED = """
    update helios_transaction
    set unsigned_content_id = content_id, unsigned_sha1 = sha1, content_id = $2, sha1 = $3, size = $4
    where id = $1 and unsigned_content_id is null"""


async def move_signed(connection: Connection, flow: HeliosId, content: ContentId, body: Body) -> None:
    """Put the signed document in place. Conflict (helios_transaction_sha1) when its bytes are known."""
    if affected(await connection.execute(SIGNED, flow, content, body.sha1, body.size)) != 1:
        raise Conflict("Le flux est déjà signé.", details={"helios_id": flow})


@dataclass(frozen=True, slots=True)
class Deposited:
    """What a signed flow was before."""

    content_id: ContentId
    sha1: bytes
    sha256: bytes
    size: int


DEPOSITED = """
    select t.unsigned_content_id as content_id, t.unsigned_sha1 as sha1, c.sha256, c.size
    from helios_transaction t join content c on c.id = t.unsigned_content_id where t.id = $1"""


async def get_deposited(connection: Connection, flow: HeliosId) -> Deposited | None:
    """The document before it was signed here; None of a flow that was not."""
    row = await connection.fetchrow(DEPOSITED, flow)
    return Deposited(**row) if row is not None else None
