"""`tdt admin authorities close`, `reopen`, `schedule-purge`: the end of a collectivité."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show_one
from tdt.db.closing import get_closing
from tdt.deps import Deps
from tdt.domain.authority_sheet import NOT_FOUND
from tdt.domain.closing import Closing
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId
from tdt.flows import closing as flow
from tdt.flows import purge

AUTHORITY = click.argument("authority", type=int)
DAY = click.DateTime(["%Y-%m-%d"])


@click.command("close")
@AUTHORITY
@click.option("--on", type=DAY, required=True, help="Premier jour en lecture seule, AAAA-MM-JJ.")
@click.option("--purge-on", type=DAY, help="Premier jour où ses données peuvent être détruites, une fois exportées.")
@CONFIG
@JSON
def close(authority: int, on: datetime, purge_on: datetime | None, path: Path, as_json: bool) -> None:
    """Fermer une collectivité à une date : rien n'y est plus déposé, tout y reste lisible."""
    _then_show(path, authority, as_json, lambda deps, one: flow.close(deps, operator(), one, on.date(), _day(purge_on)))


@click.command("reopen")
@AUTHORITY
@CONFIG
@JSON
def reopen(authority: int, path: Path, as_json: bool) -> None:
    """Rouvrir une collectivité, ou renoncer à la fermer ; ce que la fermeture a refusé le reste."""
    _then_show(path, authority, as_json, lambda deps, one: flow.reopen(deps, operator(), one))


@click.command("schedule-purge")
@AUTHORITY
@click.option("--on", type=DAY, help="Premier jour où ses données peuvent être détruites ; sans lui, plus de purge.")
@click.option("--unanswered", is_flag=True, help="Ne plus attendre ce à quoi l'État n'a jamais répondu.")
@CONFIG
@JSON
def schedule_purge(authority: int, on: datetime | None, unanswered: bool, path: Path, as_json: bool) -> None:
    """Planifier la destruction des données d'une collectivité fermée, ou y renoncer."""

    async def change(deps: Deps, one: AuthorityId) -> None:
        await flow.schedule_purge(deps, operator(), one, _day(on), unanswered)

    _then_show(path, authority, as_json, change)


def _day(given: datetime | None) -> date | None:
    return given.date() if given is not None else None


def _then_show(
    path: Path, authority: int, as_json: bool, change: Callable[[Deps, AuthorityId], Awaitable[None]]
) -> None:
    async def work(deps: Deps) -> Row:
        await change(deps, AuthorityId(authority))
        async with deps.transaction("system") as connection:
            found = await get_closing(connection, AuthorityId(authority))
        if found is None:
            raise Refused(NOT_FOUND)
        obstacle = "" if found.closes_on is None else await purge.find_obstacle(deps, found.id)
        return {"id": found.id, "name": found.name, "siren": found.siren, **closing_row(found, obstacle)}

    show_one(run(path, work), as_json)


def closing_row(found: Closing, obstacle: str) -> Row:
    """How far the end of a collectivité has come, as it is shown; `obstacle`: what would hold its purge up."""
    return {
        "closes_on": found.closes_on,
        "exported_at": found.exported_at,
        "export_sha256": found.export_sha256.hex() if found.export_sha256 is not None else None,
        "purges_on": found.purges_on,
        "purges_unanswered": found.purges_unanswered,
        "purge_started_at": found.purge_started_at,
        "purge_obstacle": obstacle if found.purge_started_at is None else "",
        "purged_at": found.purged_at,
    }
