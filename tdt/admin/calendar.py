"""`tdt certificates`: the calendar of every certificate in play, first the one that ends first."""

from pathlib import Path

import click

from tdt.admin.door import Row, run, show
from tdt.deps import Deps
from tdt.domain.expiry import Ending, Kind
from tdt.flows import notices

KINDS = [kind.value for kind in Kind if kind is not Kind.CONVENTION]
WITHIN = click.option(
    "--within", type=click.IntRange(0), help="Seulement ce qui finit dans ce nombre de jours ou avant."
)
KIND = click.option("--kind", type=click.Choice(KINDS), help="Seulement cette sorte de certificats ou de listes.")


def show_calendar(path: Path, within: int | None, kind: str | None, as_json: bool) -> None:
    """Print the calendar. What cannot be read has no end, comes last, and is never left out by `within`."""
    show(run(path, lambda deps: list_rows(deps, within, kind)), as_json)


async def list_rows(deps: Deps, within: int | None, kind: str | None) -> list[Row]:
    """The entries asked for, as the command shows them."""
    rows = []
    for one in await notices.list_certificates(deps):
        left = one.days_left(deps.now())
        if (kind is None or one.kind == kind) and (within is None or left is None or left <= within):
            rows.append(_row(one, left))
    return rows


def _row(one: Ending, left: int | None) -> Row:
    return {
        "kind": one.kind,
        "end": one.ends_on,
        "days_left": left,
        "name": one.name,
        "where": one.where,
        "concerned": [party.label for party in one.parties],
        "fault": one.fault,
    }
