"""The configuration: TOML read once, every fault reported at once, frozen, passed; secrets come from files beside it.

Every key is documented, with its default, unit and effect, in conf/tdt.toml.example.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import msgspec

from tdt.domain.actes.authenticity import MailRules
from tdt.domain.conventions import Policy
from tdt.domain.helios.alerts import AlertLimits
from tdt.domain.text import is_email


class ConfigError(Exception):
    """The configuration cannot be used; `faults` lists every reason found."""

    def __init__(self, faults: list[str]):
        super().__init__("\n".join(faults))
        self.faults = faults


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the TOML file: an unknown key is a fault."""


class Server(Section, frozen=True):
    listen: str = "0.0.0.0:443"
    health: str = "127.0.0.1:9101"
    processes: int = 1
    public_url: str = "https://localhost"
    certificate: str = ""
    key: str = ""
    client_certificate: Literal["tls", "nginx"] = "tls"
    connect_authorities: str = ""
    transmit_authorities: str = ""
    rgs: str = ""
    crl_directory: str = ""
    crl_required: bool = False
    second_certificate: str = ""
    second_key: str = ""
    trusted_proxies: list[str] = []
    tls_minimum: Literal["1.2", "1.3"] = "1.2"
    tls_maximum: Literal["1.2", "1.3"] = "1.3"
    shutdown_seconds: float = 30.0


class Database(Section, frozen=True):
    dsn: str = ""
    dsn_file: str = ""
    owner_dsn: str = ""
    owner_dsn_file: str = ""
    pool_size: int = 10
    wait_seconds: float = 10.0


class Spool(Section, frozen=True):
    directory: str = "/var/lib/tdt/spool"
    orphan_hours: float = 24.0


class Content(Section, frozen=True):
    inline_bytes: int = 262_144
    answer_after: Literal["spool", "archive"] = "spool"


class Limits(Section, frozen=True):
    acte_archive_bytes: int = 157_286_400
    pes_bytes: int = 536_870_912
    text_field_bytes: int = 65_536
    parts: int = 1_000
    files: int = 200


class Login(Section, frozen=True):
    failures: int = 10
    window_seconds: float = 900.0


class Queue(Section, frozen=True):
    url: str = ""
    url_file: str = ""
    name: str = "tdt.jobs"
    prefetch: int = 20


class Worker(Section, frozen=True):
    concurrency: int = 8
    health: str = "127.0.0.1:9102"
    poll_seconds: float = 5.0
    heartbeat_seconds: float = 2.0
    dead_after_seconds: float = 7.0
    shutdown_seconds: float = 30.0


class Actes(Section, frozen=True):
    trigramme: str = "TDT"
    quadrigramme: str = "TACT"
    return_addresses: list[str] = []
    ministry_acronym: str = "MI"
    return_hosts: list[str] = []
    always_can_validate: bool = False
    close_after_days: int = 30
    unanswered_hours: float = 4.0
    poll_seconds: float = 60.0
    mail_servers: list[str] = []
    mail_networks: list[str] = []
    mail_relays: list[str] = []
    authentication_results: str = ""
    authentication_domains: list[str] = []
    authentication_below_received: bool = False
    uncertain_seconds: float = 900.0
    on_uncertain: Literal["resend", "hold"] = "resend"
    retry_seconds: float = 60.0
    one_classification_request_a_day: bool = False
    daily_classification_hour: int = 4
    verify_signing_certificate: bool = True
    batch_days: int = 30

    @property
    def mail_rules(self) -> MailRules:
        """What is asked of the ministry's mails, as the rules read it."""
        return MailRules(
            servers=frozenset(name.lower().rstrip(".") for name in self.mail_servers),
            networks=tuple(ip_network(one, strict=False) for one in self.mail_networks),
            relays=tuple(self.mail_relays),
            authority=self.authentication_results,
            domains=tuple(self.authentication_domains),
            below_received=self.authentication_below_received,
        )


class Documents(Section, frozen=True):
    """What a child that works on a document may take."""

    concurrency: int = 2
    memory_bytes: int = 369_098_752
    seconds: float = 30.0


class Stamp(Section, frozen=True):
    """How the stamp of an act is put on its PDFs."""

    position: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = "top-right"
    x: float = 10.0
    y: float = 10.0
    pages: Literal["all", "first"] = "all"
    logo: str = ""
    opacity: float = 0.8


class Antivirus(Section, frozen=True):
    """Without an address nothing is scanned."""

    address: str = ""
    timeout: float = 180.0


class Helios(Section, frozen=True):
    p_appli: str = "GHELPES2"
    p_appli_test: str = "THELPES2"
    signature_authorities: str = ""
    nomfic_uniqueness_waivable: bool = False
    posted_alert_minutes: float = 20.0
    waiting_alert_hours: float = 48.0
    acquit_alert_hours: float = 24.0
    silence_alert_hours: float = 4.0
    silence_alert_flows: int = 20
    poll_seconds: float = 240.0
    stable_seconds: float = 5.0
    uncertain_seconds: float = 900.0
    on_uncertain: Literal["resend", "hold"] = "resend"
    retry_seconds: float = 60.0

    @property
    def alert_limits(self) -> AlertLimits:
        """How long a flow may wait before an operator is told, as the rules read it."""
        return AlertLimits(
            self.posted_alert_minutes,
            self.waiting_alert_hours,
            self.acquit_alert_hours,
            self.silence_alert_hours,
            self.silence_alert_flows,
        )


class Credentials(Section, frozen=True):
    """Named by the column `credentials` of a route. Files are read at each use, so that they can be renewed."""

    login: str = ""
    password_file: str = ""
    mailbox_login: str = ""
    mailbox_password_file: str = ""
    certificate: str = ""
    key: str = ""
    authorities: str = ""
    known_hosts: str = ""
    client_key: str = ""


class Mail(Section, frozen=True):
    """Without a host nothing is mailed: what would be is told to the log. Files are read at each use."""

    host: str = ""
    port: int = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    authorities: str = ""
    login: str = ""
    password_file: str = ""
    sender: str = ""
    operators: list[str] = []
    timeout: float = 30.0
    attachment_bytes: int = 10_485_760
    digest_hour: int = 7


class Revocation(Section, frozen=True):
    cache: str = ""
    urls: list[str] = []
    refresh_seconds: float = 3600.0
    timeout: float = 20.0
    ocsp: Literal["never", "without_list", "always"] = "without_list"


class Conventions(Section, frozen=True):
    operators: list[str] = []
    required: bool = True

    @property
    def policy(self) -> Policy:
        """As the rules read it."""
        return Policy(frozenset(self.operators), self.required)


class Log(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Config(Section, frozen=True):
    server: Server = Server()
    database: Database = Database()
    spool: Spool = Spool()
    content: Content = Content()
    limits: Limits = Limits()
    login: Login = Login()
    queue: Queue = Queue()
    worker: Worker = Worker()
    actes: Actes = Actes()
    helios: Helios = Helios()
    documents: Documents = Documents()
    antivirus: Antivirus = Antivirus()
    stamp: Stamp = Stamp()
    revocation: Revocation = Revocation()
    conventions: Conventions = Conventions()
    mail: Mail = Mail()
    log: Log = Log()
    credentials: dict[str, Credentials] = {}

    @property
    def revocation_cache(self) -> Path:
        """Where what was fetched is kept: beside the bodies unless it is said elsewhere."""
        return Path(self.revocation.cache or Path(self.spool.directory) / "revocation")


def load(path: Path) -> Config:
    """Read and check the file. Raises ConfigError with every fault found, not only the first."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: {error}"]) from error
    document = _expanded(document)
    faults = [*_faults(document), *_unset(document)]
    if faults:
        raise ConfigError(faults)
    config, faults = _with_secrets(msgspec.convert(document, Config), path.parent)
    faults += _inconsistencies(config)
    if faults:
        raise ConfigError(faults)
    return config


def _faults(document: dict[str, Any]) -> Iterator[str]:
    """Convert section by section, key by key, so that one fault does not hide the others."""
    sections: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Config)}
    for name, value in document.items():
        if name not in sections:
            yield f"[{name}]: unknown section"
        elif not isinstance(value, dict):
            yield f"{name}: must be a section"
        elif name == "credentials":
            for key, table in value.items():
                yield from _section_faults(f"credentials.{key}", Credentials, table)
        else:
            yield from _section_faults(name, sections[name], value)


LITERAL = ("dsn", "owner_dsn", "url", "login", "mailbox_login")
"""Values in which a dollar is a dollar."""
VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


def _expanded(value: Any) -> Any:
    """Environment variables in texts: systemd tells a service its folder of credentials and its instance that way."""
    if isinstance(value, dict):
        return {key: part if key in LITERAL else _expanded(part) for key, part in value.items()}
    return os.path.expandvars(value) if isinstance(value, str) else value


def _unset(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in LITERAL:
                yield from _unset(part, f"{name}.{key}" if name else key)
    elif isinstance(value, str) and (found := VARIABLE.search(value)):
        yield f"{name}: {found[0]} is not set in the environment"


def _section_faults(name: str, section: Any, table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"[{name}]: must be a section"
        return
    types = {field.name: field.type for field in msgspec.structs.fields(section)}
    for key, value in table.items():
        if key not in types:
            yield f"[{name}] {key}: unknown key"
            continue
        try:
            msgspec.convert(value, types[key])
        except msgspec.ValidationError as error:
            yield f"[{name}] {key}: {error}"


def _with_secrets(config: Config, base: Path) -> tuple[Config, list[str]]:
    """Fill the keys whose secret lives in a file of its own (`dsn_file`…); also says which files cannot be read."""
    faults: list[str] = []

    def secret(value: str, name: str) -> str:
        if value or not name:
            return value
        try:
            return (base / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{base / name}: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}")
            return UNREADABLE

    database, queue = config.database, config.queue
    database = msgspec.structs.replace(
        database,
        dsn=secret(database.dsn, database.dsn_file),
        owner_dsn=secret(database.owner_dsn, database.owner_dsn_file),
    )
    queue = msgspec.structs.replace(queue, url=secret(queue.url, queue.url_file))
    return msgspec.structs.replace(config, database=database, queue=queue), faults


UNREADABLE = "?"
"""In place of a secret whose file cannot be read: a fault of its own, not also a missing value."""


def _inconsistencies(config: Config) -> Iterator[str]:
    if not config.database.dsn:
        yield "[database] dsn or dsn_file: missing"
    yield from _server_inconsistencies(config.server)
    for key in ("refresh_seconds", "timeout"):
        if getattr(config.revocation, key) <= 0:
            yield f"[revocation] {key}: must be positive"
    for url in config.revocation.urls:
        if not url.startswith(("http://", "https://")):
            yield f"[revocation] urls: {url!r} is not an http address"
    if config.worker.dead_after_seconds < 2 * config.worker.heartbeat_seconds:
        yield "[worker] dead_after_seconds: must be at least twice heartbeat_seconds"
    for key in ("failures", "window_seconds"):
        if getattr(config.login, key) <= 0:
            yield f"[login] {key}: must be positive"
    for key in ("concurrency", "memory_bytes", "seconds"):
        if getattr(config.documents, key) <= 0:
            yield f"[documents] {key}: must be positive"
    yield from _stamp_inconsistencies(config.stamp)
    yield from _state_inconsistencies(config)
    yield from _authenticity_inconsistencies(config.actes)
    yield from _mail_inconsistencies(config.mail)


def _state_inconsistencies(config: Config) -> Iterator[str]:
    for key in ("posted_alert_minutes", "waiting_alert_hours", "acquit_alert_hours", "silence_alert_hours"):
        if not 0 <= getattr(config.helios, key) <= LONGEST_ALERT:
            yield f"[helios] {key}: must be between 0 (never) and {LONGEST_ALERT}"
    if config.helios.silence_alert_flows < 1:
        yield "[helios] silence_alert_flows: must be at least 1"
    for section in ("actes", "helios"):
        if getattr(config, section).poll_seconds <= 0:
            yield f"[{section}] poll_seconds: must be positive"
    if not -1 <= config.actes.daily_classification_hour <= 23:
        yield "[actes] daily_classification_hour: an hour from 0 to 23, or -1 for never"
    yield from _antivirus_inconsistencies(config.antivirus)


LONGEST_ALERT = 10_000
"""More is a mistake: 0 says never."""


def _stamp_inconsistencies(stamp: Stamp) -> Iterator[str]:
    for key in ("x", "y"):
        if not 0 <= getattr(stamp, key) <= FARTHEST:
            yield f"[stamp] {key}: must be between 0 and {FARTHEST} points"
    if not 0 < stamp.opacity <= 1:
        yield "[stamp] opacity: must be above 0 and at most 1"
    if stamp.logo and not Path(stamp.logo).is_file():
        yield f"[stamp] logo: no file {stamp.logo}"


FARTHEST = 200
"""Points from an edge: farther in, a stamp lies on the text of any page."""


def _server_inconsistencies(server: Server) -> Iterator[str]:
    unix = server.listen.startswith("unix:")
    if server.client_certificate == "nginx" and not unix and not server.trusted_proxies:
        yield '[server] client_certificate = "nginx" is believed on a unix socket, or from trusted_proxies, only'
    for proxy in server.trusted_proxies:
        if not _is_network(proxy):
            yield f"[server] trusted_proxies: {proxy!r} is not an address nor a network"
    if server.tls_minimum > server.tls_maximum:
        yield "[server] tls_minimum: above tls_maximum"
    if bool(server.second_certificate) != bool(server.second_key):
        yield "[server] second_certificate, second_key: both or neither"
    if server.client_certificate == "tls" and unix:
        yield '[server] listen = "unix:…" needs client_certificate = "nginx"'
    if unix and server.processes > 1:
        yield "[server] processes: only one can serve a unix socket; start several, each with its own socket"


CLAMD = re.compile(r"unix:/.+|([^:\s]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")


def _antivirus_inconsistencies(antivirus: Antivirus) -> Iterator[str]:
    if antivirus.address and not CLAMD.fullmatch(antivirus.address):
        yield f'[antivirus] address: {antivirus.address!r} is neither "unix:/path" nor "host:port"'
    if antivirus.timeout <= 0:
        yield "[antivirus] timeout: must be positive"


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _authenticity_inconsistencies(actes: Actes) -> Iterator[str]:
    for network in actes.mail_networks:
        if not _is_network(network):
            yield f"[actes] mail_networks: {network!r} is not an address nor a network"
    for relay in actes.mail_relays:
        # something like an address that is none would be a name that nothing bears
        if not _is_network(relay) and not re.fullmatch(r"\.?([A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]*", relay):
            yield f"[actes] mail_relays: {relay!r} is not an address, a network nor a domain"
    if (actes.mail_relays or actes.authentication_results) and not actes.mail_servers:
        yield "[actes] mail_servers: missing; without the names of our own mail servers no trace header can be believed"
    if actes.authentication_results and not actes.authentication_domains:
        yield "[actes] authentication_domains: missing, as there is authentication_results"
    if actes.authentication_domains and not actes.authentication_results:
        yield "[actes] authentication_results: missing, as there are authentication_domains"


def _mail_inconsistencies(mail: Mail) -> Iterator[str]:
    for address in (*mail.operators, *([mail.sender] if mail.sender else [])):
        if not is_email(address):
            yield f"[mail] {address!r}: not an e-mail address"
    if not mail.host:
        return
    if not mail.sender:
        yield "[mail] sender: missing"
    if not mail.operators:
        yield "[mail] operators: missing; nobody else is told of the end of the server's own certificates"
    if mail.login and mail.tls == "none":
        yield '[mail] tls = "none" would send the password in clear'
    if mail.login and not mail.password_file:
        yield "[mail] password_file: missing, as there is a login"
    if mail.timeout <= 0:
        yield "[mail] timeout: must be positive"
    if mail.attachment_bytes < 0:
        yield "[mail] attachment_bytes: must not be negative"
    if not 0 <= mail.digest_hour <= 23:
        yield "[mail] digest_hour: an hour of the day, 0 to 23"


SECRETS = ("dsn", "owner_dsn", "url")


def describe(config: Config) -> str:
    """The configuration in force, one key a line, secrets hidden."""
    lines = []
    for section, values in msgspec.to_builtins(config).items():
        for key, value in values.items():
            lines.append(f"{section}.{key} = {'***' if key in SECRETS and value else value!r}")
    return "\n".join(lines)
