"""What the flows need of the outside, built here and only here: pool, spool, doorbell, ways to the State, the clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tdt.config import Config
from tdt.db.content import stream_content
from tdt.db.pool import Connection, Pool, Scope, open_pool, transaction
from tdt.documents.spool import Spool
from tdt.domain.ids import ContentId
from tdt.queue.postgres import PostgresWakeups
from tdt.queue.wakeups import Ring, Wakeups
from tdt.remote.dgfip import DgfipClient
from tdt.remote.routes import Remotes


@dataclass(frozen=True, slots=True)
class Deps:
    """Passed to every flow; nothing in it is looked up at run time."""

    config: Config
    pool: Pool
    spool: Spool
    remotes: Remotes
    now: Callable[[], datetime]

    def transaction(self, scope: Scope) -> AbstractAsyncContextManager[Connection]:
        """A transaction that speaks for one authority, or for the system."""
        return transaction(self.pool, scope, self.config.database.wait_seconds)

    def stream(self, scope: Scope, content: ContentId) -> AsyncIterator[bytes]:
        """The bytes of a body, wherever they lie."""
        return stream_content(self.pool, self.spool, scope, content)


__all__ = ["Deps", "DgfipClient", "Ring", "Wakeups", "open_deps", "open_wakeups", "utc_now"]


def utc_now() -> datetime:
    """The one clock of the program."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_deps(config: Config) -> AsyncIterator[Deps]:
    """Build what the configuration says, and close it in the end."""
    pool = await open_pool(config.database.dsn, config.database.pool_size)
    try:
        yield Deps(
            config=config,
            pool=pool,
            spool=Spool(Path(config.spool.directory), config.content.inline_bytes),
            remotes=Remotes(config.credentials),
            now=utc_now,
        )
    finally:
        pool.terminate()


def open_wakeups(deps: Deps) -> Wakeups:
    """The doorbell of the workers: the broker when one is configured, else Postgres itself."""
    if deps.config.queue.url:
        from tdt.queue.rabbit import RabbitWakeups  # noqa: PLC0415 - 60 ms and 8 MB for those who have a broker

        return RabbitWakeups(deps.pool, deps.config.queue, deps.config.database.wait_seconds)
    return PostgresWakeups(deps.pool)
