"""The pool and the one way to open a transaction: it says for whom, and translates what the driver raises."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import asyncpg

from tdt.config import ConfigError
from tdt.db import known_types
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
SILENT = "10min"
"""A transaction that says nothing for so long ends by itself: its process is frozen, or cut from the server, which
would keep its locks for hours. Longer than anything waits for a remote in a transaction."""
SOON_SILENT = "60s"
"""The same where others wait and nothing but the database is asked: for `set_config`, in the statement that locks."""
ALIVE = {"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""A machine that vanished is noticed by the server within half a minute, not two hours: the advisory locks of its
sessions are then another's (it alone listened to a route)."""

AWAY = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
)
"""What the driver raises when the server is stopped, starting, restarting, a standby, full (connections, memory, disk),
or cut from us; or when it has given a transaction up of which it heard nothing for too long."""

UNREACHABLE = (OSError, *AWAY)
"""The same, while connecting: the socket may not even be there."""

REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""There, but not for us: unknown role, wrong password, unknown database. Waiting would not correct the setting."""


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
        connection_class=known_types.Connection,
        min_size=0,
        max_size=size,
        init=_prepare,
        reset=_leave,
        command_timeout=600,
        max_inactive_connection_lifetime=300,
        server_settings=ALIVE | dict(settings or {}),
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
    raises Conflict with details["constraint"]; a database that does not know us, ConfigError.
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


_waiting: Counter[int] = Counter()
"""Of each pool, by its identity, how many ask for a connection now."""


@dataclass(frozen=True, slots=True)
class Use:
    """A pool: connections opened, those that serve nobody, the most there may be, how many wait for one."""

    size: int
    idle: int
    most: int
    waiting: int


def measure(pool: Pool) -> Use:
    """How it is used now."""
    return Use(pool.get_size(), pool.get_idle_size(), pool.get_max_size(), _waiting[id(pool)])


async def _acquire(pool: Pool, seconds: float) -> Any:
    key = id(pool)
    _waiting[key] += 1
    try:
        return await pool.acquire(timeout=seconds)
    finally:
        _waiting[key] -= 1
        if not _waiting[key]:
            del _waiting[key]


async def probe(pool: Pool, seconds: float) -> str:
    """Why the database cannot be used, in one line; empty when it can."""
    try:
        async with asyncio.timeout(seconds):
            connection = await pool.acquire()
            try:
                await connection.fetchval("select 1")
            finally:
                await _release(pool, connection)
    except TimeoutError:
        return f"pas de réponse en {seconds:g} s"
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


BEGIN = "begin; set local tdt.scope = '{}'; set local idle_in_transaction_session_timeout = '" + SILENT + "'"


async def _begin(pool: Pool, scope: Scope, wait_seconds: float) -> Any:
    who = _setting(scope)
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        connection = None
        try:
            connection = await _acquire(pool, max(deadline - asyncio.get_running_loop().time(), 0.1))
            # one round trip: the scope lasts as long as the transaction
            await connection.execute(BEGIN.format(who))
        except UNREACHABLE as error:
            if connection is not None:
                await _release(pool, connection)
            if asyncio.get_running_loop().time() + RETRY_SECONDS > deadline:
                raise Temporary("La base de données ne répond pas.") from error
            await asyncio.sleep(RETRY_SECONDS)
        except REFUSED as error:
            raise ConfigError([f"[database] dsn : la base de données refuse la connexion : {error}"]) from error
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
