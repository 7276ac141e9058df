"""A real SMTP server for tests (aiosmtpd), in the test's own loop: it keeps what it takes, and refuses on demand."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult

from tdt.config import Mail
from tests.certificates import TestAuthority
from tests.ports import free_port

LOGIN, PASSWORD = "tdt", "mot de passé"


@dataclass  # no slots: aiosmtpd looks at every attribute, and Python 3.11.2 (Debian 12) fails at `__weakref__`
class MailHost:
    """`taken`: (recipient, message) in their order. `answers`: what is answered to a recipient instead of 250."""

    port: int
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    data_answer: str = ""
    cut_after_data: bool = False
    secured: list[bool] = field(default_factory=list)
    on_taken: Callable[[], None] = lambda: None
    """Called when a message is taken, before its sender knows."""

    @property
    def recipients(self) -> list[str]:
        return [recipient for recipient, _ in self.taken]

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:
        if self.data_answer:
            return self.data_answer
        message = message_from_bytes(envelope.original_content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken += [(recipient, message) for recipient in envelope.rcpt_tos]
        self.secured.append(server.transport.get_extra_info("ssl_object") is not None)
        self.on_taken()
        if self.cut_after_data:
            server.transport.abort()
        return "250 Message accepted"


@asynccontextmanager
async def mail_host(
    tls: Literal["starttls", "tls", "none"] = "none", pki: TestAuthority | None = None, port: int = 0
) -> AsyncIterator[MailHost]:
    """On 127.0.0.1, until the block ends; with TLS it also wants LOGIN and PASSWORD."""
    host = MailHost(port or free_port())
    context = None
    if pki is not None:
        files = pki.server()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.certificate, files.key)
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        with warnings.catch_warnings():
            # it does not know that it is spoken to over TLS from the first byte on
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS", UserWarning)
            return SMTP(
                host,
                loop=loop,
                hostname="mail.test",
                tls_context=context if tls == "starttls" else None,
                require_starttls=tls == "starttls",
                authenticator=_authenticate,
                auth_required=tls != "none",
                auth_require_tls=tls == "starttls",
            )

    server = await loop.create_server(session, "127.0.0.1", host.port, ssl=context if tls == "tls" else None)
    try:
        yield host
    finally:
        server.close()
        await server.wait_closed()


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (LOGIN.encode(), PASSWORD.encode()), handled=False)


def settings(port: int, **others: Any) -> Mail:
    """`[mail]` for this server."""
    values: dict[str, Any] = {
        "host": "localhost",
        "port": port,
        "tls": "none",
        "sender": "tdt@tdt.example",
        "operators": ["exploitant@tdt.example"],
        "timeout": 5.0,
    }
    return Mail(**values | others)
