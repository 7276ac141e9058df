"""Is all well? Facts of the installation at one instant, and what asks an operator for a gesture: cause, command."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tdt.domain.breaker import Remote
from tdt.domain.expiry import Ending
from tdt.domain.limits import RULES, TOLD_ELSEWHERE, Late

WATCHED = timedelta(minutes=2)
"""Without a pass of the watchdog for longer, nothing proves that nothing is late."""
FREE_PERCENT = 10
"""Of the disk of the spool."""
DAYS_LEFT = 30
"""A certificate that ends sooner asks for a renewal."""


@dataclass(frozen=True, slots=True)
class Point:
    """What asks for a gesture: a stable code, the cause in French, the command that shows or mends it."""

    code: str
    cause: str
    command: str


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the spool is."""

    directory: str
    writable: bool
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Outside:
    """What is seen without the database. `servers`: a health address and what it answers, empty when all is well.

    `broker`: None when none is configured, else its fault, empty when it answers. `endings`: the files of the
    configuration that end.
    """

    database: str
    servers: Mapping[str, str]
    broker: str | None
    disk: Disk
    endings: Sequence[Ending] = ()


@dataclass(frozen=True, slots=True)
class Base:
    """The database: its version, who we are in it, what limits that role should not escape, its connections."""

    version: str
    role: str
    escapes: bool
    pending: int
    connections: int
    most: int


@dataclass(frozen=True, slots=True)
class Worker:
    name: str
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """Jobs of a kind and size: due now, for later, in hand, set aside; since when the oldest is due."""

    kind: str
    large: bool
    due: int
    later: int
    running: int
    dead: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class RouteState:
    """A route: how it sends and hears. `closed`: a window lets nothing leave now. `breaker`: since when it is open."""

    id: int
    name: str
    kind: str
    test: bool
    sent_at: datetime | None
    received_at: datetime | None
    heard_at: datetime | None
    failed_at: datetime | None
    error: str
    closed: bool = False
    breaker: datetime | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """Alerts that are open, of a kind and rule: how many, since when, about what first."""

    kind: str
    rule: str
    count: int
    since: datetime
    subject: str


@dataclass(frozen=True, slots=True)
class Day:
    """What became of the deposits since midnight in Paris, and what waits now for an answer of the State."""

    module: str
    deposited: int
    sent: int
    acknowledged: int
    refused: int
    awaited: int


@dataclass(frozen=True, slots=True)
class Verification:
    ended_at: datetime
    bodies: int
    faults: int


@dataclass(frozen=True, slots=True)
class Inside:
    """What the database says. `box`: receptions that wait, by reason; `late`: counts of the last pass, by rule.
    `breakers`: those that are open, by remote and route, and since when, but for maintenance that was announced.
    `behind`: how many pieces of work wait behind each that is open.
    `doubts`: sendings in doubt, set aside until an operator decides."""

    base: Base
    pass_at: datetime | None = None
    late: Mapping[str, int] = field(default_factory=dict)
    workers: Sequence[Worker] = ()
    queues: Sequence[Queue] = ()
    held: int = 0
    uncertain: int = 0
    doubts: int = 0
    box: Mapping[str, int] = field(default_factory=dict)
    sirets: int = 0
    routes: Sequence[RouteState] = ()
    alerts: Sequence[Open] = ()
    days: Sequence[Day] = ()
    verification: Verification | None = None
    breakers: Mapping[str, datetime] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)
    balanced_on: str | None = None
    balances_late: int = 0
    balances_unsigned: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """At one instant; `inside` is None while the database is away. `silence`: after which a worker counts as dead."""

    now: datetime
    outside: Outside
    inside: Inside | None
    silence: timedelta


WORKERS = "systemctl status 'tdt-worker@*'"
JOURNAL = "journalctl -u 'tdt-worker@*' --since -1h"
SERVERS = "systemctl status 'tdt-web@*' 'tdt-worker@*'"
COMMANDS: Mapping[Late, str] = {
    Late.ACTE_UNANSWERED: "tdt admin actes unanswered",
    Late.HELIOS_POSTED: "tdt admin helios list --state 1",
    Late.HELIOS_WAITING: "tdt admin helios list --state 2",
    Late.HELIOS_ACQUIT: "tdt admin helios list --state 3",
    Late.JOB_OVERDUE: WORKERS,
    Late.JOB_RUNNING: JOURNAL,
    Late.JOB_RETRYING: JOURNAL,
    Late.JOB_DEAD: "tdt requeue",
    Late.SPOOL: f"{JOURNAL} --grep content.archive",
    Late.UNCERTAIN: "tdt release",
    Late.RECEIVED: f"{JOURNAL} --grep job.failed",
    Late.BOX: "tdt box list",
    Late.NOTICES: f"{JOURNAL} --grep notice.send",
    Late.ACTE_MAILS: f"{JOURNAL} --grep acte.notify",
    Late.LISTENER: f"{JOURNAL} --grep route.listen_failed",
}
"""What shows why, by rule; of the others, the oldest flow: `tdt flow`."""
RECOUNTED = "full"
"""Rule of the imbalances that only a full recount sees: the daily balance does not show them."""
ALERTS: Mapping[str, tuple[str, str]] = {
    "balance": ("Soldes qui ne tombent pas juste : {}", "tdt reconcile"),
    "digest": ("Contenus conservés qui ne sont plus ceux qui ont été reçus : {}", "tdt verify --show"),
    "restore": ("La base a été restaurée : rien ne part avant votre confirmation", "tdt admin restore show"),
}
"""By kind of alert."""
BREAKER = "breaker"
"""Alerts of this kind are told as the breakers that are open."""
TOLD_HERE = frozenset({Late.JOB_DEAD, Late.BOX})
"""Counted as they are now: an alert about them would say it twice."""


def judge(facts: Facts) -> list[Point]:
    """Everything that asks for a gesture, what stops the most first."""
    points = list(_outside(facts))
    if facts.inside is not None:
        points += _inside(facts.inside, facts)
    return points


def _outside(facts: Facts) -> Iterator[Point]:
    seen = facts.outside
    if seen.database:
        yield Point(
            "BASE_ABSENTE", f"La base de données ne répond pas : {seen.database}", "systemctl status postgresql"
        )
    for address, fault in seen.servers.items():
        if fault and not (seen.database and fault.startswith("database")):
            yield Point("SERVEUR", f"{address} : {fault}", SERVERS)
    if seen.broker:
        cause = f"Le courtier ne répond pas ({seen.broker}) : Postgres rappelle les travaux, moins vite"
        yield Point("COURTIER", cause, "systemctl status rabbitmq-server")
    disk = seen.disk
    if not disk.writable:
        yield Point(
            "DEPOT_LOCAL", f"Le dépôt local {disk.directory} n'accepte aucune écriture", f"ls -ld {disk.directory}"
        )
    if disk.free * 100 < disk.total * FREE_PERCENT:
        percent = disk.free * 100 // max(disk.total, 1)
        yield Point("DISQUE", f"Il ne reste que {percent} % du disque de {disk.directory}", f"df -h {disk.directory}")
    yield from _endings(seen.endings, facts.now)


def _endings(endings: Sequence[Ending], now: datetime) -> Iterator[Point]:
    unreadable = [one for one in endings if one.ends_at is None]
    if unreadable:
        cause = f"Certificats ou listes illisibles : {len(unreadable)}, dont {unreadable[0].name}"
        yield Point("CERTIFICAT_ILLISIBLE", cause, "tdt certificates")
    for one in endings:
        left = one.days_left(now)
        if left is None or one.ends_at is None:
            continue
        over = one.ends_at < now
        if over or (left <= DAYS_LEFT and one.begins_at is None):  # a list is renewed all the time
            when = f"a pris fin le {one.ends_on:%d/%m/%Y}" if over else f"prend fin dans {left} jour(s)"
            yield Point("CERTIFICAT", f"{one.name} ({one.kind}) {when}", "tdt certificates")


def _inside(seen: Inside, facts: Facts) -> Iterator[Point]:
    if seen.base.pending:
        yield Point("MIGRATIONS", f"Migrations à appliquer : {seen.base.pending}", "systemctl start tdt-migrate")
        return
    if seen.base.escapes:
        cause = (
            f"Le rôle {seen.base.role} échappe à la sécurité par ligne : l'isolation des collectivités ne tient plus"
        )
        yield Point("ROLE", cause, f'psql -c "alter role {seen.base.role} nosuperuser nobypassrls"')
    if seen.base.connections * 10 >= seen.base.most * 9:
        cause = f"Connexions de la base : {seen.base.connections} sur {seen.base.most}"
        yield Point("CONNEXIONS", cause, "tdt check-config")
    yield from _workers(seen, facts)
    yield from _alerts(seen)
    for remote, since in seen.breakers.items():
        waits = "ce qui doit en venir y attend" if remote.startswith(Remote.RECEPTION) else "ce qui doit y aller attend"
        count = seen.behind.get(remote, 0)
        cause = f"{remote} ne répond pas depuis {minutes(facts.now - since)} : {waits}" + (
            f" ({count})" if count else ""
        )
        yield Point("DISJONCTEUR", cause, "tdt admin breakers list")
    if seen.doubts:
        yield Point("ENVOI_INCERTAIN", f"Envois incertains, à trancher : {seen.doubts}", "tdt release")
    dead = sum(one.dead for one in seen.queues) - seen.doubts
    if dead > 0:
        yield Point("MIS_DE_COTE", f"Travaux mis de côté : {dead}", "tdt requeue")
    if seen.box:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(seen.box.items()))
        yield Point("BOITE", f"Reçu de l'État et à attribuer : {sum(seen.box.values())} ({reasons})", "tdt box list")
    if seen.sirets:
        yield Point("SIRETS", f"SIRET proposés par des flux : {seen.sirets}", "tdt admin sirets proposals list")
    if seen.balances_late:
        cause = f"Collectivités dont les soldes ont plus d'un jour de retard : {seen.balances_late}"
        yield Point("SOLDES_EN_RETARD", cause, f"{JOURNAL} --grep balances")


def _workers(seen: Inside, facts: Facts) -> Iterator[Point]:
    alive = [one for one in seen.workers if facts.now - one.seen_at < facts.silence]
    if not alive:
        yield Point("TRAVAIL_ARRETE", "Aucun processus de travail ne vit : rien ne part, rien n'est relevé", WORKERS)
    if seen.pass_at is None or facts.now - seen.pass_at > WATCHED:
        since = "jamais" if seen.pass_at is None else f"il y a {minutes(facts.now - seen.pass_at)}"
        yield Point("VEILLEUR", f"Dernier passage du veilleur : {since} (chaque minute)", f"{JOURNAL} --grep watchdog")


def _alerts(seen: Inside) -> Iterator[Point]:
    for one in seen.alerts:
        if one.kind == "late" and one.rule in RULES:
            late = Late(one.rule)
            if late not in TOLD_HERE:
                command = COMMANDS.get(late, f"tdt flow {one.subject}")
                # the alerts of a crowd are fewer than what is late: the last pass has counted all
                count = max(one.count, seen.late.get(late, 0))
                yield Point(f"RETARD:{late}", f"{RULES[late].what} : {count}", command)
            continue
        if one.kind == BREAKER:
            continue
        if one.kind == "balance" and one.rule == RECOUNTED:
            only = f" --authority {one.subject.split(':')[1]}" if one.count == 1 else ""
            cause = f"Soldes qui ne tombent pas juste, qu'un recomptage entier seul montre : {one.count}"
            yield Point("ALERTE:balance", cause, f"tdt reconcile --full{only}")
            continue
        cause, command = ALERTS.get(one.kind, (f"Alerte « {one.kind} » sur {one.subject} : {{}}", "tdt status --json"))
        yield Point(f"ALERTE:{one.kind}", cause.format(one.count), command)
    for late in sorted(TOLD_ELSEWHERE):
        if count := seen.late.get(late, 0):
            yield Point(f"RETARD:{late}", f"{RULES[late].what} : {count}", COMMANDS[late])


def minutes(age: timedelta) -> str:
    """How long, for people: seconds, minutes, hours or days."""
    seconds = max(int(age.total_seconds()), 0)
    for unit, size in (("j", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
