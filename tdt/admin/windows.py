"""`tdt admin routes windows`: how fast a route takes what leaves, and when it takes nothing."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.db.windows import list_windows
from tdt.deps import Deps
from tdt.domain.calendar import PARIS
from tdt.domain.ids import RouteId
from tdt.domain.transmission import Window
from tdt.flows import transmission as flow

INSTANT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"])


@click.group("windows")
def windows() -> None:
    """Fenêtres de transmission d'une route : son débit en octets par heure, ses indisponibilités."""


@windows.command("list")
@click.argument("route", type=int)
@CONFIG
@JSON
def list_all(route: int, path: Path, as_json: bool) -> None:
    """Les fenêtres d'une route, passées, présentes et à venir."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_windows(connection, RouteId(route))
        now = deps.now()
        return [_row(one, now) for one in found]

    show(run(path, work), as_json)


def _row(one: Window, now: datetime) -> Row:
    return {
        "id": one.id,
        "bytes_per_hour": one.bytes_per_hour,
        "starts_at": one.starts_at.astimezone(PARIS),
        "ends_at": one.ends_at.astimezone(PARIS) if one.ends_at is not None else None,
        "days": sorted(one.days),
        "hours": f"{one.from_hour}-{one.to_hour}",
        "reason": one.reason,
        "now": one.applies(now),
    }


@windows.command("add")
@click.argument("route", type=int)
@click.option("--rate", "bytes_per_hour", required=True, type=int, help="Octets par heure ; 0 : rien ne part.")
@click.option("--from", "starts_at", type=INSTANT, help="Premier instant, à l'heure de Paris ; maintenant sinon.")
@click.option("--until", "ends_at", type=INSTANT, help="Instant de fin ; jusqu'à ce qu'elle soit retirée sinon.")
@click.option(
    "--day", "days", multiple=True, type=int, help="Jour de la semaine, 1 (lundi) à 7 ; à répéter ; tous sinon."
)
@click.option("--from-hour", default=0, show_default=True, type=int, help="Première heure de la journée.")
@click.option("--to-hour", default=24, show_default=True, type=int, help="Heure à laquelle elle s'arrête.")
@click.option("--reason", default="", help="Pourquoi : montré à côté de ce qui attend.")
@CONFIG
def add(route: int, path: Path, days: tuple[int, ...], **given: Any) -> None:
    """Limiter le débit d'une route, ou la fermer pour un temps ; ce qui doit partir attend son tour."""

    async def work(deps: Deps) -> int:
        starts_at, ends_at = _paris(given.pop("starts_at")), _paris(given.pop("ends_at"))
        new = Window(starts_at=starts_at or deps.now(), ends_at=ends_at, days=frozenset(days), **given)
        return await flow.add_window(deps, operator(), RouteId(route), new)

    click.echo(f"La fenêtre est enregistrée (id={run(path, work)}).")


def _paris(typed: datetime | None) -> datetime | None:
    return typed.replace(tzinfo=PARIS) if typed is not None else None


@windows.command("remove")
@click.argument("window", type=int)
@CONFIG
def remove(window: int, path: Path) -> None:
    """Retirer une fenêtre : ce qui attendait part, ou attend selon celles qui restent."""
    run(path, lambda deps: flow.remove_window(deps, operator(), window))
    click.echo("La fenêtre est retirée.")
