"""Real IMAP servers for tests, each a process of its own on a maildir: pymap, as in the sandbox, and Dovecot."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from tdt.sandbox import mailserver
from tests.certificates import Files

LOGIN = mailserver.LOGIN
PASSWORD = 'mot "de" passe\\1'


@dataclass(frozen=True, slots=True)
class MailServer:
    """`maildir` holds new/ and cur/: a file dropped into new/ is a mail that has arrived."""

    name: str
    port: int
    tls_port: int
    maildir: Path
    process: subprocess.Popen[bytes]
    owner: int

    def deliver(self, content: bytes, name: str) -> None:
        path = self.maildir / "tmp" / name
        path.write_bytes(content)
        os.chown(path, self.owner, -1)
        path.rename(self.maildir / "new" / name)

    def folder(self, name: str) -> "MailServer":
        """Another folder of the mailbox (Maildir++), made if it is missing: to deliver into it."""
        maildir = self.maildir / f".{name}"
        for part in ("new", "cur", "tmp"):
            if not (maildir / part).exists():
                (maildir / part).mkdir(parents=True)
                os.chown(maildir / part, self.owner, -1)
        os.chown(maildir, self.owner, -1)
        return replace(self, maildir=maildir)

    def serves(self, content: bytes) -> bytes:
        """pymap ends lines with LF, whatever the file says."""
        return content.replace(b"\r\n", b"\n") if self.name == "pymap" else content

    def kill(self) -> None:
        """Cut every connection: Dovecot's master is not the process that holds ours."""
        self.process.send_signal(signal.SIGSTOP)  # the master must not start others meanwhile
        children = psutil.Process(self.process.pid).children(recursive=True)
        for child in children:
            child.kill()
        self.process.kill()
        psutil.wait_procs(children, 10)
        self.process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                probe.settimeout(5)
                if probe.recv(100).startswith(b"* OK"):
                    return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the IMAP server does not start:\n{log.read_text(errors='replace')}")


@contextmanager
def pymap(directory: Path) -> Iterator[MailServer]:
    """The sandbox's own command line; in clear."""
    directory.mkdir()
    mailbox = mailserver.Mailbox(directory, free_port(), PASSWORD)
    mailserver.prepare(mailbox)
    command = mailserver.mail_command(mailbox)
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command.arguments, env=command.environment, stdout=output, stderr=output)
    try:
        _wait_for(mailbox.port, process, log)
        yield MailServer("pymap", mailbox.port, 0, mailbox.maildir, process, os.getuid())
    finally:
        process.kill()
        process.wait(10)


_DOVECOT = """
base_dir = {directory}/run
state_dir = {directory}/state
instance_name = {directory}
log_path = {directory}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{directory}/{login}
mail_max_userip_connections = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {directory}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}
}}
namespace inbox {{
  inbox = yes
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
"""


@contextmanager
def dovecot(tls: Files) -> Iterator[MailServer]:
    """A private instance, in clear and in TLS."""
    directory = Path(tempfile.mkdtemp(prefix="tdt-dovecot-"))
    process = None
    try:
        port, tls_port = free_port(), free_port()
        process = subprocess.Popen(make_dovecot(directory, tls, (port, tls_port)), cwd=directory)
        _wait_for(port, process, directory / "log")
        yield MailServer("dovecot", port, tls_port, directory / LOGIN, process, _dovecot_user().pw_uid)
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        shutil.rmtree(directory)


def _dovecot_user() -> pwd.struct_passwd:
    """`nobody` when the tests run as root, who cannot own mails there."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def make_dovecot(directory: Path, tls: Files, ports: tuple[int, int], password: str = PASSWORD) -> list[str]:
    """All that Dovecot needs, in an empty folder that an ordinary user can reach; gives the command that runs it.

    `ports`: in clear, in TLS. The mails of LOGIN are in its folder of that name.
    """
    program = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise AssertionError("Dovecot is needed by this test: install the package dovecot-imapd (scripts/test does it)")
    for name in ("run", "state", *(f"{LOGIN}/{part}" for part in ("new", "cur", "tmp"))):
        (directory / name).mkdir(parents=True)
    user = _dovecot_user()
    certificate, key = (shutil.copy(path, directory) for path in (tls.certificate, tls.key))
    names = {"user": user.pw_name, "uid": user.pw_uid, "gid": user.pw_gid, "login": LOGIN}
    group = subprocess.run(["id", "-gn", user.pw_name], capture_output=True, text=True, check=True).stdout.strip()
    files = {"directory": directory, "certificate": certificate, "key": key, "port": ports[0], "tls_port": ports[1]}
    (directory / "dovecot.conf").write_text(_DOVECOT.format(group=group, **names, **files))
    (directory / "users").write_text(f"{LOGIN}:{password}\n")
    (directory / "log").touch()
    for path in (directory, *directory.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    command = [program, "-F", "-c", str(directory / "dovecot.conf")]
    if os.getuid() != 0:
        return command
    as_user = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return [*as_user, "--pdeathsig", "KILL", "--", *command]
