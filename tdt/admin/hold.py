"""`tdt hold`: keep a flow, a collectivité or a module from leaving, with a reason; or show what is held."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, refused, run, show, show_one
from tdt.db.conventions import list_suspensions
from tdt.deps import Deps
from tdt.domain.calendar import paris_date
from tdt.domain.holds import NO_REASON, Target, read_target
from tdt.flows import holding


@click.command("hold")
@click.argument("target", metavar="[CIBLE]", required=False)
@click.option("--reason", default="", help="Pourquoi : montré à la collectivité, gardé dans la trace.")
@CONFIG
@JSON
def hold(target: str | None, reason: str, path: Path, as_json: bool) -> None:
    """Retenir avant l'envoi ; sans argument, montrer ce qui est retenu.

    CIBLE : actes:12 ou helios:3 (un flux), authority:5 (une collectivité), actes ou helios (toutes les collectivités).
    Ce qui est déjà en train de partir n'est pas retenu. « tdt release » libère.
    """
    if target is None:
        show(run(path, _list), as_json)
        return
    if not reason.strip():
        refused(NO_REASON)
    done = run(path, lambda deps: _hold(deps, target, reason))
    show_one(done, as_json)


async def _hold(deps: Deps, target: str, reason: str) -> Row:
    found = await holding.hold(deps, operator(), read_target(target), reason)
    return {
        "target": target,
        "held": True,
        "suspensions": {str(module): number for module, number in found.suspensions.items()},
        "begun": found.begun,
        "reason": reason,
    }


async def _list(deps: Deps) -> list[Row]:
    """What stops something today, whoever recorded it."""
    today = paris_date(deps.now())
    async with deps.transaction("system") as connection:
        found = await list_suspensions(connection, None)
    return [
        {
            "target": str(Target(None if number is not None and one.flow is None else one.module, one.flow))
            if number is None or one.flow is not None
            else f"authority:{number}",
            "module": str(one.module),
            "authority_id": number,
            "authority": name,
            "since": one.starts_on,
            "until": one.ends_on,
            "domains": sorted(one.domains),
            "reason": one.reason,
            "suspension": one.id,
        }
        for number, name, one in found
        if one.is_open(today)
    ]
