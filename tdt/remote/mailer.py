"""Mail that we send, over SMTP: one message to one recipient, with the same Message-ID however often it is tried."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

import aiosmtplib

from tdt import config
from tdt.domain.errors import Permanent, Temporary
from tdt.domain.text import is_email
from tdt.remote.errors import SETTINGS, Remote, translated
from tdt.remote.tls import client_context

SERVICE = "Serveur de courrier (SMTP)"
EXCHANGES = 6
"""Each answer of the server may take the time set; all of them together not more than so many times it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a mail."""

    name: str
    mimetype: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A text to one recipient. `key` makes the Message-ID: the same for each try, so that a double can be seen."""

    key: str
    recipient: str
    title: str
    body: str
    attachments: tuple[Attachment, ...] = ()


class Mailer:
    """Sends by the server of `[mail]`; password and authorities are read at each use."""

    def __init__(self, settings: config.Mail):
        self._settings = settings

    @property
    def configured(self) -> bool:
        """Is there a server at all?"""
        return bool(self._settings.host)

    async def send(self, mail: Mail, now: datetime) -> None:
        """Hand a message over.

        Temporary: surely not taken. Permanent: refused for good, the recipient (details["recipient"]) or the message.
        Uncertain: the connection was lost on the way, and the next try may repeat it.
        """
        if not is_email(mail.recipient):
            text = f"{SERVICE} : adresse de destinataire inutilisable"
            raise Permanent(text, code="DESTINATAIRE_REFUSE", details={"recipient": True})
        message = await asyncio.to_thread(self._message, mail, now)
        client = await self._client()
        with translated(_REMOTE) as progress:
            try:
                async with asyncio.timeout(EXCHANGES * self._settings.timeout):
                    await client.connect()
                    progress.sent = True
                    await _deliver(client, self._settings.sender, mail.recipient, message)
            finally:
                client.close()

    async def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        if not settings.host:
            raise Temporary(f"{SERVICE} : aucun serveur dans les réglages", code=SETTINGS)
        secured = settings.tls != "none"
        context = await client_context(SERVICE, settings.authorities) if secured else None
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.login or None,
            password=self._password() if settings.login else None,
            # the library would ask the resolver for our own name, and wait for it
            local_hostname=settings.sender.rpartition("@")[2],
            timeout=settings.timeout,
            use_tls=settings.tls == "tls",
            # said, not left to what the server offers: it never falls back to clear text
            start_tls=settings.tls == "starttls",
            tls_context=context,
        )

    def _password(self) -> str:
        try:
            return Path(self._settings.password_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise Temporary(f"{SERVICE} : identifiants inutilisables", code=SETTINGS) from error

    def _message(self, mail: Mail, now: datetime) -> bytes:
        sender = self._settings.sender
        message = EmailMessage(SMTP)
        try:
            message["From"] = Address(addr_spec=sender)
            message["To"] = Address(addr_spec=mail.recipient)
            subject = _subject(mail.title)
        except ValueError as error:
            raise Permanent(f"{SERVICE} : message impossible à composer", code="DESTINATAIRE_REFUSE") from error
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{mail.key}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.body, cte="quoted-printable")
        for one in mail.attachments:
            main, _, sub = one.mimetype.partition("/")
            message.add_attachment(one.data, maintype=main, subtype=sub, filename=one.name)
        return subject + message.as_bytes()


def _subject(title: str) -> bytes:
    """The header, encoded as a whole: EmailMessage loses the space between two words that it folds apart."""
    if not title.isprintable():
        raise ValueError("a title is one line")
    plain = title.isascii() and "=?" not in title  # which would be read as an encoded word
    text = Header(title, "us-ascii" if plain else "utf-8", header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {text}\r\n".encode("ascii")


async def _deliver(client: aiosmtplib.SMTP, sender: str, recipient: str, message: bytes) -> None:
    try:
        await client.sendmail(sender, [recipient], message)
    except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPDataError) as error:
        of_recipient = isinstance(error, aiosmtplib.SMTPRecipientsRefused)
        refusal = error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error
        if refusal.code >= 500:
            details = {"reply": f"{refusal.code} {refusal.message}", "recipient": of_recipient}
            text = f"{SERVICE} : destinataire ou message refusé ({refusal.code})"
            raise Permanent(text, code="DESTINATAIRE_REFUSE", details=details) from error
        raise refusal from error
    # taken: whatever happens now changes nothing
    with suppress(OSError, aiosmtplib.SMTPException):
        await client.quit()


def _reply(error: Exception) -> str | None:
    return f"{error.code} {error.message}" if isinstance(error, aiosmtplib.SMTPResponseException) else None


_REMOTE = Remote(SERVICE, (aiosmtplib.SMTPException,), _reply)
