"""The DGFiP over FTP: the historical gateway, a plain FTP simulator, and Passtrans in FTPS with explicit TLS."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aioftp
from aioftp.common import SSLSessionBoundContext

from tdt.domain.breaker import NUMBER_OF_ALL
from tdt.domain.errors import Temporary, Uncertain
from tdt.domain.helios.model import Metadata
from tdt.domain.routes import Transport
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
from tdt.remote.errors import Progress, Remote, translated
from tdt.remote.streams import send
from tdt.remote.tls import client_context

SERVICE = "DGFiP (FTP)"

# S2LOW's FTP timeout, applied here to each reply and each block.
TIMEOUT_SECONDS = 90.0
LEAVE_SECONDS = 5.0
BLOCK_BYTES = 262_144
REPLY_LINES = 1_000
"""Of the replies to one command."""
LISTING_BYTES = 1 << 24


def _refusal(error: Exception) -> str | None:
    """A negative reply settles the matter, except 421: the server goes away, whatever it had already taken."""
    if not isinstance(error, aioftp.StatusCodeError):
        return None
    code = error.received_codes[-1]
    return f"{code} {_words(error.info)}" if _is_negative(code) else None


def _is_negative(code: str) -> bool:
    return code[:1] in ("4", "5") and code != "421"


_REMOTE = Remote(SERVICE, (aioftp.AIOFTPException,), _refusal)


class _Client(aioftp.Client):
    """Opens the connections of files in clear, always: their TLS begins once the server has agreed to the command.

    The library would begin it before the command; ProFTPD, vsftpd and others do not answer then.
    """

    _lines = 0

    async def _open_connection(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await asyncio.open_connection(host, port)

    async def command(self, *arguments: Any, **named: Any) -> Any:
        """The library reads replies without end, and raises ValueError on a line that fills its buffer."""
        self._lines = 0
        return await super().command(*arguments, **named)

    async def parse_line(self) -> Any:
        """One line of a reply."""
        self._lines += 1
        if self._lines > REPLY_LINES:
            raise aioftp.AIOFTPException("a reply without end")
        try:
            return await super().parse_line()
        except ValueError as error:
            raise aioftp.AIOFTPException("a reply with a line without end") from error


@asynccontextmanager
async def open_ftp(target: DgfipTarget) -> AsyncIterator["FtpClient"]:
    """Connect (and protect both channels for Passtrans), log in, choose binary."""
    # latin-1 never fails on a reply and gives every byte of a listed name back as it came
    ftp = _Client(
        socket_timeout=TIMEOUT_SECONDS,
        encoding="latin-1",
        trust_server_pasv_ipv4_address=target.use_pasv_address,
    )
    client = FtpClient(target, ftp)
    try:
        await client.log_in()
        yield client
        await client.log_out()
    finally:
        await client.close()


class FtpClient:
    """A DgfipClient over one control connection."""

    def __init__(self, target: DgfipTarget, ftp: aioftp.Client):
        self._target = target
        self._ftp = ftp
        self._passive: tuple[str, ...] = ("pasv", "epsv")

    @property
    def _control(self) -> aioftp.Client:
        """The connection, if it still stands: asyncio's closed TLS transports fail in odd ways when written to."""
        if self._ftp.stream.writer.is_closing():
            raise ConnectionResetError("the control connection is closed")
        return self._ftp

    async def log_in(self) -> None:
        secure = self._target.transport == Transport.PASSTRANS_FTPS
        context = await client_context(SERVICE, self._target.authorities) if secure else None
        with translated(_REMOTE):
            await self._ftp.connect(self._target.host, self._target.port)
            if context is not None:
                await self._ftp.upgrade_to_tls(context)
            self._choose_passive()
            await self._ftp.login(self._target.login, self._target.password)
            await self._control.command("TYPE I", "200")

    def _choose_passive(self) -> None:
        """PASV first over IPv4, as S2LOW's PHP client: the path the real gateway and its firewalls are used to."""
        connection: socket.socket = self._ftp.stream.writer.get_extra_info("socket")
        if connection.family == socket.AF_INET6:
            self._passive = ("epsv",)
        # the connections of files go to the same address, even when the host name has several
        self._ftp.server_host = connection.getpeername()[0]

    async def send(
        self,
        name: str,
        metadata: Metadata,
        sha1_hex: str,  # noqa: ARG002 - the contract's; only Passtrans SFTP writes it into the name
        size: int,
        chunks: AsyncIterator[bytes],
    ) -> str:
        """SITE commands, then STOR; with `rename`, nothing is delivered before the last command."""
        path = remote_path(self._target.send_directory, name)
        part = temporary_path(self._target.send_directory, name)
        with translated(_REMOTE) as progress:
            chunks = progress.own(chunks)
            await self._announce(metadata)
            if self._target.renames:
                stored = await self._store_aside(part, size, chunks)
                reply = f"{stored}, {await self._rename(part, path, size, progress)}"
            else:
                reply = await self._store(path, size, chunks, progress)
        if self._target.check_size:
            check_size(SERVICE, size, await self._seen(path))
        return reply

    async def _store_aside(self, part: str, size: int, chunks: AsyncIterator[bytes]) -> str:
        """Upload under a temporary name: whatever goes wrong, nothing is delivered.

        What a cut left there is written over, or removed for the next try where the server replaces nothing.
        """
        try:
            reply = await self._store(part, size, chunks, Progress())
            if self._target.check_size:
                check_size(SERVICE, size, await self._seen(part))
            return reply
        except (aioftp.StatusCodeError, Temporary, Uncertain) as error:
            await self._remove_part(part)
            if isinstance(error, Uncertain):
                raise Temporary(error.message, code=error.code, details=error.details) from error
            raise

    async def _rename(self, part: str, path: str, size: int, progress: Progress) -> str:
        """A refusal settles it, unless what is there says otherwise. Refused for good, it would be so each time."""
        try:
            await self._control.command(f"RNFR {part}", "350")
            control = self._control
            progress.sent = True
            _, lines = await control.command(f"RNTO {path}", "250")
        except aioftp.StatusCodeError as error:
            refusal = _refusal(error)
            if refusal is None:
                raise
            if progress.sent and await self._seen(path) == size and await self._seen(part) is None:
                raise named_all_the_same(SERVICE, refusal) from error
            await self._remove_part(part)
            if refusal.startswith("5") and not refusal.startswith(NUMBER_OF_ALL):
                raise name_refused(SERVICE, refusal) from error
            raise
        return f"250 {_words(lines)}"

    async def _remove_part(self, part: str) -> None:
        with suppress(OSError, EOFError, aioftp.AIOFTPException):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._control.command(f"DELE {part}", "xxx")

    async def _store(self, path: str, size: int, chunks: AsyncIterator[bytes], progress: Progress) -> str:
        """Upload; gives the words of a positive reply."""
        _, writer = await self._open_data(f"STOR {path}", upload=True)
        complete = False
        try:
            complete = await _copy(chunks, size, writer, progress)
        finally:
            _end_upload(writer, complete)
        code, lines = await self._control.command(None, "xxx", "1xx")
        return _judge(code, _words(lines), complete)

    async def _seen(self, path: str) -> int | None:
        """The size that the server shows for what it has just taken. Its reply stands whatever becomes of this look."""
        try:
            return await self._size(path)
        except (OSError, EOFError, aioftp.AIOFTPException):
            return None

    async def _announce(self, metadata: Metadata) -> None:
        """Lower-case `site` before each PUT and a reply 200, as S2LOW; its simulator mode does not read the reply."""
        values = {"P_DEST": metadata.p_dest, "P_APPLI": metadata.p_appli, "P_MSG": metadata.p_msg}
        if self._target.transport == Transport.PASSTRANS_FTPS:
            commands = ["site meta " + ";".join(f"{key}={value}" for key, value in values.items())]
        else:
            commands = [f"site {key} {value}" for key, value in values.items()]
        expected = "xxx" if self._target.transport == Transport.FTP_SIMULATOR else "200"
        for command in commands:
            await self._control.command(command, expected)

    async def list_received(self) -> set[str]:
        with translated(_REMOTE):
            return await self._list_names()

    async def _list_names(self) -> set[str]:
        directory = self._target.receive_directory
        directory = "./" if directory in ("", ".") else directory
        try:
            reader, writer = await self._open_data(f"NLST {directory}")
        except aioftp.StatusCodeError as error:
            if directory == "./" and error.received_codes[-1] in ("450", "550"):
                return set()  # how several servers say that a directory is empty
            raise
        async with self._incoming(writer):
            listing = bytearray()
            while block := await _read(reader):
                listing += block
                if len(listing) > LISTING_BYTES:
                    raise aioftp.AIOFTPException("a listing without end")
        await self._control.command(None, "2xx", "1xx")
        names = {line.rstrip("\r").rpartition("/")[2] for line in listing.decode("latin-1").split("\n")}
        return {name for name in names if is_plain_name(name)}

    async def sizes_of(self, names: Sequence[str]) -> dict[str, int]:
        with translated(_REMOTE):
            sizes = {name: await self._size(remote_path(self._target.receive_directory, name)) for name in names}
        return {name: size for name, size in sizes.items() if size is not None}

    async def _size(self, path: str) -> int | None:
        code, lines = await self._control.command(f"SIZE {path}", "xxx")
        words = _words(lines)
        if code == "213" and words.isascii() and words.isdigit():
            return int(words)
        if code.startswith("50"):
            return UNKNOWN_SIZE
        if code.startswith("55"):
            return None
        raise aioftp.StatusCodeError(aioftp.Code("213"), aioftp.Code(code), lines)

    async def fetch(self, name: str) -> AsyncIterator[bytes]:
        path = remote_path(self._target.receive_directory, name)
        received = 0
        with translated(_REMOTE):
            size = await self._size(path)
            reader, writer = await self._open_data(f"RETR {path}")
            async with self._incoming(writer):
                while block := await _read(reader):
                    received += len(block)
                    yield block
            await self._control.command(None, "2xx", "1xx")
        if size not in (None, UNKNOWN_SIZE, received):
            raise Temporary(f"{SERVICE} : fichier reçu incomplet", details={"expected": size, "received": received})

    async def remove(self, name: str) -> None:
        """Only in simulator mode: the gateway removes a file itself once it has been downloaded."""
        if self._target.transport != Transport.FTP_SIMULATOR:
            return
        path = remote_path(self._target.receive_directory, name)
        with translated(_REMOTE):
            await self._control.command(f"DELE {path}", ("2xx", "550"))

    async def find_sent(self, name: str) -> int | None:
        path = remote_path(self._target.send_directory, name)
        with translated(_REMOTE):
            size = await self._size(path)
        return None if size == UNKNOWN_SIZE else size

    async def _open_data(
        self, command: str, *, upload: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            reader, writer = await self._control.get_passive_connection("I", self._passive)
        except (ValueError, IndexError, OverflowError) as error:  # the last: a port beyond 65,535
            raise aioftp.AIOFTPException("unreadable reply to PASV or EPSV") from error
        if upload:
            _reset_at_end(writer, True)
        try:
            await self._control.command(command, "1xx")
            await self._protect(writer)
        except BaseException:
            if upload:
                writer.transport.abort()  # the command may have been taken: an end would make an empty file of it
            else:
                await _close(writer)
            raise
        return reader, writer

    async def _protect(self, writer: asyncio.StreamWriter) -> None:
        """TLS as on the control connection, of the same session: servers refuse a stranger's connection by it."""
        control = self._control.stream.writer.get_extra_info("ssl_object")
        if control is None:
            return
        context = SSLSessionBoundContext(ssl.PROTOCOL_TLS_CLIENT, context=control.context, session=control.session)
        name = self._target.host
        await writer.start_tls(context, server_hostname=name, ssl_handshake_timeout=TIMEOUT_SECONDS)

    @asynccontextmanager
    async def _incoming(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """Closes a download. One left midway takes the control connection along: its replies are out of step."""
        try:
            yield
        except BaseException:
            self._ftp.close()
            raise
        finally:
            await _close(writer)

    async def log_out(self) -> None:
        with suppress(OSError, EOFError, aioftp.AIOFTPException):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._control.command("QUIT", "2xx")

    async def close(self) -> None:
        self._ftp.close()
        with suppress(ConnectionError):  # never connected
            await _close(self._ftp.stream.writer)


async def _copy(chunks: AsyncIterator[bytes], size: int, writer: asyncio.StreamWriter, progress: Progress) -> bool:
    """False when the server closed the data connection before the end: its reply may say why."""
    sent = 0
    async for chunk in chunks:
        sent += len(chunk)
        if sent > size:
            break
        progress.sent = True
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await send(writer, chunk)
        except ConnectionError:
            return False
    if sent != size:
        message = f"{SERVICE} : le fichier lu n'a pas la taille annoncée, envoi interrompu"
        raise Uncertain(message) if progress.sent else Temporary(message)
    return True


def _reset_at_end(writer: asyncio.StreamWriter, on: bool) -> None:
    """A closed data connection means "whole file" in FTP: an upload that does not reach its end must be reset instead.

    The kernel is told before the first byte, so that it holds for a process that is killed too.
    """
    with suppress(OSError, AttributeError):
        linger = struct.pack("ii", 1 if on else 0, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _end_upload(writer: asyncio.StreamWriter, complete: bool) -> None:
    if complete:
        _reset_at_end(writer, False)
        writer.close()
    else:
        writer.transport.abort()


def _judge(code: str, text: str, complete: bool) -> str:
    reply = f"{code} {text}"
    if code in ("226", "250") and complete:
        return reply
    if _is_negative(code):
        raise Temporary(f"{SERVICE} : fichier refusé", details={"reply": reply})
    raise Uncertain(f"{SERVICE} : réponse inattendue après l'envoi", details={"reply": reply})


async def _read(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return await reader.read(BLOCK_BYTES)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await writer.wait_closed()
    except (OSError, EOFError):
        writer.transport.abort()


def _words(lines: list[str] | str) -> str:
    text = lines if isinstance(lines, str) else " ".join(line.strip(" -") for line in lines)
    return text[:200]
