"""`tdt admin routes`: the ways to the State."""

import json
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.admin.route_switches import switch
from tdt.admin.windows import windows
from tdt.db.routes import NewRoute, list_routes
from tdt.deps import Deps
from tdt.domain.errors import Refused
from tdt.domain.ids import RouteId
from tdt.domain.routes import RouteKind, Transport
from tdt.flows import routes as flow

ROUTE = click.argument("route", type=int)
SETTING = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NOM=VALEUR",
    help="Un réglage de la route (docs/architecture.md, « Routes to the State ») ; à répéter.",
)


@click.group("routes")
def routes() -> None:
    """Routes vers l'État : préfecture (ACTES), DGFiP (HELIOS)."""


routes.add_command(windows)
routes.add_command(switch)


@routes.command("list")
@CONFIG
@JSON
def list_all(path: Path, as_json: bool) -> None:
    """Toutes les routes : collectivités qui les prennent aujourd'hui, envois en attente, envois sans réponse."""
    show(run(path, lambda deps: _rows(deps, as_json)), as_json)


@routes.command("show")
@ROUTE
@CONFIG
@JSON
def show_route(route: int, path: Path, as_json: bool) -> None:
    """Une route et ses réglages."""

    async def work(deps: Deps) -> Row:
        for row in await _rows(deps, with_settings=True):
            if row["id"] == route:
                return row
        raise Refused(flow.UNKNOWN)

    show_one(run(path, work), as_json)


async def _rows(deps: Deps, with_settings: bool) -> list[Row]:
    async with deps.transaction("system") as connection:
        found = await list_routes(connection)
    rows: list[Row] = []
    for one in found:
        row: dict[str, object] = {
            "id": one.id,
            "kind": one.kind,
            "transport": one.transport,
            "name": one.name,
            "credentials": one.credentials,
            "test": one.test,
            "active": one.active,
            "authorities": one.authorities,
            "waiting": one.waiting,
            "unanswered": one.unanswered,
        }
        if with_settings:
            row["settings"] = one.settings
        rows.append(row)
    return rows


@routes.command("create")
@CONFIG
@click.option("--kind", required=True, type=click.Choice([str(kind) for kind in RouteKind]), help="Ce qu'elle porte.")
@click.option(
    "--transport", required=True, type=click.Choice([str(one) for one in Transport]), help="Comment elle le porte."
)
@click.option("--name", required=True, help="Son nom.")
@click.option("--credentials", default="", help="Section [credentials.NOM] de la configuration.")
@click.option("--test", is_flag=True, help="Une plateforme d'essai de l'État, ou un simulateur.")
@SETTING
def create(path: Path, settings: tuple[str, ...], test: bool, **given: str) -> None:
    """Enregistrer une route, ouverte aussitôt."""
    new = NewRoute(
        RouteKind(given["kind"]),
        Transport(given["transport"]),
        given["name"],
        _settings(settings),
        given["credentials"],
        test,
    )
    route = run(path, lambda deps: flow.create(deps, operator(), new))
    click.echo(f"La route a été créée (id={route}).")


def _settings(given: tuple[str, ...]) -> dict[str, object]:
    """Values as JSON writes them (numbers, true, lists), else as text."""
    read: dict[str, object] = {}
    for one in given:
        name, equal, value = one.partition("=")
        if not equal or not name:
            raise click.UsageError(f"« {one} » n'est pas de la forme NOM=VALEUR.")
        try:
            read[name] = json.loads(value)
        except ValueError:
            read[name] = value
    return read


@routes.command("modify")
@ROUTE
@SETTING
@CONFIG
def modify(route: int, settings: tuple[str, ...], path: Path) -> None:
    """Changer des réglages d'une route ; les autres restent."""
    read = _settings(settings)
    run(path, lambda deps: flow.modify(deps, operator(), RouteId(route), settings=read))
    click.echo("La route a été modifiée.")


@routes.command("close")
@ROUTE
@CONFIG
def close(route: int, path: Path) -> None:
    """Fermer une route : rien n'y part, rien n'y est relevé ; ce qui doit partir attend."""

    async def work(deps: Deps) -> int:
        await flow.modify(deps, operator(), RouteId(route), active=False)
        async with deps.transaction("system") as connection:
            return next(one.unanswered for one in await list_routes(connection) if one.id == route)

    unanswered = run(path, work)
    click.echo("La route est fermée.")
    if unanswered:
        click.echo(f"{unanswered} envoi(s) partis par elle n'ont pas encore de réponse, qui n'est plus relevée.")


@routes.command("open")
@ROUTE
@CONFIG
def reopen(route: int, path: Path) -> None:
    """Rouvrir une route."""
    run(path, lambda deps: flow.modify(deps, operator(), RouteId(route), active=True))
    click.echo("La route est ouverte.")
