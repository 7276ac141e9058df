"""The PES_Retour of each collectivité, and whether it has read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.ids import AuthorityId, ContentId, HeliosRetourId, ReceivedId


@dataclass(frozen=True, slots=True)
class Retour:
    """A PES_Retour. `status`: 0 not read, 1 read."""

    id: HeliosRetourId
    authority_id: AuthorityId
    received_id: ReceivedId
    content_id: ContentId
    name: str
    siret: str
    typ_fic: str
    status: int
    received_at: datetime
    read_at: datetime | None


COLUMNS = "id, authority_id, received_id, content_id, name, siret, typ_fic, status, received_at, read_at"

INSERT = """
    insert into helios_retour (authority_id, received_id, content_id, name, siret, typ_fic)
    values ($1, $2, $3, $4, $5, $6)
    on conflict (received_id) do update set authority_id = excluded.authority_id returning id"""


@dataclass(frozen=True, slots=True)
class NewRetour:
    """What is known of a PES_Retour when its collectivité is."""

    authority_id: AuthorityId
    received_id: ReceivedId
    content_id: ContentId
    name: str
    siret: str
    typ_fic: str


async def insert_retour(connection: Connection, new: NewRetour) -> HeliosRetourId:
    """Give a PES_Retour to a collectivité; one that is given again (by an operator) keeps its number."""
    return HeliosRetourId(
        await connection.fetchval(
            INSERT, new.authority_id, new.received_id, new.content_id, new.name, new.siret, new.typ_fic
        )
    )


async def get_retour(connection: Connection, retour: HeliosRetourId) -> Retour | None:
    """A PES_Retour visible to the scope, or None."""
    row = await connection.fetchrow(f"select {COLUMNS} from helios_retour where id = $1", retour)
    return Retour(**row) if row is not None else None


UNREAD = f"select {COLUMNS} from helios_retour where authority_id = $1 and status = 0 order by id"


async def list_unread(connection: Connection, authority: AuthorityId) -> Sequence[Retour]:
    """What a collectivité has not read yet, the oldest first."""
    return [Retour(**row) for row in await connection.fetch(UNREAD, authority)]


MARK = """
    update helios_retour set status = $2, read_at = case when $2 = 1 then now() end where id = $1 and status <> $2"""


async def move_read(connection: Connection, retour: HeliosRetourId, read: bool) -> bool:
    """Say that a PES_Retour has been read, or has not; False when it was so already."""
    return affected(await connection.execute(MARK, retour, int(read))) == 1


async def delete_retour(connection: Connection, received: ReceivedId) -> None:
    """Take a PES_Retour, and what was read in it, back from the collectivité that was given it by mistake."""
    number = await connection.fetchval("select id from helios_retour where received_id = $1", received)
    for statement in (
        "delete from helios_retour_piece where retour_id = $1",
        "delete from helios_retour_summary where retour_id = $1",
        "delete from helios_retour where id = $1",
    ):
        await connection.execute(statement, number)
