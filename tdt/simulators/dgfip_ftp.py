"""The DGFiP gateway over FTP: SITE metadata before each STOR, files that go away once read, AUTH TLS."""

import contextlib
import logging
import os
import select
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from tdt.simulators.dgfip_intake import Intake, Metadata, Origin, Upload, UploadRefused, plain_name

with warnings.catch_warnings():
    # pyftpdlib stands on asyncore, which Python 3.11 announces to be leaving (3.12: a package of its own)
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.log import logger
    from pyftpdlib.servers import ThreadedFTPServer

# The gateway has no use for them: no rename, no append, no directory is made or removed.
REFUSED = ("APPE", "STOU", "RNFR", "RNTO", "MKD", "RMD", "XMKD", "XRMD", "MFMT", "SITE CHMOD")
TLS_COMMANDS = ("AUTH", "PBSZ", "PROT")
METADATA = ("P_DEST", "P_APPLI", "P_MSG")

OUTAGE_REPLY = "421 Service temporarily unavailable."
ABORTED_REPLY = "426 Connection closed; transfer aborted."

# A killed client closes both its connections at once: the control connection is looked at for this long.
GONE_SECONDS = 0.05
# How long a client may take to close its data connection after the last byte of a file.
LAST_BYTE_SECONDS = 5.0


class StoredFile:
    """What the data connection writes to; closed without having been taken, nothing is kept."""

    def __init__(self, upload: Upload, path: str, handler: "GatewayHandler"):
        self.upload = upload
        self.name = path
        self.closed = False
        self._handler = handler

    def write(self, chunk: bytes) -> None:
        self.upload.write(bytes(chunk))
        if self.upload.cut:
            self._handler.data_channel.cut()

    def close(self) -> None:
        self.closed = True
        self.upload.discard()


class GatewayData(TLS_DTPHandler):  # type: ignore[misc]  # pyftpdlib has no types
    """The data connection: says 226 only when a received file is durable, or a sent one really taken."""

    _settled = False

    def __init__(self, sock: socket.socket, cmd_channel: "GatewayHandler"):
        super().__init__(sock, cmd_channel)
        if not self.connected:
            cmd_channel.data_lost()

    def push(self, data: bytes) -> None:
        """An empty listing must not be sent: over TLS, pyftpdlib takes the nothing written for a closed connection."""
        if data:
            super().push(data)
        else:
            self._initialized = True
            self._await(self.ioloop.WRITE)

    def initiate_send(self) -> None:
        """Sending before the end of the TLS handshake ends it where pyftpdlib does not see it, and closes without."""
        if self._ssl_requested and not self._ssl_established:
            self._await(self.ioloop.READ)
        else:
            super().initiate_send()

    def handle_ssl_established(self) -> None:
        if self.producer_fifo:
            self._await(self.ioloop.WRITE)

    def _await(self, events: int) -> None:
        self._wanted_io_events = events
        self.modify_ioloop_events(events)

    def cut(self) -> None:
        """Break the connection off in the middle, as a network would."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._abort()
        self.close()

    def close(self) -> None:
        if not self._closed and not self._settled and self._resp and self._resp[0].startswith("226"):
            self._settled = True
            if isinstance(self.file_obj, StoredFile):
                self._settle_received(self.file_obj)
            elif self.cmd == "RETR":
                self._settle_sent()
        super().close()

    def _settle_received(self, file: StoredFile) -> None:
        # pyftpdlib takes a reset for an end of file; it closes from within the handling of that error
        reset = isinstance(sys.exc_info()[1], OSError)
        if reset or self.cmd_channel.client_gone():
            self._abort()
            return
        try:
            self.cmd_channel.take(file)
        except UploadRefused as error:
            self._refuse(f"550 {error}.")
        except OSError as error:
            self._refuse(f"451 {error}.")

    def _settle_sent(self) -> None:
        if self._all_read():
            self.cmd_channel.sent(Path(self.file_obj.name))
        else:
            self._abort()

    def _all_read(self) -> bool:
        """Whether the client read to the end: leaving earlier, with bytes unread, its system resets the connection."""
        if isinstance(self.socket, SSL.Connection):
            with contextlib.suppress(SSL.Error):
                self.socket.shutdown()
            self._error = True  # nothing more to say in TLS
        with socket.socket(fileno=os.dup(self.socket.fileno())) as connection:
            try:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(LAST_BYTE_SECONDS)
                while connection.recv(4096):
                    pass
            except TimeoutError:
                return True  # a client that keeps it open while it waits for the reply
            except OSError:
                return False
        return True

    def _abort(self) -> None:
        self._error = True
        self._refuse(ABORTED_REPLY)

    def _refuse(self, reply: str) -> None:
        self.transfer_finished = False
        self._resp = (reply, logger.info)


class GatewayHandler(TLS_FTPHandler):  # type: ignore[misc]
    """The control connection. `intake` and `gateway` are set on a subclass for each server."""

    intake: Intake
    gateway: bool
    secure: bool
    _restart_position: int
    _in_dtp_queue: tuple[Any, ...] | None
    _out_dtp_queue: tuple[Any, ...] | None
    dtp_handler = GatewayData
    banner = "Passerelle DGFiP (simulateur)"
    auth_failed_timeout = 0.2
    proto_cmds = {name: facts for name, facts in TLS_FTPHandler.proto_cmds.items() if name not in REFUSED} | {
        f"SITE {name}": {"perm": None, "auth": True, "arg": True, "help": f"Syntax: SITE {name} <SP> value."}
        for name in (*METADATA, "META")
    }

    def __init__(self, *arguments: Any, **named: Any):
        self._metadata: dict[str, str] = {}
        super().__init__(*arguments, **named)
        if not self.secure:
            self._extra_feats: list[str] = []

    @classmethod
    def get_ssl_context(cls) -> Any:
        return super().get_ssl_context() if cls.secure else None

    def process_command(self, cmd: str, *arguments: Any, **named: Any) -> None:
        if cmd in ("USER", "PASS") and self.intake.outage:
            self.respond(OUTAGE_REPLY)
            self.close_when_done()
        elif cmd in TLS_COMMANDS and not self.secure:
            self.respond("502 TLS is not configured.")
        elif cmd == "DELE" and self.gateway:
            self.respond("550 The gateway removes a file once it is read.")
        else:
            super().process_command(cmd, *arguments, **named)

    # --- metadata

    def ftp_SITE_P_DEST(self, value: str) -> None:
        self._set("P_DEST", value)

    def ftp_SITE_P_APPLI(self, value: str) -> None:
        self._set("P_APPLI", value)

    def ftp_SITE_P_MSG(self, value: str) -> None:
        self._set("P_MSG", value)

    def ftp_SITE_META(self, value: str) -> None:
        """`P_DEST=…;P_APPLI=…;P_MSG=…`: the form of Passtrans."""
        pairs = [item.partition("=") for item in value.split(";") if item]
        given = {name.strip().upper(): content.strip() for name, _, content in pairs}
        if set(given) != set(METADATA) or not all(given.values()):
            self.respond("501 Syntax: SITE META P_DEST=x;P_APPLI=x;P_MSG=x")
            return
        self._metadata = given
        self.respond("200 META accepted.")

    def _set(self, name: str, value: str) -> None:
        self._metadata[name] = value.strip()
        self.respond(f"200 {name} accepted.")

    # --- files

    def ftp_STOR(self, file: str, _mode: str = "w") -> str | None:
        """Receive a file under the metadata given since the last one; `file` is its path on disk."""
        path = Path(file)
        given, self._metadata = self._metadata, {}
        metadata = Metadata(*(given.get(name, "") for name in METADATA))
        if self._restart_position:
            self._restart_position = 0
            self.respond("554 A transfer cannot be resumed.")
        elif not metadata.complete:
            self.respond("503 P_DEST, P_APPLI and P_MSG must be given before each file.")
        elif path.parent != self.intake.send or not plain_name(path.name):
            self.respond("553 Files are sent to the sending directory only.")
        else:
            self._announced = metadata
            self._receive(StoredFile(self.intake.begin(), file, self))
            return file
        return None

    def _receive(self, stored: StoredFile) -> None:
        if self.data_channel is not None:
            self.respond("125 Data connection already open. Transfer starting.")
            self.data_channel.file_obj = stored
            self.data_channel.enable_receiving(self._current_type, "STOR")
        else:
            self.respond("150 File status okay. About to open data connection.")
            self._in_dtp_queue = (stored, "STOR")

    def data_lost(self) -> None:
        """The client broke the data connection off before it was used: it still waits for a reply."""
        for queue, position in ((self._in_dtp_queue, 0), (self._out_dtp_queue, 2)):
            if queue is not None:
                self.respond(ABORTED_REPLY)
                if queue[position] is not None:
                    queue[position].close()
        self._in_dtp_queue = self._out_dtp_queue = None

    def take(self, file: StoredFile) -> None:
        """The file is complete: make it durable. Raises UploadRefused, OSError."""
        transport = "ftps" if isinstance(self.socket, SSL.Connection) else "ftp"
        origin = Origin(transport, f"{self.remote_ip}:{self.remote_port}")
        self.intake.accept(file.upload, Path(file.name).name, self._announced, origin)

    def sent(self, file: Path) -> None:
        """The gateway forgets a file that was read to its end."""
        if self.gateway and file.parent == self.intake.receive:
            file.unlink(missing_ok=True)

    def client_gone(self) -> bool:
        """Whether the client has closed its control connection too: it died, its file is not complete."""
        poll = select.poll()
        poll.register(self.socket.fileno(), select.POLLIN)
        if not poll.poll(GONE_SECONDS * 1000):
            return False
        with socket.socket(fileno=os.dup(self.socket.fileno())) as connection:
            try:
                return not connection.recv(1, socket.MSG_PEEK)
            except OSError:
                return True


class _Server(ThreadedFTPServer):  # type: ignore[misc]
    poll_timeout = 0.2

    def __init__(self, *arguments: Any, **named: Any):
        self._exit = threading.Event()  # pyftpdlib shares them between all its servers
        self._lock = threading.Lock()
        super().__init__(*arguments, **named)


class FtpGateway:
    """The FTP server, in threads of its own."""

    def __init__(self, config: dict[str, Any], intake: Intake):
        self._config = config
        self._intake = intake
        self._stopping = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        config = self._config
        # otherwise pyftpdlib sets up its own log, with a line for each connection of a client that polls
        logger.addHandler(logging.NullHandler())
        logger.setLevel(logging.WARNING)
        authorizer = DummyAuthorizer()
        authorizer.add_user(config["login"], config["password"], str(self._intake.home), perm="elrdw")
        certificate = config.get("certificate")
        settings = {
            "intake": self._intake,
            "gateway": bool(config.get("gateway", True)),
            "secure": bool(certificate),
            "certfile": certificate,
            "keyfile": config.get("key"),
            "ssl_context": None,
            "authorizer": authorizer,
        }
        handler = type("Handler", (GatewayHandler,), settings)
        self._server = _Server((config.get("host", "127.0.0.1"), config["ftp_port"]), handler, ioloop=IOLoop())
        self.port = self._server.address[1]
        self._thread = threading.Thread(target=self._serve, name="dgfip-ftp", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        assert self._server is not None
        while not self._stopping.is_set():
            self._server.serve_forever(timeout=0.2, blocking=False, handle_exit=False)
        self._server.close_all()

    def stop(self) -> None:
        """Blocks until the threads have ended."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
