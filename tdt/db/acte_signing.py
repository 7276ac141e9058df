"""The files of an act while it waits for its signature: the only ones that ever change."""

from tdt.db.pool import Connection
from tdt.domain.ids import ActeFileId, ContentId

SIGN = "update acte_file set signature = $2 where id = $1"


async def move_signature(connection: Connection, file: ActeFileId, signature: str) -> None:
    """Keep the detached signature of a document."""
    await connection.execute(SIGN, file, signature)


REWRITE = "update acte_file set content_id = $2, size = $3 where id = $1 and position = 0"


async def move_message(connection: Connection, file: ActeFileId, content: ContentId, size: int) -> None:
    """The message of an act now says who signed; the one before stays in `content`."""
    await connection.execute(REWRITE, file, content, size)
