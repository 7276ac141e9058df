"""What the flows need of the outside, built here and only here: pool, spool, doorbell, remotes, mail, the clock."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tdt.certificates.signers import Signers
from tdt.config import Config, ConfigError
from tdt.crash import REAL_ROUTE
from tdt.db import breakers
from tdt.db.acte_notifications import MAIL_SETTING
from tdt.db.breakers import End, Place
from tdt.db.content import get_content, insert_contents, move_to_archive, stream_content
from tdt.db.migrate import count_pending
from tdt.db.notices import NewNotice, insert_notices
from tdt.db.pool import Connection, Pool, Scope, Use, measure, open_pool, probe, scope_of, transaction
from tdt.db.routes import list_active_routes
from tdt.documents.child import Argument, Children, Limits, Result, Task
from tdt.documents.scratch import Scratch, open_scratch
from tdt.documents.spool import Spool
from tdt.domain.audit import Actor
from tdt.domain.breaker import Asking, Wait, hold, read_sign, spread, wait_for_probe
from tdt.domain.content import Body
from tdt.domain.errors import Forbidden, TdtError
from tdt.domain.ids import AuthorityId, ContentId, NoticeId
from tdt.domain.notice_text import Text
from tdt.domain.routes import RouteKind
from tdt.queue.postgres import PostgresWakeups
from tdt.queue.wakeups import Ring, Wakeups
from tdt.remote import health
from tdt.remote.antivirus import Antivirus
from tdt.remote.dgfip import DgfipClient
from tdt.remote.mailbox import Mailbox
from tdt.remote.mailer import Attachment, Mail, Mailer
from tdt.remote.routes import Remotes

SESSIONS = 100
"""At most; each is opened when it is needed: one for LISTEN, one for each route listened to."""
SCHEMA_BEHIND = (
    "La base n'a pas le schéma de cette version : il lui manque {} migration(s). Exploitant : lancer `tdt migrate`"
    " (systemctl start tdt-migrate)."
)


@dataclass(frozen=True, slots=True)
class Deps:
    """Passed to every flow; nothing in it is looked up at run time."""

    config: Config
    pool: Pool
    sessions: Pool
    """For what is kept open or must never wait: LISTEN, the locks of the routes, the relay to the broker."""
    spool: Spool
    remotes: Remotes
    mailer: Mailer
    children: Children
    """Where documents are worked on."""
    antivirus: Antivirus
    signers: Signers
    pes_signers: Signers
    """Those of a PES may be of more authorities."""
    now: Callable[[], datetime]

    def transaction(self, scope: Scope) -> AbstractAsyncContextManager[Connection]:
        """A transaction that speaks for one authority, or for the system."""
        return transaction(self.pool, scope, self.config.database.wait_seconds)

    def acting(self, by: Actor) -> AbstractAsyncContextManager[Connection]:
        """A transaction that sees what this actor may see: what is of another collectivité is as unknown as nothing."""
        scope = scope_of(by.who.user if by.who is not None else None)
        if scope is None:
            raise Forbidden("Accès refusé")
        return self.transaction(scope)

    async def keep(
        self, connection: Connection, authority: AuthorityId | None, bodies: Sequence[Body]
    ) -> list[ContentId]:
        """Keep bodies in the caller's transaction; with answer_after = "archive", all their bytes are part of it."""
        contents = await insert_contents(connection, authority, bodies)
        if self.config.content.answer_after == "archive":
            for content in contents:
                found = await get_content(connection, content)
                if found is not None and found.spool_name is not None:
                    await move_to_archive(connection, self.spool, found, self.now())
        return contents

    def measure_pool(self) -> Use:
        """How the connections to the database are used."""
        return measure(self.pool)

    async def probe_database(self, seconds: float) -> str:
        """Why the database cannot be used; empty when it can."""
        return await probe(self.pool, seconds)

    async def check_schema(self) -> None:
        """Raise ConfigError unless the database has every migration of this version."""
        async with self.transaction("system") as connection:
            if pending := await count_pending(connection):
                raise ConfigError([SCHEMA_BEHIND.format(pending)])

    async def probe_broker(self, seconds: float) -> str | None:
        """Why the broker cannot be used; empty when it can, None when there is none."""
        if not self.config.queue.url:
            return None
        from tdt.queue.rabbit import probe as probe_rabbit  # noqa: PLC0415 - only where there is a broker

        return await probe_rabbit(self.config.queue.url, seconds)

    async def probe_server(self, address: str, seconds: float) -> str:
        """What keeps one of our processes, by its health address, from serving; empty when nothing does."""
        return await health.ask(address, seconds)

    def stream(self, scope: Scope, content: ContentId) -> AsyncIterator[bytes]:
        """The bytes of a body, wherever they lie."""
        return stream_content(self.pool, self.spool, scope, content)

    async def posted(self, body: Body) -> AsyncIterator[bytes]:
        """The bytes of a body that came in and is not kept yet."""
        if body.spool_name is None:
            yield body.data or b""
            return
        async for chunk in self.spool.read(body.spool_name):
            yield chunk

    def scratch(self) -> AbstractContextManager[Scratch]:
        """A file without a name, for what a child reads or writes."""
        return open_scratch(self.spool.directory)

    async def tell_operators(self, connection: Connection, key: tuple[str, str], text: Text) -> list[NoticeId]:
        """Record a mail for each operator in the caller's transaction; gives those new to `key` (kind, subject).

        None without a mail server: what is wrong is then read in the log, the metrics and `tdt status`.
        """
        if not self.mailer.configured:
            return []
        addresses = dict.fromkeys(one.strip().lower() for one in self.config.mail.operators)
        notices = [NewNotice(None, *key, 0, one, text.title, text.body) for one in addresses]
        return await insert_notices(connection, notices)

    @asynccontextmanager
    async def guarded(self, place: Place) -> AsyncIterator[Asking]:
        """Ask a service that has a breaker, unless it is to be left alone now: raises Held. Outside of transactions.

        A block that ends without having asked says so (`Asking.not_needed`), else it counts as an answer.
        """
        rules = self.config.breaker.rules
        async with self.transaction("system") as connection:
            answer = await breakers.ask(connection, place, self.now(), rules)
        if isinstance(answer, Wait):
            raise hold(place.remote, spread(answer, self.now().microsecond))
        asking = Asking()
        try:
            yield asking
        except TdtError as error:
            await self.note_end(place, End(read_sign(error), answer.probe, error.message), error)
            raise
        await self.note_end(place, End(asking.sign, answer.probe))

    async def note_end(self, place: Place, end: End, error: TdtError | None = None) -> None:
        """Write in its breaker what the end of a try says of a remote; an error waits for the next probe."""
        async with self.transaction("system") as connection:
            breaker = await breakers.note(connection, place, end, self.now(), self.config.breaker.rules)
        wait_for_probe(breaker, error)

    @asynccontextmanager
    async def as_file(self, scope: Scope, content: ContentId) -> AsyncIterator[Scratch]:
        """A body as an open file, for a child."""
        with self.scratch() as scratch:
            async for chunk in self.stream(scope, content):
                await scratch.write(chunk)
            yield scratch

    async def work(
        self,
        task: Task[Argument, Result],
        argument: Argument,
        contents: Sequence[ContentId],
        limits: Limits | None = None,
    ) -> Result:
        """Run a task of a child on these bodies. Raises as Children.run does."""
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(self.as_file("system", content)) for content in contents]
            return await self.children.run(task, argument, [one.descriptor for one in opened], limits)


__all__ = [
    "Attachment",
    "Deps",
    "DgfipClient",
    "Mail",
    "Mailbox",
    "Ring",
    "Wakeups",
    "open_deps",
    "open_wakeups",
    "utc_now",
]


def utc_now() -> datetime:
    """The one clock of the program."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_deps(config: Config) -> AsyncIterator[Deps]:
    """Build what the configuration says, and close it in the end."""
    mails = {MAIL_SETTING: "on" if config.mail.host else "off"}
    pool = await open_pool(config.database.dsn, config.database.pool_size, mails)
    sessions = await open_pool(config.database.dsn, SESSIONS)
    if config.tests.crash_points:
        await _refuse_real_routes(pool, config.database.wait_seconds)
    children = Children(config.documents.concurrency, Limits(config.documents.memory_bytes, config.documents.seconds))
    try:
        yield Deps(
            config=config,
            pool=pool,
            sessions=sessions,
            spool=Spool(Path(config.spool.directory), config.content.inline_bytes),
            remotes=Remotes(config.credentials, config.revocation.timeout),
            mailer=Mailer(config.mail),
            children=children,
            antivirus=Antivirus(config.antivirus),
            signers=Signers(config.server, config.revocation_cache),
            pes_signers=Signers(config.server, config.revocation_cache, config.helios.signature_authorities),
            now=utc_now,
        )
    finally:
        await children.close()
        pool.terminate()
        sessions.terminate()


async def _refuse_real_routes(pool: Pool, wait_seconds: float) -> None:
    """What is for tests only stops the program where anything may leave for the State itself. Raises ConfigError."""
    async with transaction(pool, "system", wait_seconds) as connection:
        routes = [route for kind in RouteKind for route in await list_active_routes(connection, kind)]
    if real := sorted(route.name for route in routes if not route.test):
        raise ConfigError([REAL_ROUTE.format(", ".join(real))])


def open_wakeups(deps: Deps) -> Wakeups:
    """The doorbell of the workers: the broker when one is configured, else Postgres itself."""
    if deps.config.queue.url:
        from tdt.queue.rabbit import RabbitWakeups  # noqa: PLC0415 - only where there is a broker

        return RabbitWakeups(deps.sessions, deps.config.queue, deps.config.database.wait_seconds)
    return PostgresWakeups(deps.sessions)
