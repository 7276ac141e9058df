"""`tdt admin breakers`: who does not answer, and what an operator may decide about it."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.db.breakers import Place
from tdt.deps import Deps
from tdt.domain.breaker import Remote
from tdt.domain.calendar import PARIS
from tdt.domain.ids import RouteId
from tdt.flows import breakers as flow

REMOTE = click.argument("remote", type=click.Choice([str(one) for one in Remote]))
ROUTE = click.option("--route", type=int, help="La route, pour actes, helios et reception.")


@click.group("breakers")
def breakers() -> None:
    """Disjoncteurs : un distant qui ne répond pas est laissé en paix, ce qui doit y aller attend."""


@breakers.command("list")
@CONFIG
@JSON
def list_all(path: Path, as_json: bool) -> None:
    """Tous ceux qui ont déjà compté un échec."""

    async def work(deps: Deps) -> list[Row]:
        now = deps.now()
        return [
            {
                "remote": str(one.place.remote),
                "route": one.place.route,
                "name": one.route,
                "state": one.breaker.state(now),
                "failures": one.breaker.failures + one.breaker.probes,
                "since": one.breaker.opened_at.astimezone(PARIS) if one.breaker.opened_at else None,
                "next_try": one.breaker.probe_at.astimezone(PARIS) if one.breaker.probe_at else None,
                "waiting": one.waiting,
                "announced": one.announced,
                "error": one.breaker.last_error,
            }
            for one in await flow.show_all(deps)
        ]

    show(run(path, work), as_json)


@breakers.command("close")
@REMOTE
@ROUTE
@CONFIG
def close(remote: str, route: int | None, path: Path) -> None:
    """Fermer un disjoncteur : ce qui attendait part aussitôt."""
    woken = run(path, lambda deps: flow.close(deps, operator(), _place(remote, route)))
    click.echo(f"Le disjoncteur est fermé ; {woken} travail(aux) repris.")


@breakers.command("open")
@REMOTE
@ROUTE
@click.option("--reason", default="", help="Pourquoi : montré dans la liste.")
@CONFIG
def force(remote: str, route: int | None, reason: str, path: Path) -> None:
    """Ouvrir un disjoncteur : plus rien n'y est tenté jusqu'à ce qu'il soit fermé de même."""
    run(path, lambda deps: flow.force(deps, operator(), _place(remote, route), reason))
    click.echo("Le disjoncteur est ouvert : rien ne sera tenté jusqu'à « tdt admin breakers close ».")


def _place(remote: str, route: int | None) -> Place:
    return Place(Remote(remote), RouteId(route) if route is not None else None)
