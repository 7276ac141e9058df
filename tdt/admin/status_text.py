"""`tdt status` as one screen for a terminal; instants in Paris."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tdt.domain.balance_text import write_moves
from tdt.domain.calendar import PARIS
from tdt.domain.status import Facts, Inside, Outside, Point, RouteState, minutes

GIB = 1 << 30
MODULES = {"actes": "ACTES", "helios": "HELIOS"}


def headline(points: list[Point]) -> str:
    """The first line: is all well?"""
    if not points:
        return "Tout va bien"
    return "1 point demande une action" if len(points) == 1 else f"{len(points)} points demandent une action"


def lines_of(facts: Facts, points: list[Point]) -> Iterator[str]:
    """The whole screen, what is to be done first."""
    yield headline(points)
    for point in points:
        yield f"  - {point.cause}"
        yield f"      → {point.command}"
    yield ""
    yield from _outside(facts.outside, facts.now)
    if facts.inside is not None and not facts.inside.base.pending:
        yield from _inside(facts.inside, facts)


def _outside(seen: Outside, now: datetime) -> Iterator[str]:
    for address, fault in seen.servers.items():
        yield _pair("Processus", f"{address} : {fault or 'prêt'}")
    if seen.broker is not None:
        yield _pair("Courtier", seen.broker or "répond")
    disk = seen.disk
    yield _pair("Dépôt local", f"{disk.directory} : {disk.free // GIB} Gio libres sur {disk.total // GIB}")
    first = min((one for one in seen.endings if one.ends_at and not one.begins_at), key=_end, default=None)
    if first is not None:
        yield _pair("Certificat", f"le premier à finir : {first.name}, dans {first.days_left(now)} jour(s)")


def _end(one: object) -> datetime:
    ends_at = getattr(one, "ends_at", None)
    assert isinstance(ends_at, datetime)
    return ends_at


def _inside(seen: Inside, facts: Facts) -> Iterator[str]:
    base = seen.base
    yield _pair("Base", f"PostgreSQL {base.version}, rôle {base.role}, {base.connections}/{base.most} connexions")
    yield _pair("Veilleur", _ago(seen.pass_at, facts.now))
    alive = sum(facts.now - one.seen_at < facts.silence for one in seen.workers)
    yield _pair("Travail", f"{alive} processus")
    yield from _queues(seen, facts.now)
    yield _pair("En attente", f"{seen.held} retenu(s), {seen.uncertain} envoi(s) incertain(s)")
    for day in seen.days:
        yield _pair(f"{MODULES[day.module]} du jour", write_moves(day))
    for route in seen.routes:
        yield _pair("Route", _route(route, facts.now))
    unsigned = f", {seen.balances_unsigned} sans signature" if seen.balances_unsigned else ""
    yield _pair("Soldes", f"{seen.balanced_on or 'aucun'}{unsigned}")
    last = seen.verification
    told = f"{_ago(last.ended_at, facts.now)}, {last.bodies} contenus, {last.faults} défaut(s)" if last else "jamais"
    yield _pair("Vérification", told)


def _queues(seen: Inside, now: datetime) -> Iterator[str]:
    for one in seen.queues:
        parts = [("dus", one.due), ("en cours", one.running), ("plus tard", one.later), ("mis de côté", one.dead)]
        told = ", ".join(f"{count} {name}" for name, count in parts if count)
        oldest = f", le plus ancien dû depuis {minutes(now - one.oldest)}" if one.oldest else ""
        yield _pair("File", f"{one.kind}{' (gros)' if one.large else ''} : {told}{oldest}")


def _route(route: RouteState, now: datetime) -> str:
    told = [f"{route.name}{' (essai)' if route.test else ''} : dernier envoi {_ago(route.sent_at, now)}"]
    told.append(f"dernière réception {_ago(route.received_at, now)}, relevée {_ago(route.heard_at, now)}")
    if route.error:
        told.append(f"échec {_ago(route.failed_at, now)} : {route.error}")
    if route.closed:
        told.append("fermée par une fenêtre")
    if route.breaker is not None:
        told.append(f"disjoncteur ouvert {_ago(route.breaker, now)}")
    return ", ".join(told)


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "jamais"
    if now - at < timedelta(days=1):
        return f"il y a {minutes(now - at)}"
    return f"le {at.astimezone(PARIS):%d/%m/%Y %H:%M}"


def _pair(name: str, value: str) -> str:
    return f"{name:<14} {value}"
