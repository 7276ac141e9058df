"""A folder of the mailbox in which the ministry answers, over IMAP: list, fetch, acknowledge, wait for news."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aioimaplib

from tdt.domain.errors import NotFound, Temporary
from tdt.remote.errors import SETTINGS, Remote, translated
from tdt.remote.imap_fetched import read_fetched
from tdt.remote.tls import client_context
from tdt.tasks import end

SERVICE = "Boîte aux lettres du ministère (IMAP)"
_REMOTE = Remote(SERVICE, (aioimaplib.AioImapException,))

TIMEOUT_SECONDS = 60.0
LEAVE_SECONDS = 5.0
GONE = "Ce message n'est plus dans la boîte aux lettres"

# RFC 2177: a server may drop a client that idles 30 minutes.
IDLE_SECONDS = 28 * 60.0

_UIDVALIDITY = re.compile(rb"\[UIDVALIDITY (\d+)\]", re.IGNORECASE)
CHUNK_BYTES = 1 << 20
"""Of a large message, asked for at a time."""

INBOX = "INBOX"
_ANNOUNCED = re.compile(rb"\d+ EXISTS\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MailboxTarget:
    """`done_folder` empty = acknowledged messages are deleted, as S2LOW does. `tls` = implicit TLS (port 993)."""

    host: str
    port: int
    tls: bool
    login: str
    password: str = field(default="", repr=False)
    folder: str = INBOX
    done_folder: str = ""
    authorities: str = ""


@asynccontextmanager
async def open_mailbox(target: MailboxTarget) -> AsyncIterator["Mailbox"]:
    """Connect, log in, select the folder; Temporary when one of these fails, or when the connection is lost later."""
    if any(char in target.login + target.password for char in "\0\r\n"):
        raise Temporary(f"{SERVICE} : identifiants inutilisables", code=SETTINGS)
    context = await client_context(SERVICE, target.authorities) if target.tls else None
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_lost(_: Exception | None) -> None:
        if not lost.done():
            lost.set_result(None)

    client = aioimaplib.IMAP4(
        target.host, target.port, timeout=TIMEOUT_SECONDS, conn_lost_cb=on_lost, ssl_context=context
    )
    mailbox = Mailbox(target, client, lost)
    try:
        await mailbox.log_in()
        yield mailbox
        await mailbox.log_out()
    finally:
        await mailbox.close()


class Mailbox:
    """One selected folder. After an error, leave it and open another one."""

    def __init__(self, target: MailboxTarget, client: Any, lost: asyncio.Future[None]):
        self._target = target
        self._client = client
        self._lost = lost
        self._uidvalidity = ""
        self._listed: set[int] = set()

    async def log_in(self) -> None:
        client, target = self._client, self._target
        with translated(_REMOTE):
            await self._race(client.wait_hello_from_server())
            _accept(await self._race(client.login(aioimaplib.quoted(target.login), target.password)), "connexion")
            # announced again: what a server can do often grows with the login
            await self._race(client.protocol.capability())
            selected = _accept(await self._race(client.select(_folder(target.folder))), "ouverture du dossier")
        found = _UIDVALIDITY.search(b"\n".join(selected))
        if found is None:
            raise Temporary(f"{SERVICE} : dossier sans UIDVALIDITY")
        self._uidvalidity = found.group(1).decode()

    async def log_out(self) -> None:
        with suppress(OSError, aioimaplib.AioImapException):
            await self._race(self._client.logout(), LEAVE_SECONDS)

    async def close(self) -> None:
        client, protocol = self._client, self._client.protocol
        for task in (client._client_task, *client.tasks, *protocol.tasks):
            task.cancel()
        if protocol.transport is None:
            return
        protocol.transport.close()
        await asyncio.wait({self._lost}, timeout=LEAVE_SECONDS)
        if not self._lost.done():
            protocol.transport.abort()

    async def list_new(self) -> list[str]:
        """Keys of every message that has not been acknowledged, oldest first.

        "uidvalidity/uid" in the INBOX, followed by the name of the folder elsewhere.
        """
        with translated(_REMOTE):
            self._listed = await self._search()
        return [self._key(uid) for uid in sorted(self._listed)]

    async def sizes(self, keys: Sequence[str]) -> Mapping[str, int]:
        """How large these messages are, as the server says; those that are no longer there are left out."""
        with translated(_REMOTE):
            command = self._client.uid("FETCH", self._uids(keys), "(UID RFC822.SIZE)")
            lines = _accept(await self._race(command), "lecture")
        return {self._key(one.uid): one.size for one in read_fetched(lines) if one.size is not None}

    async def fetch(self, key: str) -> bytes:
        """One message as received, without marking it seen. NotFound when it is no longer there."""
        found = await self.fetch_all([key])
        if key not in found:
            raise NotFound(GONE, details={"key": key})
        return found[key]

    async def fetch_all(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Messages in one go; those that are no longer there are left out."""
        with translated(_REMOTE):
            # no limit on the whole: the library's own counts from the last bytes received, whatever the size
            command = self._client.uid("FETCH", self._uids(keys), "(UID BODY.PEEK[])")
            lines = _accept(await self._race(command, None), "lecture")
        return {self._key(one.uid): one.body for one in read_fetched(lines) if one.body is not None}

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """A large message, piece by piece. NotFound when it is no longer there."""
        start = 0
        while True:
            with translated(_REMOTE):
                part = f"(UID BODY.PEEK[]<{start}.{CHUNK_BYTES}>)"
                command = self._client.uid("FETCH", self._uids([key]), part)
                lines = _accept(await self._race(command, None), "lecture")
            found = [one for one in read_fetched(lines) if one.body is not None]
            if not found:
                raise NotFound(GONE, details={"key": key})
            body = found[0].body or b""
            if body:
                yield body
            if len(body) != CHUNK_BYTES:
                return
            start += CHUNK_BYTES

    async def acknowledge(self, *keys: str) -> None:
        """Move messages to the done folder, or delete them. Doing it twice does no harm."""
        uids = self._uids(keys)
        with translated(_REMOTE):
            if not self._target.done_folder:
                await self._delete(uids)
            elif self._client.has_capability("MOVE"):
                await self._to_done_folder("MOVE", uids)
            else:
                await self._to_done_folder("COPY", uids)
                await self._delete(uids)

    async def wait(self, seconds: float) -> None:
        """Return when a message arrives that `list_new` has not shown, or after `seconds`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        with translated(_REMOTE):
            while not (await self._search() - self._listed) and (left := end - loop.time()) > 0:
                await self._pause(min(left, IDLE_SECONDS))

    async def _pause(self, seconds: float) -> None:
        """Until the server announces a message, if it can, or the time is over."""
        if not self._client.has_capability("IDLE"):
            await asyncio.wait({self._lost}, timeout=seconds)
            return
        idling = await self._race(self._client.idle_start(seconds + TIMEOUT_SECONDS))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not any(_ANNOUNCED.match(line) for line in await self._race(self._pushed(), None)):
                        pass
        finally:
            if not self._lost.done():
                self._client.idle_done()
        await self._race(asyncio.wait_for(idling, TIMEOUT_SECONDS))

    async def _pushed(self) -> list[bytes]:
        lines: list[bytes] = await self._client.protocol.idle_queue.get()
        return lines

    async def _search(self) -> set[int]:
        # NOOP first: a server may keep quiet about new messages until it is given the occasion
        _accept(await self._race(self._client.noop()), "relève")
        # those marked as deleted too: killed before it expunged them, a process leaves them so
        lines = _accept(await self._race(self._client.uid_search("ALL", charset=None)), "relève")
        return {int(word) for line in lines[:-1] for word in line.split() if word.isdigit() and len(word) <= 20}

    async def _to_done_folder(self, command: str, uid: str) -> None:
        folder = _folder(self._target.done_folder)
        response = await self._race(self._client.uid(command, uid, folder))
        if response.result == "NO":
            await self._race(self._client.create(folder))
            response = await self._race(self._client.uid(command, uid, folder))
        _accept(response, "classement")

    async def _delete(self, uid: str) -> None:
        _accept(await self._race(self._client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")), "suppression")
        alone = self._client.has_capability("UIDPLUS")
        expunged = await self._race(self._client.uid("EXPUNGE", uid) if alone else self._client.expunge())
        _accept(expunged, "suppression")

    def _key(self, uid: int) -> str:
        folder = self._target.folder
        return f"{self._uidvalidity}/{uid}" + ("" if folder.upper() == INBOX else f"/{folder}")

    def _uids(self, keys: Iterable[str]) -> str:
        """After a change of UIDVALIDITY (RFC 3501 §2.3.1.1) the same number means another message: never touch it."""
        numbers = []
        for key in keys:
            uid = key.partition("/")[2].partition("/")[0]
            if not uid.isdigit() or key != self._key(int(uid)):
                raise NotFound(GONE, details={"key": key})
            numbers.append(int(uid))
        return _set_of(numbers)

    async def _race(self, call: Coroutine[Any, Any, Any], seconds: float | None = TIMEOUT_SECONDS) -> Any:
        """The library leaves commands waiting when the connection is lost: watch both."""
        if self._lost.done():
            call.close()
            raise ConnectionResetError("connection lost")
        task = asyncio.ensure_future(call)
        try:
            await asyncio.wait({task, self._lost}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if self._lost.done():
                raise ConnectionResetError("connection lost")
            raise TimeoutError
        finally:
            await end(task)


def _set_of(uids: Iterable[int]) -> str:
    """A set of IMAP, in ranges: thousands of numbers would make a line that servers refuse."""
    ranges: list[list[int]] = []
    for uid in sorted(set(uids)):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in ranges)


def _accept(response: Any, step: str) -> list[bytes]:
    lines: list[bytes] = response.lines
    if response.result == "OK":
        return lines
    reply = bytes(lines[-1]).decode("utf-8", "replace")[:200] if lines else ""
    raise Temporary(f"{SERVICE} : {step} refusée", details={"reply": f"{response.result} {reply}"})


def _folder(name: str) -> str:
    """A folder name on the wire: modified UTF-7 (RFC 3501 §5.1.3), quoted."""

    def encode(match: re.Match[str]) -> str:
        text = base64.b64encode(match.group().encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
        return f"&{text}-"

    quoted: str = aioimaplib.quoted(re.sub(r"[^\x20-\x7e]+", encode, name.replace("&", "&-")))
    return quoted
