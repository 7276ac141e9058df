"""The DGFiP over Passtrans SFTP: metadata in the remote name, uploads under a temporary name then renamed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from stat import S_ISDIR
from typing import TypeVar

import asyncssh

from tdt.domain.errors import Temporary, Uncertain
from tdt.domain.helios.model import Metadata
from tdt.domain.helios.naming import remote_name
from tdt.remote.dgfip import (
    UNKNOWN_SIZE,
    DgfipTarget,
    RemoteFile,
    check_size,
    is_plain_name,
    remote_path,
    temporary_path,
)
from tdt.remote.errors import SETTINGS, Progress, Remote, settings_read, translated

SERVICE = "DGFiP (SFTP)"

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
            if not self._target.renames:
                await self._upload(final, size, _marking(chunks, progress))
                return f"déposé sous {visible}"
            try:
                await self._upload(part, size, chunks)
                progress.sent = True
                await self._rename(part, final)
            except (asyncssh.SFTPError, Temporary, Uncertain) as error:
                if not isinstance(error, _LOST):
                    with suppress(asyncssh.Error, OSError):
                        await asyncio.wait_for(self._sftp.remove(part), LEAVE_SECONDS)
                if isinstance(error, Uncertain):  # whatever is there was not under its name
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

    async def _rename(self, part: str, final: str) -> None:
        try:
            await _within(self._sftp.posix_rename(part, final))
        except asyncssh.SFTPOpUnsupported:
            await _within(self._sftp.rename(part, final))

    async def list_received(self) -> list[RemoteFile]:
        with translated(_REMOTE):
            entries = await _within(self._sftp.readdir(self._target.receive_directory or "."))
        files = (_as_file(entry) for entry in entries)
        return sorted((file for file in files if file is not None), key=lambda file: file.name)

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
            try:
                return (await _within(self._sftp.stat(path))).size
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied):
                return None


def _as_file(entry: asyncssh.SFTPName) -> RemoteFile | None:
    name = str(entry.filename)
    directory = entry.attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY or S_ISDIR(entry.attrs.permissions or 0)
    if directory or not is_plain_name(name):
        return None
    return RemoteFile(name, UNKNOWN_SIZE if entry.attrs.size is None else entry.attrs.size)


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
