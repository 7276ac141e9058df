"""What the flows need of the outside, built here and only here: pool, spool, doorbell, remotes, mail, the clock."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tdt.certificates.signers import Signers
from tdt.config import Config
from tdt.db.acte_notifications import MAIL_SETTING
from tdt.db.content import get_content, insert_contents, move_to_archive, stream_content
from tdt.db.pool import Connection, Pool, Scope, open_pool, scope_of, transaction
from tdt.documents.child import Argument, Children, Limits, Result, Task
from tdt.documents.scratch import Scratch, open_scratch
from tdt.documents.spool import Spool
from tdt.domain.audit import Actor
from tdt.domain.content import Body
from tdt.domain.errors import Forbidden
from tdt.domain.ids import AuthorityId, ContentId
from tdt.queue.postgres import PostgresWakeups
from tdt.queue.wakeups import Ring, Wakeups
from tdt.remote.antivirus import Antivirus
from tdt.remote.dgfip import DgfipClient
from tdt.remote.mailbox import Mailbox
from tdt.remote.mailer import Attachment, Mail, Mailer
from tdt.remote.routes import Remotes

SESSIONS = 100
"""At most; each is opened when it is needed: one for LISTEN, one for each route listened to."""


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


def open_wakeups(deps: Deps) -> Wakeups:
    """The doorbell of the workers: the broker when one is configured, else Postgres itself."""
    if deps.config.queue.url:
        from tdt.queue.rabbit import RabbitWakeups  # noqa: PLC0415 - only where there is a broker

        return RabbitWakeups(deps.sessions, deps.config.queue, deps.config.database.wait_seconds)
    return PostgresWakeups(deps.sessions)
