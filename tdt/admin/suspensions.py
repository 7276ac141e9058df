"""`tdt admin conventions`: suspensions, the verdict on a day, and what waits."""

from pathlib import Path
from typing import Any

import click

from tdt.admin.conventions import ANY_AUTHORITY, AUTHORITY, DAY, DOMAIN, MODULE, day
from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.db.conventions import list_held, list_suspensions
from tdt.deps import Deps
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Suspension
from tdt.domain.ids import AuthorityId
from tdt.flows import conventions as flow


@click.command("suspend")
@AUTHORITY
@MODULE
@click.option("--reason", required=True, help="Pourquoi : montré à côté des envois retenus.")
@click.option("--starts-on", type=DAY, help="Premier jour ; aujourd'hui si rien n'est dit.")
@click.option("--ends-on", type=DAY, help="Dernier jour ; jusqu'à ce qu'elle soit levée si rien n'est dit.")
@DOMAIN
@CONFIG
def suspend(path: Path, domains: tuple[str, ...], **given: Any) -> None:
    """Suspendre la télétransmission d'un module : ce qui doit partir attend."""

    async def work(deps: Deps) -> int:
        new = Suspension(
            0,
            Module(given["module"]),
            day(given["starts_on"]) or paris_date(deps.now()),
            day(given["ends_on"]),
            given["reason"],
            frozenset(domains),
        )
        return await flow.suspend(deps, operator(), AuthorityId(given["authority"]), new)

    click.echo(f"La télétransmission est suspendue (id={run(path, work)}).")


@click.command("suspensions")
@ANY_AUTHORITY
@CONFIG
@JSON
def suspensions(authority: int | None, path: Path, as_json: bool) -> None:
    """Les suspensions, passées et présentes."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_suspensions(connection, AuthorityId(authority) if authority is not None else None)
        return [
            {
                "id": one.id,
                "authority_id": number,
                "authority": name,
                "module": str(one.module),
                "starts_on": one.starts_on,
                "ends_on": one.ends_on,
                "domains": sorted(one.domains),
                "flow": one.flow,
                "reason": one.reason,
            }
            for number, name, one in found
        ]

    show(run(path, work), as_json)


@click.command("lift")
@click.argument("suspension", type=int)
@CONFIG
def lift(suspension: int, path: Path) -> None:
    """Lever une suspension : ce qui attendait part."""
    run(path, lambda deps: flow.lift(deps, operator(), suspension))
    click.echo("La suspension est levée.")


@click.command("verdict")
@AUTHORITY
@MODULE
@click.option("--nature", "natures", multiple=True, help="Nature d'acte : un autre nom de --domain.")
@DOMAIN
@click.option("--day", type=DAY, help="Le jour ; aujourd'hui si rien n'est dit.")
@CONFIG
@JSON
def verdict(path: Path, as_json: bool, domains: tuple[str, ...], natures: tuple[str, ...], **given: Any) -> None:
    """Ce qu'il en serait d'un envoi ce jour-là : permis, averti ou retenu, et par quelle clause."""

    async def work(deps: Deps) -> Row:
        wanted = frozenset((*domains, *natures))
        asked = day(given["day"]) or paris_date(deps.now())
        question = flow.Question(AuthorityId(given["authority"]), Module(given["module"]), wanted, asked)
        found = await flow.ask(deps, operator(), question)
        return {
            "day": asked,
            "outcome": str(found.outcome),
            "clause": found.clause,
            "convention_id": found.convention_id,
            "avenant_id": found.avenant_id,
            "suspension_id": found.suspension_id,
        }

    show_one(run(path, work), as_json)


@click.command("held")
@ANY_AUTHORITY
@CONFIG
@JSON
def held(authority: int | None, path: Path, as_json: bool) -> None:
    """Les envois retenus, du plus ancien au plus récent."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_held(connection, AuthorityId(authority) if authority is not None else None)
        return [
            {
                "authority_id": one.authority_id,
                "authority": one.authority,
                "kind": one.kind,
                "object_id": one.object_id,
                "since": one.since.isoformat(timespec="seconds"),
                "next_look": one.next_look.isoformat(timespec="seconds"),
                "why": one.why,
            }
            for one in found
        ]

    show(run(path, work), as_json)
