"""Mails about what happens to the actes: each sent once, waiting for a server that is down, never for one address."""

from datetime import datetime

import structlog

from tdt.crash import Step, reach
from tdt.db import acte_notifications as db
from tdt.db.breakers import Place
from tdt.db.notices import NewNotice, insert_notices, list_administrators
from tdt.db.pool import Connection
from tdt.deps import Deps, Mail
from tdt.domain.actes.notification_text import write_digest, write_event, write_refused_address
from tdt.domain.breaker import Asking, Remote
from tdt.domain.calendar import paris_date, paris_hour
from tdt.domain.errors import Permanent, Temporary
from tdt.domain.ids import ActeMailId
from tdt.flows.actes_documents.attachments import attach

log = structlog.get_logger()

ADDRESS_REFUSED = "mail.refused"
"""Kind of the notice that says that an address was set aside."""


async def send(deps: Deps, mail_id: ActeMailId) -> None:
    """Hand a mail to the mail server, in three steps: say that it may leave, send it, note that it left.

    Its row is locked while it is sent: no other worker sends it too. A crash between the server's answer and our commit
    leaves a mail of which only the server knows: it is sent once more, under the same Message-ID, and the log says so.
    """
    mail = await _start(deps, mail_id)
    if mail is None:
        return
    reach(Step.MAIL_ANNOUNCED)
    try:
        message = await _compose(deps, mail)
        async with deps.guarded(Place(Remote.MAIL)) as asking:
            await _hand_over(deps, mail_id, message, asking)
    except Temporary:
        # surely not taken: the next try is a first one
        async with deps.transaction("system") as connection:
            await db.move_to_sending(connection, mail_id, mail.sending_at)
        raise


async def _start(deps: Deps, mail_id: ActeMailId) -> db.ActeMail | None:
    """Transaction 1: from now on it may have left. None when nothing is left to send."""
    async with deps.transaction("system") as connection:
        mail = await db.lock_mail(connection, mail_id)
        if mail is None or mail.is_over:
            return None
        reply = await db.get_refusal(connection, mail.authority_id, mail.recipient)
        if reply is not None:
            await db.move_to_refused(connection, mail_id, reply)
            return None
        if mail.sending_at is not None:
            log.warning("acte_notification.sent_again", mail=mail_id, since=mail.sending_at)
        await db.move_to_sending(connection, mail_id, deps.now())
        return mail


async def _hand_over(deps: Deps, mail_id: ActeMailId, message: Mail, asking: Asking) -> None:
    """Transaction 2: send under the lock of the row, and note what became of it."""
    async with deps.transaction("system") as connection:
        mail = await db.lock_mail(connection, mail_id)
        if mail is None or mail.is_over:
            asking.not_needed()
            return
        try:
            await deps.mailer.send(message, deps.now())
        except Permanent as refusal:
            if "reply" not in refusal.details:
                asking.not_needed()  # no server was asked about an address that is none
            await _set_aside(deps, connection, mail, refusal)
        else:
            reach(Step.MAIL_TAKEN)
            await db.move_to_sent(connection, mail_id, deps.now())


async def _set_aside(deps: Deps, connection: Connection, mail: db.ActeMail, refusal: Permanent) -> None:
    """Keep what the server answered. When it refuses the address itself, nothing more is tried on it, and whoever can
    correct it is told, once."""
    reply = str(refusal.details.get("reply", refusal.message))[:500]
    log.warning("acte_notification.refused", mail=mail.id, authority=mail.authority_id, reply=reply)
    await db.move_to_refused(connection, mail.id, reply)
    of_address = bool(refusal.details.get("recipient"))
    if not of_address or not await db.insert_refusal(connection, mail, reply, deps.now()):
        return
    administrators = await list_administrators(connection, [mail.authority_id])
    recipients = {one.lower() for one in (*administrators.get(mail.authority_id, []), *deps.config.mail.operators)}
    text = write_refused_address(mail.recipient, reply, deps.config.server.public_url)
    # one that was lifted and comes back is told again
    subject = f"{mail.authority_id}:{mail.recipient}:{mail.id}"
    notices = [
        NewNotice(mail.authority_id, ADDRESS_REFUSED, subject, 0, one, text.title, text.body)
        for one in sorted(recipients - {mail.recipient})
    ]
    await insert_notices(connection, notices)


async def _compose(deps: Deps, mail: db.ActeMail) -> Mail:
    """The message, the same at each try."""
    async with deps.transaction("system") as connection:
        told = await db.list_told(connection, mail.id)
    if not told:
        raise Permanent("Un courriel n'a rien à dire.", details={"mail_id": mail.id})
    platform = deps.config.server.public_url
    key = f"tdt.acte.{mail.id}.{mail.created_at:%Y%m%d%H%M%S}"
    if mail.day is not None:
        text = write_digest(mail.day, [one.happening for one in told], platform)
        return Mail(key, mail.recipient, text.title, text.body)
    files = await attach(deps, mail, told[0])
    text = write_event(told[0].happening, platform, files.remark)
    return Mail(key, mail.recipient, text.title, text.body, files.attachments)


async def plan_digests(deps: Deps) -> int:
    """Once the hour of the day has struck in Paris: one mail to each address that waits for its digest, with the job
    that sends it; gives how many. Any number of workers may do it at any time, one at a time does.

    What happened before the hour goes with it; a day without anything has none; days missed come together.
    """
    cutoff = digest_cutoff(deps.now(), deps.config.mail.digest_hour)
    if cutoff is None or not deps.mailer.configured:
        return 0
    async with deps.transaction("system") as connection:
        return await db.insert_digests(connection, cutoff)


def digest_cutoff(now: datetime, hour: int) -> datetime | None:
    """The instant of today's digest in Paris; None before it."""
    cutoff = paris_hour(paris_date(now), hour)
    return cutoff if now >= cutoff else None
