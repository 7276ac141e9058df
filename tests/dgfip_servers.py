"""The DGFiP's end played by servers of the distribution: ProFTPD (FTP, FTPS) and OpenSSH (SFTP), behind a gate.

They listen on 127.0.0.3; the gate, on 127.0.0.1, relays their ports, those of the files too, and can cut the link. No
FTP server knows the SITE commands of the gateway: here each becomes one that ProFTPD knows, with a true 200.
"""

import asyncio
import grp
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tdt.domain.routes import Transport
from tests.certificates import TestAuthority
from tests.servers import LOGIN, PASSWORD

Relay = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BEHIND = "127.0.0.3"
START_SECONDS = 20.0
PATHS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
FTP = (Transport.FTP_GATEWAY, Transport.FTP_SIMULATOR, Transport.PASSTRANS_FTPS)
FILE_PORTS = 4

COMMON = """\
ServerType standalone
DefaultServer on
ServerName dgfip
DefaultAddress {address}
SocketBindTight on
Port {port}
PassivePorts {first} {last}
MasqueradeAddress {masquerade}
UseIPv6 off
UseReverseDNS off
User {user}
Group {group}
RootLogin on
AuthOrder mod_auth_file.c
AuthUserFile {directory}/passwd
RequireValidShell off
AllowOverwrite on
TimeoutLinger 1
WtmpLog none
TransferLog none
SystemLog {directory}/log
PidFile {directory}/pid
ScoreboardFile {directory}/scoreboard
DelayEngine off
"""
SITE = """\
LoadModule mod_rewrite.c
RewriteEngine on
RewriteCondition %m ^SITE$
RewriteRule ^({names})(.*)$ "CHMOD 755 {served}/entree"
"""
SITE_NAMES = {Transport.FTP_GATEWAY: "P_DEST|P_APPLI|P_MSG", Transport.PASSTRANS_FTPS: "META|meta"}
TLS = """\
LoadModule mod_tls.c
TLSEngine on
TLSRequired on
TLSRSACertificateFile none
TLSECCertificateFile {certificate}
TLSECCertificateKeyFile {key}
"""
SSHD = """\
Port {port}
ListenAddress {address}
HostKey {directory}/host
PidFile {directory}/pid
AuthorizedKeysFile {directory}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: what it serves, and how to reach it."""

    transport: Transport
    directory: Path
    port: int
    ports: range
    """Those of the files."""

    @property
    def served(self) -> Path:
        return self.directory / "served"

    @property
    def sent(self) -> Path:
        return self.served / "entree"

    @property
    def received(self) -> Path:
        return self.served / "sortie"

    @property
    def host(self) -> str:
        """In front of the gate."""
        return "localhost" if self.transport is Transport.PASSTRANS_FTPS else "127.0.0.1"

    @property
    def login(self) -> str:
        return pwd.getpwuid(os.getuid()).pw_name if self.transport is Transport.PASSTRANS_SFTP else LOGIN

    def file(self, name: str) -> str:
        """A file that a client needs: authorities.pem, known_hosts, client, password."""
        return str(self.directory / name)

    def other_hosts(self) -> str:
        """A file of known hosts in which its key is another one."""
        path = self.directory / "other_hosts"
        path.write_text(f"[127.0.0.1]:{self.port} {(self.directory / 'client.pub').read_text()}")
        return str(path)

    def empty(self) -> None:
        """Forget what an earlier test left."""
        for directory in (self.sent, self.received):
            for path in directory.iterdir():
                path.unlink()


@contextmanager
def dgfip_server(
    transport: Transport,
    *,
    site: bool = True,
    masquerade: str = "",
    most_bytes: int = 0,
    name: str = "localhost",
    more: str = "",
) -> Iterator[Server]:
    """One server. `site`: it knows the SITE commands of its mode. `masquerade`: the address of its replies to PASV.

    `most_bytes`: a file takes no more. `name`: of whom its certificate is. `more`: what its configuration says first.
    """
    directory = Path(tempfile.mkdtemp(prefix="tdt-dgfip-"))
    process = None
    try:
        first = _choose_ports()
        server = Server(transport, directory, first, range(first + 1, first + 1 + FILE_PORTS))
        for path in (server.sent, server.received):
            path.mkdir(parents=True)
        if transport is Transport.PASSTRANS_SFTP:
            command = _ssh(server)
        else:
            command = _ftp(server, site, masquerade, most_bytes, name, more)
        with (directory / "output").open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _wait_for(server, process)
        yield server
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        shutil.rmtree(directory)


def _choose_ports() -> int:
    """The first of consecutive ports that nobody uses, in front of the gate nor behind it.

    Not among those that other tests choose (choose_port): the gate is shut from one test to the next.
    """
    while True:
        first = 10_000 + secrets.randbelow(9_000)
        wanted = [(host, first + n) for n in range(FILE_PORTS + 1) for host in ("127.0.0.1", BEHIND)]
        with suppress(OSError):
            for place in wanted:
                with socket.socket() as probe:
                    probe.bind(place)
            return first


def _ftp(server: Server, site: bool, masquerade: str, most_bytes: int, name: str, more: str) -> list[str]:
    directory, user = server.directory, pwd.getpwuid(os.getuid())
    text = COMMON.format(
        address=BEHIND,
        port=server.port,
        first=server.ports[0],
        last=server.ports[-1],
        masquerade=masquerade or "127.0.0.1",
        user=user.pw_name,
        group=grp.getgrgid(user.pw_gid).gr_name,
        directory=directory,
    )
    if server.transport is Transport.PASSTRANS_FTPS:
        authority = TestAuthority(directory, "authorities")
        files = authority.server(name)
        text += TLS.format(certificate=files.certificate, key=files.key).replace("TLSRSACertificateFile none\n", "")
    if site and server.transport in SITE_NAMES:
        text += SITE.format(names=SITE_NAMES[server.transport], served=server.served)
    if most_bytes:
        text += f"MaxStoreFileSize {most_bytes} B user {LOGIN}\n"
    (directory / "proftpd.conf").write_text(more + text)
    (directory / "password").write_text(PASSWORD)
    made = ["--passwd", f"--file={directory}/passwd", f"--name={LOGIN}", f"--home={server.served}", "--stdin"]
    whose = [f"--uid={user.pw_uid}", f"--gid={user.pw_gid}", "--shell=/bin/false"]
    subprocess.run(
        [_program("ftpasswd", "proftpd-core"), *made, *whose],
        input=PASSWORD,
        text=True,
        check=True,
        capture_output=True,
    )
    return [_program("proftpd", "proftpd-core"), "--nodaemon", "--config", str(directory / "proftpd.conf")]


def _ssh(server: Server) -> list[str]:
    directory = server.directory
    for name in ("host", "client"):
        make = [_program("ssh-keygen", "openssh-server"), "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
        subprocess.run(make, check=True, capture_output=True)
    key = (directory / "host.pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {key}")
    (directory / "password").write_text("")
    (directory / "sshd_config").write_text(SSHD.format(port=server.port, address=BEHIND, directory=directory))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # made by its service otherwise
    return [_program("sshd", "openssh-server"), "-D", "-e", "-f", str(directory / "sshd_config")]


def _program(name: str, package: str) -> str:
    found = shutil.which(name, path=PATHS)
    assert found is not None, f"This test needs {name}: install the package {package} (scripts/test does it)"
    return found


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((BEHIND, server.port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"it does not start:\n{(server.directory / 'output').read_text()}")


class Gate:
    """Relays every port of a server. `cut_after`: the link breaks once so many bytes of a file have gone through;
    `mute`: it breaks when the server answers to a whole file."""

    def __init__(self, server: Server):
        self._server = server
        self._writers: set[asyncio.StreamWriter] = set()
        self._passed = 0
        self._whole = False
        self.cut_after: int | None = None
        self.mute = False

    def heal(self) -> None:
        """As a link that is in order again."""
        self.cut_after, self.mute, self._passed, self._whole = None, False, 0, False

    def cut(self) -> None:
        """Reset every connection, without a word of the protocol."""
        for writer in list(self._writers):
            writer.transport.abort()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Relay until the block ends."""
        # over SFTP the one port carries everything
        files = {self._server.port, *self._server.ports} if not self._is_ftp else set(self._server.ports)
        servers = [
            await asyncio.start_server(self._relay(port, port in files), "127.0.0.1", port)
            for port in (self._server.port, *self._server.ports)
        ]
        try:
            yield
        finally:
            for one in servers:
                one.close()
            self.cut()

    @property
    def _is_ftp(self) -> bool:
        return self._server.transport in FTP

    def _relay(self, port: int, files: bool) -> Relay:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                far_reader, far_writer = await asyncio.open_connection(BEHIND, port)
            except OSError:
                writer.transport.abort()
                return
            both = {writer, far_writer}
            self._writers |= both
            try:
                await asyncio.gather(self._send(reader, far_writer, files), self._answer(far_reader, writer, files))
            finally:
                self._writers -= both
                for one in both:
                    one.close()

        return relay

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, files: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(16_384):
                self._passed += len(data) if files else 0
                if self.cut_after is not None and self._passed > self.cut_after:
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
            self._whole = self._whole or (files and self._passed > 0)
            writer.write_eof()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, files: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(16_384):
                if self.mute and self._whole and not files:
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
            writer.write_eof()
