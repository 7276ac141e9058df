"""`tdt admin restore`: a database that was restored sends nothing until the operator has confirmed it."""

import json
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, operator, run, show, show_one
from tdt.db.lineage import Lineage
from tdt.deps import Deps
from tdt.domain.calendar import PARIS
from tdt.flows import restores


@click.group("restore")
def restore() -> None:
    """Après une restauration de la base : ce qui est retenu, et la confirmation qui le laisse partir."""


@restore.command("show")
@CONFIG
@JSON
def show_state(path: Path, as_json: bool) -> None:
    """Ce que cette base a été ; si ses transmissions sont retenues, ce qui n'en est pas parti (1000 au plus)."""
    lineages, unsent = run(path, restores.show)
    rows = [_row(one) for one in lineages]
    if as_json:
        flows = [dict(one) for one in unsent]
        click.echo(json.dumps({"lineages": rows, "unsent": flows}, ensure_ascii=False, indent=2, default=str))
        return
    show(rows, as_json=False)
    if lineages and lineages[0].confirmed_at is None:
        click.echo("\nTransmissions retenues. N'est pas parti selon cette base :")
        show([dict(one) for one in unsent], as_json=False)


@restore.command("confirm")
@click.option("--reason", required=True, help="Ce qui a été comparé avec l'État ; gardé dans l'audit.")
@click.confirmation_option(
    prompt="Ce qui est parti après l'instant restauré repartira, sauf preuve reçue depuis. Continuer ?",
    help="Sans demander.",
)
@CONFIG
@JSON
def confirm(reason: str, path: Path, as_json: bool) -> None:
    """Laisser partir de nouveau ce qui attend, une fois comparé avec ce que l'État a reçu."""

    async def work(deps: Deps) -> tuple[Lineage, int]:
        return await restores.confirm(deps, operator(), reason)

    done, woken = run(path, work)
    show_one({**_row(done), "woken": woken}, as_json)


def _row(one: Lineage) -> dict[str, object]:
    return {
        "id": one.id,
        "system": one.system_identifier,
        "timeline": one.timeline,
        "found_at": one.found_at.astimezone(PARIS),
        "last_trace_at": one.last_trace_at.astimezone(PARIS) if one.last_trace_at is not None else None,
        "confirmed_at": one.confirmed_at.astimezone(PARIS) if one.confirmed_at is not None else None,
        "confirmed_by": one.confirmed_by,
        "reason": one.reason,
    }
