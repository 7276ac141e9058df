"""Passtrans over SFTP: the metadata and the sha1 of a file are in its name; a temporary name may come first."""

import asyncio
import os
import posixpath
import re
from pathlib import Path
from typing import Any

import asyncssh

from tdt.simulators.dgfip_intake import Intake, Origin, Upload, UploadRefused, parse_remote_name

TEMPORARY = re.compile(r"\..+|.+\.(tmp|temp|part|partial|filepart)", re.IGNORECASE)
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr")
WINDOW = 64 * 1024 * 1024  # bytes that may arrive ahead of their place


class _Incoming:
    """A file being written; the blocks of a parallel client are put in order before they are digested."""

    def __init__(self, upload: Upload, name: str):
        self.upload = upload
        self.name = name
        self._early: dict[int, bytes] = {}
        self._early_size = 0

    def write(self, offset: int, data: bytes) -> None:
        size = self.upload.writer.size
        if offset < size or self._early_size + len(data) > WINDOW:
            raise asyncssh.SFTPFailure("a file must be written once, from its beginning to its end")
        self._early[offset] = data
        self._early_size += len(data)
        while (chunk := self._early.pop(self.upload.writer.size, None)) is not None:
            self._early_size -= len(chunk)
            if not chunk:
                break
            self.upload.write(chunk)

    @property
    def whole(self) -> bool:
        return not self._early


class PasstransFiles(asyncssh.SFTPServer):
    """One session. Reading and removing are the library's; writing goes through the intake."""

    def __init__(self, channel: Any, intake: Intake):
        self._intake = intake
        peer = channel.get_extra_info("peername")
        self._origin = Origin("sftp", f"{peer[0]}:{peer[1]}")
        super().__init__(channel, chroot=os.fsencode(intake.home))

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if not pflags & asyncssh.FXF_WRITE:
            return super().open(path, asyncssh.FXF_READ, attrs)
        if pflags & (asyncssh.FXF_APPEND | asyncssh.FXF_READ):
            raise asyncssh.SFTPOpUnsupported("a file is written once, from its beginning to its end")
        name = self._sending_name(path)
        if parse_remote_name(name) is None and not TEMPORARY.fullmatch(name):
            raise asyncssh.SFTPPermissionDenied("the name must be P_DEST%%P_APPLI%%P_MSG%%sha1")
        return _Incoming(self._intake.begin(), name)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if not isinstance(file_obj, _Incoming):
            raise asyncssh.SFTPPermissionDenied("the file is open for reading")
        file_obj.write(offset, data)
        if file_obj.upload.cut:
            self.connection.abort()
            raise asyncssh.SFTPConnectionLost("the transfer was cut")
        return len(data)

    def read(self, file_obj: object, offset: int, size: int) -> Any:
        if isinstance(file_obj, _Incoming):
            raise asyncssh.SFTPPermissionDenied("the file is open for writing")
        return super().read(file_obj, offset, size)

    async def close(self, file_obj: object) -> None:
        """Also called for what a lost connection leaves open: the sha1 tells a whole file from a part."""
        if isinstance(file_obj, _Incoming):
            await asyncio.to_thread(self._finish, file_obj)
        else:
            super().close(file_obj)

    def _finish(self, incoming: _Incoming) -> None:
        upload, announced = incoming.upload, parse_remote_name(incoming.name)
        if not incoming.whole or (announced and upload.sha1.hexdigest() != announced[1]):
            upload.discard()
            raise asyncssh.SFTPFailure("the content does not have the sha1 of its name")
        try:
            if announced is None:
                self._intake.keep_temporary(upload, incoming.name)
            else:
                self._intake.accept(upload, incoming.name, announced[0], self._origin)
        except UploadRefused as error:
            raise asyncssh.SFTPFailure(str(error)) from error

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await asyncio.to_thread(self._rename, self._sending_name(oldpath), self._sending_name(newpath))

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self.rename(oldpath, newpath)

    def _rename(self, old: str, new: str) -> None:
        announced = parse_remote_name(new)
        if announced is None or not TEMPORARY.fullmatch(old):
            raise asyncssh.SFTPPermissionDenied("only a temporary name may become P_DEST%%P_APPLI%%P_MSG%%sha1")
        try:
            self._intake.accept_renamed(self._intake.send / old, new, announced[0], announced[1], self._origin)
        except FileNotFoundError as error:
            raise asyncssh.SFTPNoSuchFile("no such file") from error
        except UploadRefused as error:
            raise asyncssh.SFTPFailure(str(error)) from error

    def _sending_name(self, path: bytes) -> str:
        """File name of a path that must be in the sending directory."""
        folder, name = posixpath.split(posixpath.normpath(posixpath.join(b"/", path)))
        if Path(os.fsdecode(self.map_path(folder))) != self._intake.send.resolve():
            raise asyncssh.SFTPPermissionDenied("files are sent to the sending directory only")
        return os.fsdecode(name)

    def fstat(self, file_obj: object) -> Any:
        if isinstance(file_obj, _Incoming):
            return asyncssh.SFTPAttrs(size=file_obj.upload.writer.size)
        return super().fstat(file_obj)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Times and rights that a client wants to keep: of no interest here."""

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """As setstat."""

    def fsync(self, file_obj: object) -> None:
        """The close makes a file durable."""

    def mkdir(self, *_: object, **__: object) -> None:
        raise asyncssh.SFTPPermissionDenied("not here")

    def rmdir(self, *_: object, **__: object) -> None:
        raise asyncssh.SFTPPermissionDenied("not here")

    def symlink(self, *_: object, **__: object) -> None:
        raise asyncssh.SFTPPermissionDenied("not here")

    def link(self, *_: object, **__: object) -> None:
        raise asyncssh.SFTPPermissionDenied("not here")


class _Login(asyncssh.SSHServer):
    def __init__(self, config: dict[str, Any], intake: Intake):
        self._config = config
        self._intake = intake

    def begin_auth(self, _username: str) -> bool:
        if self._intake.outage:
            raise asyncssh.ServiceNotAvailable("Service temporarily unavailable")
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (self._config["login"], self._config["password"])


class SftpServer:
    """The SFTP server, in the event loop."""

    def __init__(self, config: dict[str, Any], intake: Intake):
        self._config = config
        self._intake = intake
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self.port = 0

    async def start(self) -> None:
        self._acceptor = await asyncssh.create_server(
            lambda: _Login(self._config, self._intake),
            self._config.get("host", "127.0.0.1"),
            self._config["sftp_port"],
            server_host_keys=[await asyncio.to_thread(self._host_key)],
            encryption_algs=CIPHERS,
            compression_algs=None,
            sftp_factory=lambda channel: PasstransFiles(channel, self._intake),
            reuse_address=True,
        )
        self.port = self._acceptor.get_port()

    async def stop(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

    def _host_key(self) -> asyncssh.SSHKey:
        """The configured key, made at the first start when its file does not exist."""
        path = Path(self._config["sftp_host_key"])
        if not path.exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(path)
        return asyncssh.read_private_key(path)
