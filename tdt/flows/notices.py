"""Notices by e-mail: what ends, found and announced once at each threshold, then handed to the mail server."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime

from tdt.certificates.calendar import list_account_endings, list_file_endings
from tdt.crash import Step, reach
from tdt.db import notices as db
from tdt.db.breakers import Place
from tdt.db.pool import Connection
from tdt.deps import Deps, Mail
from tdt.domain.breaker import Remote
from tdt.domain.expiry import Ending, convention_endings, due_threshold, recipients
from tdt.domain.ids import AuthorityId, NoticeId
from tdt.domain.notice_text import write_notice

Due = tuple[Ending, int]
"""What ends, and the threshold reached."""


async def list_certificates(deps: Deps) -> list[Ending]:
    """Every certificate in play, first the one that ends first, then those whose end cannot be told."""
    async with deps.transaction("system") as connection:
        held = await db.list_held_certificates(connection)
    found = await asyncio.to_thread(lambda: [*list_file_endings(deps.config), *list_account_endings(held)])
    return sorted(found, key=lambda one: (one.ends_at is None, one.ends_at or deps.now(), one.kind, one.name))


async def plan(deps: Deps, certificates: Sequence[Ending]) -> int:
    """Record the notices that are due and were not yet, each with the job that sends it; gives how many.

    Any number of workers may do it at any time: one at a time does, and the unique key of `notice` keeps each notice
    single. Nothing is recorded without a mail server: `list_due` tells what would be.
    """
    if not deps.mailer.configured:
        return 0
    async with deps.transaction("system") as connection:
        if not await db.lock_plan(connection):
            return 0
        due = await _due(deps, connection, certificates)
        concerned = {party.authority_id for one, _ in due for party in one.parties if party.authority_id is not None}
        administrators = await db.list_administrators(connection, sorted(concerned))
        told = await db.list_told(connection, [one.subject for one, _ in due])
        new = await asyncio.to_thread(lambda: [*_new_notices(deps, due, administrators, told)])
        return len(await db.insert_notices(connection, new))


async def list_due(deps: Deps, certificates: Sequence[Ending]) -> list[Due]:
    """What would be announced today."""
    async with deps.transaction("system") as connection:
        return await _due(deps, connection, certificates)


async def _due(deps: Deps, connection: Connection, certificates: Sequence[Ending]) -> list[Due]:
    conventions = convention_endings(await db.list_agreements(connection))
    return await asyncio.to_thread(_reached, [*certificates, *conventions], deps.now())


def _reached(endings: Sequence[Ending], now: datetime) -> list[Due]:
    return [(one, threshold) for one in endings if (threshold := due_threshold(one, now)) is not None]


def _new_notices(
    deps: Deps, due: Sequence[Due], administrators: Mapping[AuthorityId, Sequence[str]], told: Set[db.Told]
) -> Iterator[db.NewNotice]:
    now, platform = deps.now(), deps.config.server.public_url
    for ending, threshold in due:
        for address, parties in recipients(ending, administrators, deps.config.mail.operators).items():
            key = (ending.kind.notice, ending.subject, threshold, address)
            if key not in told:
                text = write_notice(ending, ending.parties if parties is None else parties, now, platform)
                owners = {party.authority_id for party in parties or ()}
                owner = owners.pop() if len(owners) == 1 else None
                yield db.NewNotice(owner, *key, text.title, text.body)


async def send(deps: Deps, notice_id: NoticeId) -> None:
    """Hand a notice to the mail server, and note it. Its row is locked meanwhile: no other worker sends it too.

    A crash after the server's answer and before our commit sends it once more, under the same Message-ID.
    """
    async with deps.guarded(Place(Remote.MAIL)) as asking, deps.transaction("system") as connection:
        notice = await db.lock_notice(connection, notice_id)
        if notice is None or notice.sent_at is not None:
            asking.not_needed()
            return
        key = f"tdt.notice.{notice.id}.{notice.created_at:%Y%m%d%H%M%S}"
        await deps.mailer.send(Mail(key, notice.recipient, notice.title, notice.body), deps.now())
        reach(Step.NOTICE_TAKEN)
        await db.move_to_sent(connection, notice.id, deps.now())
