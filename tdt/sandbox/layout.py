"""The files of a sandbox directory, and the configurations that its processes read from there."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tdt.sandbox import mailserver
from tdt.sandbox.pki import Pki
from tdt.sandbox.settings import Settings

CREDENTIALS_PREFECTURE = "prefecture"
CREDENTIALS_DGFIP = "dgfip"
DGFIP_LOGIN = "tdt"
RETURN_ADDRESS = "retour-actes@tdt.test"


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below DIR."""

    directory: Path

    @property
    def pki(self) -> Pki:
        return Pki(self.directory / "pki")

    @property
    def config(self) -> Path:
        return self.directory / "tdt.toml"

    @property
    def simulators(self) -> Path:
        return self.directory / "simulators.json"

    @property
    def mail(self) -> Path:
        return self.directory / "mail"

    def secret(self, name: str) -> Path:
        return self.directory / "secrets" / name


@dataclass(frozen=True, slots=True)
class Dsns:
    """The database as its owner (migrations) and as the application."""

    owner: str
    app: str


def write_secrets(layout: Layout, settings: Settings) -> None:
    """One file for each password that the configuration names, and the host key of the SFTP simulator."""
    layout.secret("").mkdir(mode=0o700, exist_ok=True)
    for name in ("mailbox", "dgfip"):
        _write(layout.secret(name), settings.password(name) + "\n")
    public = layout.pki.sftp_host_key.with_suffix(".pub").read_text()
    _write(layout.secret("known_hosts"), f"[127.0.0.1]:{settings.ports.sftp} {public}")


def write_config(layout: Layout, settings: Settings, dsns: Dsns) -> None:
    """DIR/tdt.toml: the server as in production, but for the pace."""
    ports, pki = settings.ports, layout.pki
    sections: dict[str, Mapping[str, object]] = {
        "server": {
            "listen": f"127.0.0.1:{ports.web}",
            "health": f"127.0.0.1:{ports.web_health}",
            "public_url": f"https://localhost:{ports.web}",
            "certificate": str(pki.server.cert),
            "key": str(pki.server.key),
            "connect_authorities": str(pki.connect),
            "transmit_authorities": str(pki.transmit),
            "rgs": str(pki.rgs) if pki.rgs.exists() else "",
            "crl_directory": str(pki.crl),
            "crl_required": True,
            "shutdown_seconds": 10.0,
        },
        "database": {"dsn": dsns.app, "owner_dsn": dsns.owner},
        "spool": {"directory": str(layout.directory / "spool")},
        "worker": {"health": f"127.0.0.1:{ports.worker_health}", "poll_seconds": 1.0, "shutdown_seconds": 10.0},
        "actes": {
            "return_addresses": [RETURN_ADDRESS],
            "poll_seconds": 0.5,
            "uncertain_seconds": 5.0,
            "retry_seconds": 1.0,
            "daily_classification_hour": -1,
        },
        "helios": {"poll_seconds": 0.5, "stable_seconds": 0.3, "uncertain_seconds": 5.0, "retry_seconds": 1.0},
        "signing": {"certificate": str(pki.signing.cert), "key": str(pki.signing.key)}
        if pki.signing.cert.exists()
        else {},
        "log": {"level": "info", "format": "json"},
        f"credentials.{CREDENTIALS_PREFECTURE}": {
            "certificate": str(pki.ministry_client.cert),
            "key": str(pki.ministry_client.key),
            "authorities": str(pki.state_root),
            "mailbox_login": mailserver.LOGIN,
            "mailbox_password_file": str(layout.secret("mailbox")),
        },
        f"credentials.{CREDENTIALS_DGFIP}": {
            "login": DGFIP_LOGIN,
            "password_file": str(layout.secret("dgfip")),
            "known_hosts": str(layout.secret("known_hosts")),
            "authorities": str(pki.state_root),
        },
    }
    if clamd := os.environ.get("TDT_ANTIVIRUS", ""):
        sections["antivirus"] = {"address": clamd}
    if broker := os.environ.get("TDT_QUEUE_URL", ""):
        sections["queue"] = {"url": broker, "name": f"tdt.jobs.{ports.web}"}
    (layout.directory / "spool").mkdir(mode=0o700, exist_ok=True)
    _write(layout.config, "\n".join(_toml(name, table) for name, table in sections.items()))


def _toml(name: str, table: Mapping[str, object]) -> str:
    """A JSON string, number, boolean or list of strings is also a TOML one."""
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


def write_simulators(
    layout: Layout, settings: Settings, registry: list[dict[str, object]], *, gateway: bool = True
) -> None:
    """DIR/simulators.json: the State as the sandbox plays it; `registry` holds the collectivités that it knows.

    `gateway`: the DGFiP removes a file once it was read, else when it is asked to.
    """
    ports, pki = settings.ports, layout.pki
    prefecture = {
        "host": "127.0.0.1",
        "port": ports.prefecture,
        "certificate": str(pki.prefecture.cert),
        "key": str(pki.prefecture.key),
        "client_authorities": str(pki.state_root),
        "maildir": str(layout.mail / mailserver.LOGIN),
        "trigramme": "TDT",
        "quadrigramme": "TACT",
        "registry": registry,
        "classification_date": "2019-03-01",
    }
    dgfip = {
        "host": "127.0.0.1",
        "ftp_port": ports.ftp,
        "sftp_port": ports.sftp,
        "certificate": str(pki.prefecture.cert),
        "key": str(pki.prefecture.key),
        "sftp_host_key": str(pki.sftp_host_key),
        "login": DGFIP_LOGIN,
        "password": settings.password("dgfip"),
        "gateway": gateway,
        "schemas": None,
    }
    document = {
        "state": str(layout.directory / "state"),
        "control": {"host": "127.0.0.1", "port": ports.control},
        "prefecture": prefecture,
        "dgfip": dgfip,
    }
    (layout.directory / "state").mkdir(mode=0o700, exist_ok=True)
    _write(layout.simulators, json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    making = path.with_name(path.name + ".making")
    making.touch(mode=0o600)
    making.write_text(text, encoding="utf-8")
    making.rename(path)
