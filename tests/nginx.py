"""A private nginx, as an ordinary user, with conf/nginx.conf.example: only its paths and its port are changed."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.sandbox.pki import Pki
from tdt.sandbox.settings import choose_port

EXAMPLE = Path(__file__).parents[1] / "conf" / "nginx.conf.example"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

MAIN = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log {directory}/access.log;
    {temporary}
    include {directory}/tdt.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """`socket` is where the server must listen; nginx's user reaches it by its group, as in production."""

    directory: Path
    socket: Path
    port: int
    process: subprocess.Popen[bytes]

    def processes(self) -> list[psutil.Process]:
        master = psutil.Process(self.process.pid)
        return [master, *master.children()]

    def temporary_files(self) -> list[Path]:
        return [path for name in TEMPORARY for path in (self.directory / name).rglob("*") if path.is_file()]


@contextmanager
def nginx(pki: Pki) -> Iterator[Nginx]:
    """`nobody` runs it when we are root."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert program is not None, "This test needs nginx: install the package nginx-light (scripts/test does it)"
    root = os.getuid() == 0
    user = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.getuid())
    directory = Path(tempfile.mkdtemp(prefix="tdt-nginx-"))
    process = None
    try:
        port = choose_port(set())
        _write_files(directory, pki, port)
        for path in (directory, *directory.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        (directory / "run").chmod(0o2770)  # what is made there belongs to the group of nginx
        process = subprocess.Popen(
            [program, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(directory / "nginx.conf")],
            user=user.pw_uid if root else None,
            group=user.pw_gid if root else None,
            extra_groups=[] if root else None,
        )
        _wait_for(port, process, directory / "error.log")
        yield Nginx(directory, directory / "run" / "http.sock", port, process)
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        shutil.rmtree(directory)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nginx does not start:\n{log.read_text()}")


def _write_files(directory: Path, pki: Pki, port: int) -> None:
    for name in ("run", *TEMPORARY):
        (directory / name).mkdir()
    shutil.copy(pki.server.cert, directory / "server.pem")
    shutil.copy(pki.server.key, directory / "server.key")
    authorities = [path.read_bytes() for path in sorted(pki.connect.iterdir())]
    (directory / "connect-authorities.pem").write_bytes(b"".join(authorities))
    lists = [x509.load_der_x509_crl(path.read_bytes()) for path in sorted(pki.crl.iterdir())]
    (directory / "crl.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in lists))
    text = EXAMPLE.read_text()
    for old, new in (
        (" 443 ssl", f" 127.0.0.1:{port} ssl"),
        ("    listen [::]:443 ssl so_keepalive=75s:15s:4;\n", ""),
        ("unix:/run/tdt/web-1/", f"unix:{directory}/run/"),
        ("    server unix:/run/tdt/web-2/http.sock max_fails=0;\n", ""),
        ("/etc/tdt/tls/", f"{directory}/"),
        ("/etc/tdt/secrets/", f"{directory}/"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    assert "/etc/" not in text.replace("/etc/nginx/conf.d", "")
    (directory / "tdt.conf").write_text(text)
    temporary = "\n    ".join(f"{name}_temp_path {directory}/{name};" for name in TEMPORARY)
    (directory / "nginx.conf").write_text(MAIN.format(directory=directory, temporary=temporary))
