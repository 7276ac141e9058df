"""The configuration as the program sees it: frozen, passed. `config_file` reads it, `config_checks` judges it.

Every key is documented, with its default, unit and effect, in conf/tdt.toml.example.
"""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

import msgspec

from tdt.domain.actes.authenticity import MailRules
from tdt.domain.breaker import Rules
from tdt.domain.conventions import Policy
from tdt.domain.helios.alerts import AlertLimits
from tdt.domain.limits import Ages, Late


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
    connections: int = 8_000
    backlog: int = 1_024
    idle_seconds: float = 75.0
    handshake_seconds: float = 30.0
    stall_seconds: float = 60.0
    slowest_bytes: int = 500
    shutdown_seconds: float = 30.0

    def health_of(self, index: int) -> str:
        """The health address of one of several processes: the first has that of the configuration."""
        if index == 0:
            return self.health
        if self.health.startswith("unix:"):
            return f"{self.health}.{index}"
        host, _, port = self.health.rpartition(":")
        return f"{host}:{int(port) + index}"


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


class Watchdog(Section, frozen=True):
    """How old each state may become before an operator is told; 0: never."""

    posted_minutes: float = 20.0
    waiting_hours: float = 4.0
    held_days: float = 7.0
    letter_hours: float = 4.0
    agent_days: float = 30.0
    archiving_days: float = 60.0
    overdue_minutes: float = 15.0
    running_minutes: float = 120.0
    retrying_hours: float = 24.0
    spool_minutes: float = 60.0
    uncertain_minutes: float = 30.0
    received_minutes: float = 30.0
    box_days: float = 2.0
    mail_hours: float = 4.0
    listener_minutes: float = 20.0


class Worker(Section, frozen=True):
    concurrency: int = 8
    health: str = "127.0.0.1:9102"
    poll_seconds: float = 5.0
    heartbeat_seconds: float = 2.0
    dead_after_seconds: float = 7.0
    takeovers: int = 5
    large_bytes: int = 10_000_000
    large_concurrency: int = 1
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


class Signing(Section, frozen=True):
    """What the platform signs with, PEM; files are read at each use. Without certificate nothing is signed."""

    certificate: str = ""
    key: str = ""


class Balances(Section, frozen=True):
    """When the balances of the day before are made: from this hour of Paris on, spread over some hours."""

    from_hour: int = 1
    spread_hours: float = 3.0


class Breaker(Section, frozen=True):
    failures: int = 5
    probe_seconds: float = 5.0
    longest_seconds: float = 300.0
    alert_minutes: float = 15.0

    @property
    def rules(self) -> Rules:
        """As the decisions read it."""
        return Rules(self.failures, timedelta(seconds=self.probe_seconds), timedelta(seconds=self.longest_seconds))


class Tests(Section, frozen=True):
    """Of a platform of tests: refused where an active route goes to the State itself."""

    crash_points: bool = False


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
    watchdog: Watchdog = Watchdog()
    actes: Actes = Actes()
    helios: Helios = Helios()
    documents: Documents = Documents()
    antivirus: Antivirus = Antivirus()
    stamp: Stamp = Stamp()
    revocation: Revocation = Revocation()
    conventions: Conventions = Conventions()
    breaker: Breaker = Breaker()
    mail: Mail = Mail()
    signing: Signing = Signing()
    balances: Balances = Balances()
    log: Log = Log()
    tests: Tests = Tests()
    credentials: dict[str, Credentials] = {}

    @property
    def ages(self) -> Ages:
        """How old each state may become, as the rules read it."""
        own = self.watchdog
        found = {
            Late.ACTE_POSTED: timedelta(minutes=own.posted_minutes),
            Late.ACTE_WAITING: timedelta(hours=own.waiting_hours),
            Late.ACTE_HELD: timedelta(days=own.held_days),
            Late.ACTE_UNANSWERED: timedelta(hours=self.actes.unanswered_hours),
            Late.ACTE_LETTER: timedelta(hours=own.letter_hours),
            Late.ACTE_AGENT: timedelta(days=own.agent_days),
            Late.ACTE_ARCHIVING: timedelta(days=own.archiving_days),
            Late.HELIOS_AGENT: timedelta(days=own.agent_days),
            Late.HELIOS_ARCHIVING: timedelta(days=own.archiving_days),
            Late.JOB_OVERDUE: timedelta(minutes=own.overdue_minutes),
            Late.JOB_RUNNING: timedelta(minutes=own.running_minutes),
            Late.JOB_RETRYING: timedelta(hours=own.retrying_hours),
            Late.SPOOL: timedelta(minutes=own.spool_minutes),
            Late.UNCERTAIN: timedelta(minutes=own.uncertain_minutes),
            Late.RECEIVED: timedelta(minutes=own.received_minutes),
            Late.BOX: timedelta(days=own.box_days),
            Late.NOTICES: timedelta(hours=own.mail_hours),
            Late.ACTE_MAILS: timedelta(hours=own.mail_hours),
            Late.LISTENER: timedelta(minutes=own.listener_minutes),
        }
        # what is set aside stands still at once
        return {kind: age for kind, age in found.items() if age} | {Late.JOB_DEAD: timedelta()}

    @property
    def revocation_cache(self) -> Path:
        """Where what was fetched is kept: beside the bodies unless it is said elsewhere."""
        return Path(self.revocation.cache or Path(self.spool.directory) / "revocation")


SECRETS = ("dsn", "owner_dsn", "url")


def describe(config: Config) -> str:
    """The configuration in force, one key a line, secrets hidden."""
    lines = []
    for section, values in msgspec.to_builtins(config).items():
        for key, value in values.items():
            lines.append(f"{section}.{key} = {'***' if key in SECRETS and value else value!r}")
    return "\n".join(lines)
