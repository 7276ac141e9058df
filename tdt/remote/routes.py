"""From a route to a client of it: address from its row, secrets from the files that the configuration names."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from tdt.config import Credentials
from tdt.domain.errors import Permanent, Temporary
from tdt.domain.routes import Route, Transport
from tdt.remote.dgfip import DgfipClient, DgfipTarget, open_dgfip
from tdt.remote.mailbox import INBOX, Mailbox, MailboxTarget, open_mailbox
from tdt.remote.pins import read_pins
from tdt.remote.prefecture import ANSWER_SECONDS, CONNECT_SECONDS, PrefectureTarget, send_archive
from tdt.remote.revocation import fetch

SUCCESS = {"legacy": 200, "dgcl": 201}
"""What a server of the ministry answers to an archive that it takes: the older ones, those of the DGCL since 2025."""


class Remotes:
    """Gives a client by route; secrets are read at each use, so that they can be renewed without a restart."""

    def __init__(self, credentials: Mapping[str, Credentials], revocation_seconds: float = 20.0):
        self._credentials = credentials
        self._revocation_seconds = revocation_seconds

    async def send_archive(
        self,
        route: Route,
        archive: tuple[str, int, Callable[[], AsyncIterator[bytes]]],
        on_rescue: Callable[[Temporary], Awaitable[None]],
    ) -> str:
        """POST an archive (name, size, bytes) to the ministry; gives what it answered. Raises Temporary or Uncertain.

        `on_rescue` is told before the rescue address of the route is tried.
        """
        return await send_archive(self._prefecture(route), *archive, on_rescue)

    async def fetch_revocation(self, url: str, request: bytes | None = None) -> bytes:
        """A revocation list, or the answer to an OCSP request. Raises Temporary."""
        return await fetch(url, self._revocation_seconds, request)

    def mailbox_folders(self, route: Route) -> Sequence[str]:
        """The folders of the mailbox in which the ministry answers on this route. Raises Permanent."""
        settings = _Settings(route)
        folders = settings.value("imap_folders", [settings.text("imap_folder", INBOX)])
        if not isinstance(folders, list) or not folders or not all(isinstance(one, str) and one for one in folders):
            raise Permanent(f"Route « {route.name} » : imap_folders doit être une liste de noms de dossiers.")
        done = settings.text("imap_done_folder", "")
        if done.upper() in {one.upper() for one in folders}:
            raise Permanent(f"Route « {route.name} » : imap_done_folder est l'un des dossiers relevés.")
        return list(dict.fromkeys(folders))

    def open_mailbox(self, route: Route, folder: str) -> AbstractAsyncContextManager[Mailbox]:
        """One folder of that mailbox."""
        return open_mailbox(self._mailbox(route, folder))

    def open_dgfip(self, route: Route) -> AbstractAsyncContextManager[DgfipClient]:
        """A session with the gateway of the DGFiP."""
        return open_dgfip(self._dgfip(route))

    def _prefecture(self, route: Route) -> PrefectureTarget:
        settings, secrets = _Settings(route), self._of(route)
        return PrefectureTarget(
            url=settings.text("url"),
            rescue_url=settings.text("rescue_url", ""),
            accepted_status=frozenset(settings.value("accepted_status", [settings.choice("server", SUCCESS)])),
            certificate=secrets.certificate,
            key=secrets.key,
            authorities=secrets.authorities,
            login=secrets.login,
            password=_read(secrets.password_file),
            authentication=settings.value("authentication", "basic"),
            pins=read_pins(f"Route « {route.name} »", settings.texts("server_certificates")),
            ciphers=settings.text("ciphers", ""),
            connect_seconds=settings.value("connect_seconds", CONNECT_SECONDS),
            answer_seconds=settings.value("answer_seconds", ANSWER_SECONDS),
        )

    def _mailbox(self, route: Route, folder: str) -> MailboxTarget:
        settings, secrets = _Settings(route), self._of(route)
        return MailboxTarget(
            host=settings.text("imap_host"),
            port=settings.value("imap_port", 993),
            tls=settings.value("imap_tls", True),
            login=secrets.mailbox_login,
            password=_read(secrets.mailbox_password_file),
            folder=folder,
            done_folder=settings.text("imap_done_folder", ""),
            authorities=secrets.authorities,
        )

    def _dgfip(self, route: Route) -> DgfipTarget:
        settings, secrets = _Settings(route), self._of(route)
        return DgfipTarget(
            transport=route.transport,
            host=settings.text("host"),
            port=settings.value("port", 22 if route.transport is Transport.PASSTRANS_SFTP else 21),
            login=secrets.login,
            password=_read(secrets.password_file),
            send_directory=settings.text("send_directory", ""),
            receive_directory=settings.text("receive_directory", ""),
            use_pasv_address=settings.flag("use_pasv_address") is True,
            known_hosts=secrets.known_hosts,
            authorities=secrets.authorities,
            client_key=secrets.client_key,
            rename=settings.flag("rename"),
            check_size=settings.flag("check_size") is not False,
        )

    def _of(self, route: Route) -> Credentials:
        if not route.credentials:
            return Credentials()
        found = self._credentials.get(route.credentials)
        if found is None:
            raise Permanent(f"La configuration n'a pas de section [credentials.{route.credentials}].")
        return found


class _Settings:
    """The address part of a route, read with a clear fault when a key is missing."""

    def __init__(self, route: Route):
        self._route = route

    def value(self, key: str, default: Any = None) -> Any:
        found = self._route.settings.get(key, default)
        if found is None:
            raise Permanent(f"La route « {self._route.name} » n'a pas de réglage « {key} ».")
        return found

    def text(self, key: str, default: str | None = None) -> str:
        return str(self.value(key, default))

    def flag(self, key: str) -> bool | None:
        """Yes, no, or nothing said."""
        found = self._route.settings.get(key)
        if found is not None and not isinstance(found, bool):
            raise Permanent(f"La route « {self._route.name} » : « {key} » vaut true ou false.")
        return found

    def texts(self, key: str) -> list[str]:
        """One value or several."""
        found = self.value(key, [])
        return [found] if isinstance(found, str) else [str(one) for one in found]

    def choice(self, key: str, choices: Mapping[str, Any]) -> Any:
        """What one of the names stands for; the first when nothing is said."""
        name = self.text(key, next(iter(choices)))
        if name not in choices:
            raise Permanent(f"La route « {self._route.name} » : « {key} » vaut {' ou '.join(choices)}, pas « {name} ».")
        return choices[name]


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Permanent(f"Le fichier de secret {path} est illisible : {error.strerror}") from error
