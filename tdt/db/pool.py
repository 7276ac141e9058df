"""The pool and the one way to open a transaction: it says for whom, and translates what the driver raises."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import asyncpg

from tdt.domain.authorities import Role, User, is_group_admin_or_super
from tdt.domain.errors import Conflict, Temporary
from tdt.domain.ids import AuthorityId, GroupId


@dataclass(frozen=True, slots=True)
class GroupScope:
    """Speaks for the collectivités that are in this group today."""

    id: GroupId


Scope = AuthorityId | GroupScope | Literal["system"]
Record = Any
"""A row: values by column name (asyncpg carries no types)."""
Pool = Any


class Connection(Protocol):
    """What the SQL functions use of the driver's connection."""

    async def execute(self, query: str, *args: object) -> str: ...

    async def executemany(self, command: str, args: object) -> None: ...

    async def fetch(self, query: str, *args: object) -> list[Record]: ...

    async def fetchrow(self, query: str, *args: object) -> Record | None: ...

    async def fetchval(self, query: str, *args: object) -> Any: ...


RETRY_SECONDS = 0.2

AWAY = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
)
"""What the driver raises when the server is stopped, starting, restarting, a standby, full (connections, memory, disk),
or cut from us."""

UNREACHABLE = (OSError, *AWAY)
"""The same, while connecting: the socket may not even be there."""


def scope_of(user: User | None) -> Scope | None:
    """What somebody may see at most: its collectivité, those of its group for a GADM, all for a SADM.

    None as user: the operator, who sees all. None as scope: an account of no collectivité, which sees nothing.
    """
    if user is None or user.role is Role.SADM:
        return "system"
    if is_group_admin_or_super(user) and user.group_id is not None:
        return GroupScope(user.group_id)
    return user.authority_id


async def open_pool(dsn: str, size: int, settings: Mapping[str, str] | None = None) -> Pool:
    """A pool that connects on first use: the program starts while Postgres is still starting.

    `settings` are those of each session, for statements that depend on what the program can do.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        init=_prepare,
        reset=_leave,
        command_timeout=600,
        max_inactive_connection_lifetime=300,
        server_settings=dict(settings or {}),
    )


async def _leave(_connection: Any) -> None:
    """What a transaction set ended with it, so that a round trip to reset its session is spared; session() does it."""


@asynccontextmanager
async def session(pool: Pool) -> AsyncIterator[Any]:
    """A connection for what outlives a transaction (LISTEN, advisory locks): all of it ends with the block."""
    async with pool.acquire() as connection:
        try:
            yield connection
        finally:
            if not connection.is_closed():
                # a connection that is gone must not hide why the block ended, least of all that it was cancelled
                with suppress(*AWAY):
                    await asyncio.shield(connection.reset())


@asynccontextmanager
async def transaction(pool: Pool, scope: Scope, wait_seconds: float = 10.0) -> AsyncIterator[Connection]:
    """A transaction in which row-level security shows what `scope` may see: an authority, those of a group, or all.

    Waits up to `wait_seconds` for a database that is away, then raises Temporary. A unique index that refuses a row
    raises Conflict with details["constraint"].
    """
    connection = await _begin(pool, scope, wait_seconds)
    try:
        yield connection
        await connection.execute("commit")
    except asyncpg.UniqueViolationError as error:
        await _roll_back(connection)
        raise Conflict(str(error), details={"constraint": error.constraint_name}) from error
    except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
        await _roll_back(connection)
        raise Temporary("La base de données a demandé de recommencer.") from error
    except AWAY as error:
        # the driver says so too of a statement that is wrong, and waiting would not correct it
        misused = isinstance(error, asyncpg.InterfaceError) and not _is_gone(connection)
        await _roll_back(connection)
        if misused:
            raise
        # also a commit whose answer was lost: the caller must not say OK, the row may or may not be there
        raise Temporary("La base de données ne répond pas.") from error
    except BaseException:
        await _roll_back(connection)
        raise
    finally:
        await _release(pool, connection)


async def _begin(pool: Pool, scope: Scope, wait_seconds: float) -> Any:
    who = _setting(scope)
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        connection = None
        try:
            connection = await pool.acquire(timeout=max(deadline - asyncio.get_running_loop().time(), 0.1))
            # one round trip: the scope lasts as long as the transaction
            await connection.execute(f"begin; set local tdt.scope = '{who}'")
        except UNREACHABLE as error:
            if connection is not None:
                await _release(pool, connection)
            if asyncio.get_running_loop().time() + RETRY_SECONDS > deadline:
                raise Temporary("La base de données ne répond pas.") from error
            await asyncio.sleep(RETRY_SECONDS)
        except BaseException:
            if connection is not None:
                await _release(pool, connection)
            raise
        else:
            return connection


def _setting(scope: Scope) -> str:
    if isinstance(scope, GroupScope):
        return f"group:{int(scope.id)}"
    return "system" if scope == "system" else str(int(scope))


def _is_gone(connection: Any) -> bool:
    try:
        gone: bool = connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has already taken it back
    return gone


async def _roll_back(connection: Any) -> None:
    """Undo what an open transaction did; a connection that is gone has already undone it."""
    try:
        await asyncio.shield(connection.execute("rollback"))
    except AWAY:
        with suppress(asyncpg.InterfaceError):
            connection.terminate()


async def _release(pool: Pool, connection: Any) -> None:
    with suppress(*AWAY):
        await asyncio.shield(pool.release(connection))


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


def affected(status: str) -> int:
    """Number of rows that a command touched, read in its status line (`UPDATE 3`)."""
    return int(status.rsplit(" ", 1)[-1])


def as_record(row: Any) -> Record:
    """The one row of a statement that always gives one."""
    if row is None:
        raise RuntimeError("a statement that always returns a row returned none")
    return row
