"""The DGFiP over Passtrans SFTP: metadata in the remote name, uploads under a temporary name then renamed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from stat import S_ISDIR
from typing import TypeVar

import asyncssh

from tdt.domain.errors import OTHER_SIZE, Permanent, Temporary, Uncertain
from tdt.domain.helios.model import Metadata
from tdt.domain.helios.naming import remote_name
from tdt.remote.dgfip import (
    UNKNOWN_SIZE,
    DgfipTarget,
    check_size,
    is_plain_name,
    name_refused,
    named_all_the_same,
    remote_path,
    temporary_path,
)
from tdt.remote.errors import SETTINGS, Progress, Remote, settings_read, translated

SERVICE = "DGFiP (SFTP)"
NAME_TAKEN = f"{SERVICE} : un fichier d'une autre taille porte déjà ce nom, et le serveur ne le remplace pas"

TIMEOUT_SECONDS = 90.0
LEAVE_SECONDS = 5.0

# One block is written or read as several requests in flight, so that a distant server does not cost a round trip each.
BLOCK_BYTES = 1_048_576

# AES first: twice as fast as the library's first choice, chacha20, on processors with AES instructions.
_CIPHERS = (
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "chacha20-poly1305@openssh.com",
)

_LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
_FOR_GOOD = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPOpUnsupported)
"""Refusals that come again however often one asks. The protocol's third, a plain "failure", may be of the moment."""

T = TypeVar("T")


def _refusal(error: Exception) -> str | None:
    """A status of the SFTP server, or a refused login, is a clear "no"; a lost connection is not."""
    if isinstance(error, asyncssh.SFTPError) and not isinstance(error, _LOST):
        return f"{error.code} {error.reason}"[:200]
    if isinstance(error, asyncssh.PermissionDenied | asyncssh.HostKeyNotVerifiable):
        return type(error).__name__
    return None


_REMOTE = Remote(SERVICE, (asyncssh.Error,), _refusal)


@asynccontextmanager
async def open_sftp(target: DgfipTarget) -> AsyncIterator["SftpClient"]:
    """Connect, verify the host key against `known_hosts`, log in by key or password."""
    options = await asyncio.to_thread(_options, target)
    async with AsyncExitStack() as stack:
        with translated(_REMOTE):
            connection = await asyncssh.connect(target.host, target.port, options=options)
            stack.push_async_callback(_leave, connection)
            sftp = await _within(connection.start_sftp_client(path_encoding="latin-1"))
        yield SftpClient(target, sftp)


def _options(target: DgfipTarget) -> asyncssh.SSHClientConnectionOptions:
    if not target.known_hosts:
        # without a list the library would accept any server
        raise Temporary(f"{SERVICE} : aucune clé d'hôte connue dans les réglages", code=SETTINGS)
    with settings_read(SERVICE):
        return asyncssh.SSHClientConnectionOptions(
            config=None,
            known_hosts=asyncssh.import_known_hosts(Path(target.known_hosts).read_text(encoding="utf-8")),
            username=target.login,
            password=target.password or None,
            client_keys=[asyncssh.read_private_key(target.client_key)] if target.client_key else None,
            agent_path=None,
            encryption_algs=_CIPHERS,
            connect_timeout=TIMEOUT_SECONDS,
            login_timeout=TIMEOUT_SECONDS,
            keepalive_interval=TIMEOUT_SECONDS / 3,
        )


async def _leave(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    try:
        await asyncio.wait_for(connection.wait_closed(), LEAVE_SECONDS)
    except TimeoutError:
        connection.abort()


async def _read(file: asyncssh.SFTPClientFile) -> bytes:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        block: bytes = await file.read(BLOCK_BYTES)
    return block


async def _within(answer: Awaitable[T]) -> T:
    return await asyncio.wait_for(answer, TIMEOUT_SECONDS)


class SftpClient:
    """A DgfipClient over one SSH connection."""

    def __init__(self, target: DgfipTarget, sftp: asyncssh.SFTPClient):
        self._target = target
        self._sftp = sftp

    async def send(self, name: str, metadata: Metadata, sha1_hex: str, size: int, chunks: AsyncIterator[bytes]) -> str:
        """With `rename` (the default), the final name appears only complete: before that nothing has been delivered."""
        visible = remote_name(self._target.transport, name, metadata, sha1_hex)
        final = remote_path(self._target.send_directory, visible)
        part = temporary_path(self._target.send_directory, visible)
        with translated(_REMOTE) as progress:
            chunks = progress.own(chunks)
            if not self._target.renames:
                await self._upload(final, size, _marking(chunks, progress))
                return f"déposé sous {visible}"
            try:
                await self._upload(part, size, chunks)
                progress.sent = True
                await self._rename(part, final, size)
            except (asyncssh.SFTPError, Temporary, Uncertain, Permanent) as error:
                if not isinstance(error, _LOST):
                    with suppress(asyncssh.Error, OSError):
                        await asyncio.wait_for(self._sftp.remove(part), LEAVE_SECONDS)
                if isinstance(error, Uncertain) and not progress.sent:  # whatever is there was not under its name
                    raise Temporary(error.message, code=error.code, details=error.details) from error
                raise
        return f"déposé sous {visible}"

    async def _upload(self, path: str, size: int, chunks: AsyncIterator[bytes]) -> None:
        written = 0
        file = await _within(self._sftp.open(path, "wb"))
        try:
            async for block in _blocks(chunks):
                written += len(block)
                await _within(file.write(block))
        finally:
            with suppress(*_LOST, TimeoutError):
                await asyncio.wait_for(file.close(), LEAVE_SECONDS)
        if written != size:
            raise Uncertain(f"{SERVICE} : le fichier lu n'a pas la taille annoncée, envoi abandonné")
        if self._target.check_size:
            check_size(SERVICE, size, (await _within(self._sftp.stat(path))).size)

    async def _rename(self, part: str, final: str, size: int) -> None:
        """A refusal settles it, unless what is there says otherwise. Refused for good, it would be so each time."""
        replaces = True
        try:
            try:
                await _within(self._sftp.posix_rename(part, final))
            except asyncssh.SFTPOpUnsupported:
                replaces = False  # a plain one does not
                await _within(self._sftp.rename(part, final))
        except _LOST:
            raise
        except asyncssh.SFTPError as error:
            reply, seen = str(_refusal(error)), await self._size_of(final)
            if seen == size and await self._size_of(part) is None:
                raise named_all_the_same(SERVICE, reply) from error
            if not replaces and seen not in (None, size):
                details = {"expected": size, "seen": seen, "reply": reply}
                raise Permanent(NAME_TAKEN, code=OTHER_SIZE, details=details) from error
            if isinstance(error, _FOR_GOOD) or (not replaces and seen is not None):
                raise name_refused(SERVICE, reply) from error
            raise

    async def list_received(self) -> set[str]:
        with translated(_REMOTE):
            entries = await _within(self._sftp.readdir(self._target.receive_directory or "."))
        return {str(entry.filename) for entry in entries if is_plain_name(str(entry.filename))}

    async def sizes_of(self, names: Sequence[str]) -> dict[str, int]:
        with translated(_REMOTE):
            # asked together: all of them cost one way there and back
            sizes = await asyncio.gather(*(self._size_of_received(name) for name in names))
        return {name: size for name, size in zip(names, sizes, strict=True) if size is not None}

    async def _size_of_received(self, name: str) -> int | None:
        """None for what is no file or has gone."""
        try:
            seen = await _within(self._sftp.stat(remote_path(self._target.receive_directory, name)))
        except asyncssh.SFTPNoSuchFile:
            return None
        if seen.type == asyncssh.FILEXFER_TYPE_DIRECTORY or S_ISDIR(seen.permissions or 0):
            return None
        return UNKNOWN_SIZE if seen.size is None else seen.size

    async def fetch(self, name: str) -> AsyncIterator[bytes]:
        path = remote_path(self._target.receive_directory, name)
        received = 0
        with translated(_REMOTE):
            file = await _within(self._sftp.open(path, "rb"))
            try:
                size = (await _within(file.stat())).size
                while block := await _read(file):
                    received += len(block)
                    yield block
            finally:
                with suppress(*_LOST, TimeoutError):
                    await asyncio.wait_for(file.close(), LEAVE_SECONDS)
        if size is not None and received != size:
            raise Temporary(f"{SERVICE} : fichier reçu incomplet", details={"expected": size, "received": received})

    async def remove(self, name: str) -> None:
        """Best effort: S2LOW never deletes there, so a server that refuses is no surprise."""
        path = remote_path(self._target.receive_directory, name)
        with translated(_REMOTE):
            try:
                await _within(self._sftp.remove(path))
            except asyncssh.SFTPError as error:
                if isinstance(error, _LOST):
                    raise

    async def find_sent(self, name: str) -> int | None:
        path = remote_path(self._target.send_directory, name)
        with translated(_REMOTE):
            return await self._size_of(path)

    async def _size_of(self, path: str) -> int | None:
        try:
            return (await _within(self._sftp.stat(path))).size
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied):
            return None


async def _marking(chunks: AsyncIterator[bytes], progress: Progress) -> AsyncIterator[bytes]:
    """The same chunks; from the first one on, the file grows under its own name."""
    async for chunk in chunks:
        progress.sent = True
        yield chunk


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of about BLOCK_BYTES."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        if len(pending) >= BLOCK_BYTES:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)
