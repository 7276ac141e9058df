"""Real FTP and SFTP servers that play the DGFiP's end in tests, with the faults that a test asks for."""

import os
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from tests.certificates import Files

with warnings.catch_warnings():
    # pyftpdlib stands on asyncore, which Python 3.11 announces to be leaving (3.12: a package of its own)
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

LOGIN = "tdt"
PASSWORD = "s3cret; d'essai"


@dataclass(slots=True)
class Behaviour:
    """What the server does out of the ordinary; changed by a test before it acts."""

    gateway: bool = True
    site_reply: str = "200 ok"
    stor_refusal: str = ""
    final_reply: str = ""
    cut_upload_after: int | None = None
    vanish_at_the_end: bool = False
    truncate_download_after: int | None = None
    without_posix_rename: bool = False
    rename_error: Callable[[str], asyncssh.SFTPError] | None = None
    without_pasv: bool = False
    masquerade: str = ""
    nlst_refusal: str = ""
    rnfr_refusal: str = ""
    rename_refusal: str = ""
    renames_all_the_same: bool = False
    """Does what it then refuses, or says nothing of."""
    vanish_at_rename: bool = False
    replaces: bool = True
    """Takes a file, or a new name, where another file is."""
    keeps_only: int | None = None
    """Says that it took a file whole, and keeps so many bytes of it."""


@dataclass(slots=True)
class Played:
    """A running server: its port, the directory it serves, the commands it got."""

    port: int
    root: Path
    behaviour: Behaviour
    commands: list[str] = field(default_factory=list)
    known_hosts: str = ""

    @property
    def sent(self) -> Path:
        return self.root / "entree"

    @property
    def received(self) -> Path:
        return self.root / "sortie"


def make_root(root: Path) -> Path:
    for name in ("entree", "sortie"):
        (root / name).mkdir(parents=True)
    return root


_SITE = {"perm": None, "auth": True, "arg": True, "help": ""}


class _Gateway:
    """The part of a control connection that the plain and the TLS handler share."""

    def pre_process_command(self: Any, line: str, cmd: str, arg: str) -> None:
        played: Played = self.played
        played.commands.append(line if cmd != "PASS" else "PASS")
        behaviour = played.behaviour
        refusals = {
            "STOR": behaviour.stor_refusal,
            "NLST": behaviour.nlst_refusal,
            "RNFR": behaviour.rnfr_refusal,
            "RNTO": behaviour.rename_refusal,
        }
        refusal = refusals.get(cmd, "")
        if cmd in ("STOR", "RNTO") and not behaviour.replaces and Path(self.fs.ftp2fs(arg)).exists():
            refusal = "553 File exists"
        if cmd == "RNTO" and behaviour.renames_all_the_same:
            Path(self._rnfr).rename(self.fs.ftp2fs(arg))
        if cmd == "RNTO" and behaviour.vanish_at_rename:
            self.close()
            return
        if cmd == "PASV" and behaviour.without_pasv:
            refusal = "502 PASV not implemented"
        if refusal:
            self.respond(refusal)
            return
        self.masquerade_address = behaviour.masquerade or None
        super().pre_process_command(line, cmd, arg)  # type: ignore[misc]

    def _site(self: Any, _: str) -> None:
        self.respond(self.played.behaviour.site_reply)

    ftp_SITE_P_DEST = ftp_SITE_P_APPLI = ftp_SITE_P_MSG = ftp_SITE_META = _site

    def on_file_received(self: Any, file: str) -> None:
        if self.played.behaviour.keeps_only is not None:
            os.truncate(file, self.played.behaviour.keeps_only)

    def on_file_sent(self: Any, file: str) -> None:
        if self.played.behaviour.gateway:
            Path(file).unlink()


class _Faulty:
    """The faults of a data connection."""

    def handle_read(self: Any) -> None:
        super().handle_read()  # type: ignore[misc]
        limit = self.cmd_channel.played.behaviour.cut_upload_after
        if limit is not None and self.get_transmitted_bytes() >= limit:
            self._resp = ()
            self.cmd_channel.close()

    handle_read_event = handle_read

    def push_with_producer(self: Any, producer: Any) -> None:
        behaviour = self.cmd_channel.played.behaviour
        if behaviour.truncate_download_after is not None:
            whole = producer.file.read()
            self.push(whole[: behaviour.truncate_download_after])
            return
        super().push_with_producer(producer)  # type: ignore[misc]

    def use_sendfile(self) -> bool:
        return False

    def close(self: Any) -> None:
        behaviour = self.cmd_channel.played.behaviour
        if self.receive and self._resp and behaviour.final_reply:
            self._resp = (behaviour.final_reply, self._resp[1])
        if self.receive and behaviour.vanish_at_the_end:
            self._resp = ()
            super().close()  # type: ignore[misc]
            self.cmd_channel.close()
            return
        super().close()  # type: ignore[misc]


class _PlainData(_Faulty, DTPHandler):  # type: ignore[misc]
    pass


class _TlsData(_Faulty, TLS_DTPHandler):  # type: ignore[misc]
    pass


@contextmanager
def ftp_server(root: Path, behaviour: Behaviour, tls: Files | None = None, host: str = "127.0.0.1") -> Iterator[Played]:
    """pyftpdlib in a thread of its own."""
    authorizer = DummyAuthorizer()
    authorizer.add_user(LOGIN, PASSWORD, str(make_root(root)), perm="elradfmwMT")
    played = Played(0, root, behaviour)
    commands = {f"SITE {name}": _SITE for name in ("P_DEST", "P_APPLI", "P_MSG", "META")}
    members: dict[str, Any] = {
        "authorizer": authorizer,
        "proto_cmds": FTPHandler.proto_cmds | commands,
        "played": played,
        "dtp_handler": _PlainData,
        "auth_failed_timeout": 0,
    }
    base: Any = FTPHandler
    if tls is not None:
        base = TLS_FTPHandler
        members |= {
            "certfile": tls.certificate,
            "keyfile": tls.key,
            "tls_control_required": True,
            "tls_data_required": True,
            "dtp_handler": _TlsData,
            "proto_cmds": TLS_FTPHandler.proto_cmds | commands,
        }
    handler = type("Handler", (_Gateway, base), members)
    server = FTPServer((host, 0), handler, ioloop=IOLoop())
    played.port = server.socket.getsockname()[1]
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield played
    finally:
        stop.set()
        thread.join()
        server.close_all()


class _Login(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (LOGIN, PASSWORD)


class _Passtrans(asyncssh.SFTPServer):
    """Serves a directory, with the faults of its behaviour."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], played: Played):
        super().__init__(channel, chroot=str(played.root).encode())
        self._played = played
        self._written = 0

    def _vanish(self) -> None:
        self.channel.get_connection().abort()

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        self._written += len(data)
        limit = self._played.behaviour.cut_upload_after
        if limit is not None and self._written >= limit:
            self._vanish()
        kept = self._played.behaviour.keeps_only
        return super().write(file_obj, offset, data if kept is None else data[: max(0, kept - offset)])  # type: ignore[return-value]

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        limit = self._played.behaviour.truncate_download_after
        if limit is not None:
            size = max(0, min(size, limit - offset))
        return super().read(file_obj, offset, size)  # type: ignore[return-value]

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._played.commands.append(f"posix-rename {oldpath.decode()} {newpath.decode()}")
        if self._played.behaviour.vanish_at_the_end:
            self._vanish()
        if self._played.behaviour.without_posix_rename:
            raise asyncssh.SFTPOpUnsupported("not here")
        self._refuse_renaming(lambda: super(_Passtrans, self).posix_rename(oldpath, newpath))

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._played.commands.append(f"rename {oldpath.decode()} {newpath.decode()}")
        self._refuse_renaming(lambda: super(_Passtrans, self).rename(oldpath, newpath))

    def _refuse_renaming(self, rename: Callable[[], object]) -> None:
        behaviour = self._played.behaviour
        if behaviour.rename_error is None or behaviour.renames_all_the_same:
            rename()
        if behaviour.rename_error is not None:
            raise behaviour.rename_error("not this name")


@asynccontextmanager
async def sftp_server(root: Path, behaviour: Behaviour, authorized: str = "") -> AsyncIterator[Played]:
    """asyncssh; `authorized` is a public key (one line) that may log in without the password."""
    played = Played(0, make_root(root), behaviour)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        server_factory=_Login,
        sftp_factory=lambda channel: _Passtrans(channel, played),
        authorized_client_keys=asyncssh.import_authorized_keys(authorized) if authorized else None,
    )
    played.port = server.get_port()
    hosts = root.parent / f"known_hosts-{played.port}"
    hosts.write_text(f"[127.0.0.1]:{played.port} {host_key.export_public_key().decode()}")
    played.known_hosts = str(hosts)
    try:
        yield played
    finally:
        server.close()
        await server.wait_closed()
