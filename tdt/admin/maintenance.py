"""`tdt admin maintenance`: when the State takes nothing, as it announced."""

from pathlib import Path
from typing import Any

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.admin.windows import INSTANT
from tdt.db.windows import list_closings
from tdt.deps import Deps
from tdt.domain.calendar import PARIS
from tdt.domain.errors import Refused
from tdt.domain.ids import RouteId
from tdt.domain.maintenance import read_ics, read_tsv
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import Window
from tdt.flows import transmission as flow

KIND = click.argument("kind", type=click.Choice([str(one) for one in RouteKind]))
ROUTE = click.option("--route", type=int, help="Cette route seulement ; toutes celles du module sinon.")
UNREADABLE = "Ce fichier n'est pas du texte UTF-8."


@click.group("maintenance")
def maintenance() -> None:
    """Calendrier des fermetures annoncées par l'État : rien ne part, rien n'est en retard."""


@maintenance.command("list")
@CONFIG
@JSON
def list_all(path: Path, as_json: bool) -> None:
    """Tout le calendrier, passé compris."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_closings(connection)
        return [
            {
                "id": one.window.id,
                "kind": str(one.kind) if one.kind is not None else None,
                "route": one.route,
                "from": one.window.starts_at.astimezone(PARIS),
                "until": one.window.ends_at.astimezone(PARIS) if one.window.ends_at is not None else None,
                "days": sorted(one.window.days),
                "hours": f"{one.window.from_hour}-{one.window.to_hour}",
                "reason": one.window.reason,
                "announced_by": one.window.announced_by,
                "now": one.window.applies(deps.now()),
            }
            for one in found
        ]

    show(run(path, work), as_json)


@maintenance.command("add")
@KIND
@ROUTE
@click.option("--from", "starts_at", type=INSTANT, required=True, help="Premier instant, à l'heure de Paris.")
@click.option("--until", "ends_at", type=INSTANT, help="Fin ; sinon jusqu'à ce qu'elle soit retirée.")
@click.option("--day", "days", multiple=True, type=int, help="1 (lundi) à 7 ; à répéter ; tous sinon.")
@click.option("--from-hour", default=0, show_default=True, type=int, help="Première heure de la journée.")
@click.option("--to-hour", default=24, show_default=True, type=int, help="Heure à laquelle elle s'arrête.")
@click.option("--reason", default="", help="Pourquoi : montré à côté de ce qui attend.")
@click.option("--by", "announced_by", default="", help="Qui l'a annoncée.")
@CONFIG
def add(kind: str, route: int | None, path: Path, days: tuple[int, ...], **given: Any) -> None:
    """Déclarer une fermeture annoncée."""
    end = given.pop("ends_at")
    starts_at, ends_at = given.pop("starts_at").replace(tzinfo=PARIS), end.replace(tzinfo=PARIS) if end else None
    new = Window(0, starts_at=starts_at, ends_at=ends_at, days=frozenset(days), **given)
    _write(path, kind, route, [new])


@maintenance.command("import")
@KIND
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@ROUTE
@CONFIG
def import_file(kind: str, file: Path, route: int | None, path: Path) -> None:
    """Lire des fermetures dans un fichier .ics ou TSV : toutes ou aucune."""
    try:
        text = file.read_text(encoding="utf-8")
        new = read_ics(text) if "BEGIN:VCALENDAR" in text else read_tsv(text)
    except UnicodeDecodeError as error:
        raise click.ClickException(UNREADABLE) from error
    except Refused as error:
        raise click.ClickException(error.message) from error
    _write(path, kind, route, new)


def _write(path: Path, kind: str, route: int | None, new: list[Window]) -> None:
    one = RouteId(route) if route is not None else None
    of = RouteKind(kind) if route is None else None
    numbers = run(path, lambda deps: flow.add_closings(deps, operator(), one, of, new))
    click.echo(f"{len(numbers)} fermeture(s) enregistrée(s), {len(new) - len(numbers)} déjà connue(s).")


@maintenance.command("remove")
@click.argument("window", type=int)
@CONFIG
def remove(window: int, path: Path) -> None:
    """Retirer une fermeture : ce qui attendait part, ou attend selon celles qui restent."""
    run(path, lambda deps: flow.remove_window(deps, operator(), window))
    click.echo("La fermeture est retirée.")
