"""`tdt admin routes switch`: collectivités that change routes on a date."""

from datetime import datetime
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.deps import Deps
from tdt.domain.ids import AuthorityId, RouteId
from tdt.flows import route_switches as flow

ON = click.option(
    "--on", type=click.DateTime(formats=["%Y-%m-%d"]), required=True, help="Le premier jour de la nouvelle route."
)
ONLY = click.option(
    "--authority", "only", type=int, multiple=True, help="Une collectivité ; à répéter ; toutes si rien n'est dit."
)


@click.group("switch")
def switch() -> None:
    """Faire passer des collectivités d'une route à une autre, à une date. L'ancienne reste relevée."""


@switch.command("plan")
@click.argument("old", type=int)
@click.argument("new", type=int)
@ON
@ONLY
@CONFIG
def plan(old: int, new: int, on: datetime, only: tuple[int, ...], path: Path) -> None:
    """Les collectivités de la route OLD prendront la route NEW ; ce qui n'est pas encore parti y partira aussi."""
    ways = (RouteId(old), RouteId(new))
    chosen = [AuthorityId(one) for one in only]
    moved = run(path, lambda deps: flow.plan(deps, operator(), ways, on.date(), chosen))
    click.echo(f"{len(moved)} collectivité(s) prendront la route {new} le {on:%d/%m/%Y}.")
    click.echo(f"Laissez la route {old} ouverte tant qu'elle a des réponses à rendre (« tdt admin routes list »).")


@switch.command("list")
@CONFIG
@JSON
def list_planned(path: Path, as_json: bool) -> None:
    """Les changements prévus."""

    async def work(deps: Deps) -> list[Row]:
        return [
            {
                "on": one.on,
                "kind": one.kind,
                "authority_id": one.authority_id,
                "authority": one.authority,
                "from": one.from_id,
                "from_name": one.from_name,
                "to": one.to_id,
                "to_name": one.to_name,
            }
            for one in await flow.list_to_come(deps, operator())
        ]

    show(run(path, work), as_json)


@switch.command("cancel")
@click.argument("new", type=int)
@ON
@ONLY
@CONFIG
def cancel(new: int, on: datetime, only: tuple[int, ...], path: Path) -> None:
    """Renoncer à un changement prévu vers la route NEW : la route d'avant continue."""
    chosen = [AuthorityId(one) for one in only]
    given_up = run(path, lambda deps: flow.cancel(deps, operator(), RouteId(new), on.date(), chosen))
    click.echo(f"{len(given_up)} changement(s) abandonné(s).")
