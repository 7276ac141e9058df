"""The baseline: a private nginx that ends mutual TLS with the same certificates, alone or in front of php-fpm."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.processes import Program, listens, running
from tdt.sandbox.settings import choose_port

NGINX = "/usr/sbin/nginx"

CONFIG = """
{user}
daemon off;
worker_processes {workers};
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log {directory}/access.log;
    client_max_body_size 1g;
    client_body_temp_path {directory}/bodies;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl backlog=1024;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {directory}/authorities.pem;
        ssl_verify_client on;
        ssl_verify_depth 4;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ return 404 "404: Not Found"; }}
        # the whole body goes to a file, which stays; then a server that answers two letters is asked, without it
        location = /upload {{
            client_body_in_file_only on;
            proxy_pass http://unix:{directory}/sink.sock:/;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }}
        location = /acte.php {{
            fastcgi_pass unix:{directory}/php.sock;
            fastcgi_param SCRIPT_FILENAME {directory}/acte.php;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param HTTP_AUTHORIZATION $http_authorization;
        }}
    }}
    server {{
        listen unix:{directory}/sink.sock;
        access_log off;
        location / {{ return 200 "OK\\n"; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Of the server, and the authorities of its clients (a file or a folder of them)."""

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    port: int
    directory: Path
    program: Program


@contextmanager
def nginx(directory: Path, certificates: Certificates, workers: int = 1) -> Iterator[Nginx]:
    """As Debian configures it but for the paths."""
    directory.mkdir(mode=0o711, exist_ok=True)
    port = choose_port(set())
    found = certificates.authorities
    files = sorted(found.iterdir()) if found.is_dir() else [found]
    (directory / "authorities.pem").write_bytes(b"".join(file.read_bytes() for file in files))
    config = directory / "nginx.conf"
    config.write_text(
        CONFIG.format(
            user="user nobody nogroup;" if os.geteuid() == 0 else "",
            workers=workers,
            directory=directory,
            port=port,
            certificate=certificates.certificate,
            key=certificates.key,
        )
    )
    command = [NGINX, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(config)]
    with running(command, directory / "nginx.log", lambda: listens(port)) as program:
        yield Nginx(port, directory, program)
