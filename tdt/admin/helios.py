"""`tdt admin helios`: the flows that wait or fail, and what an operator does to one by hand."""

import json
from datetime import timedelta
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.admin.flow_text import lines_of
from tdt.admin.helios_signatures import verify_signatures
from tdt.db import helios_moves as db
from tdt.db.helios_alerts import Told, list_told
from tdt.deps import Deps
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.moves import DUPLICATES
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.ids import HeliosId
from tdt.domain.plain import instant
from tdt.flows import helios_moves, helios_view

FLOW = click.argument("flow", type=int)
REASON = click.option("--reason", required=True, help="Pourquoi : la trace et le cycle de vie du flux la gardent.")
YES = click.option("--yes", is_flag=True, help="Ne pas demander de confirmation.")
UNFINISHED = (1, 2, 3, 13, 14)
"""Listed unless it is said otherwise."""


@click.group("helios")
def helios() -> None:
    """Flux PES : ce qui attend, renvoyer à l'identique, poster de nouveau, passer en erreur, reprendre."""


helios.add_command(verify_signatures)


@helios.command("list")
@click.option("--state", "states", multiple=True, type=int, help="Ces états ; par défaut, tout ce qui n'a pas fini.")
@click.option("--older-than", "hours", type=float, default=0.0, help="Dans cet état depuis ce nombre d'heures.")
@click.option("--authority", type=int, help="Le numéro de la collectivité.")
@click.option("--route", help="Le nom de la route.")
@click.option("--set-aside", is_flag=True, help="Seulement ceux dont le traitement est mis de côté.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Nombre de lignes.")
@CONFIG
@JSON
def list_flows(states: tuple[int, ...], hours: float, path: Path, as_json: bool, **wanted: object) -> None:
    """Les flux, les plus anciens d'abord."""
    unknown = [state for state in states if state not in STATUS_LABELS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]} n'est pas un état de PES.", param_hint="--state")

    async def work(deps: Deps) -> list[Row]:
        asked = db.Wanted(
            tuple(states or UNFINISHED),
            deps.now() - timedelta(hours=hours),
            **{name: value for name, value in wanted.items() if value is not None},  # type: ignore[arg-type]
        )
        async with deps.transaction("system") as connection:
            return [_row(one) for one in await db.list_flows(connection, asked)]

    show(run(path, work), as_json)


def _row(one: db.Line) -> Row:
    return {
        "id": one.id,
        "authority_id": one.authority_id,
        "authority": one.authority,
        "status": one.status,
        "label": STATUS_LABELS[HeliosStatus(one.status)],
        "since": instant(one.since),
        "submitted_at": instant(one.submitted_at),
        "nomfic": one.nomfic,
        "transmitted_name": one.transmitted_name,
        "size": one.size,
        "route": one.route,
        "attempts": one.attempts,
        "work": one.work,
        "last_error": one.last_error,
    }


@helios.command("alerts")
@click.option("--all", "everything", is_flag=True, help="Aussi celles dont la cause est passée.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Les dernières.")
@CONFIG
@JSON
def alerts(everything: bool, limit: int, path: Path, as_json: bool) -> None:
    """Les alertes données à l'exploitant, la plus récente d'abord : flux trop longtemps dans un état, route muette."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_told(connection, limit)
        return [_alert(one) for one in found if everything or not one.ended]

    show(run(path, work), as_json)


def _alert(one: Told) -> Row:
    return {
        "kind": one.kind,
        "flow": one.transaction_id,
        "authority_id": one.authority_id,
        "route": one.route,
        "since": instant(one.since),
        "told_at": instant(one.told_at),
        "ended": one.ended,
    }


@helios.command("show")
@FLOW
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Du JSON au lieu d'un texte.")
def show_flow(flow: int, path: Path, as_json: bool) -> None:
    """Toute la vie d'un flux, comme « tdt flow helios:ID »."""

    async def work(deps: Deps) -> dict[str, object]:
        return {"flow": f"helios:{flow}", **await helios_view.view(deps, operator(), HeliosId(flow))}

    found = run(path, work)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else "\n".join(lines_of(found)))


@helios.command("resend")
@FLOW
@REASON
@YES
@CONFIG
def resend(flow: int, reason: str, yes: bool, path: Path) -> None:
    """Renvoyer un flux transmis et sans acquit : mêmes octets, même nom. Refusé dès qu'un acquit est là."""
    _confirm(f"Renvoyer le flux {flow} ?", yes)
    click.echo(run(path, lambda deps: helios_moves.resend(deps, operator(), HeliosId(flow), reason)))


@helios.command("repost")
@FLOW
@REASON
@click.option("--force", is_flag=True, help="Même si la DGFiP l'a peut-être : elle pourrait le recevoir deux fois.")
@YES
@CONFIG
def repost(flow: int, reason: str, force: bool, yes: bool, path: Path) -> None:
    """Remettre à l'état « Posté » un flux en erreur : ses contrôles sont refaits, puis il part."""
    if force:
        _confirm(f"Poster de nouveau le flux {flow}, que la DGFiP a peut-être ?", yes)
    click.echo(run(path, lambda deps: helios_moves.repost(deps, operator(), HeliosId(flow), reason, force)))


@helios.command("set-error")
@FLOW
@REASON
@CONFIG
def set_error(flow: int, reason: str, path: Path) -> None:
    """Passer un flux en erreur (-1), rien n'étant en cours ; un acquit qui viendrait plus tard compte."""
    click.echo(run(path, lambda deps: helios_moves.set_error(deps, operator(), HeliosId(flow), reason)))


@helios.command("release")
@FLOW
@REASON
@click.option("--received", is_flag=True, help="La DGFiP l'a : ne rien renvoyer, attendre l'acquit (état 3).")
@YES
@CONFIG
def release(flow: int, reason: str, received: bool, yes: bool, path: Path) -> None:
    """Reprendre un flux dont le traitement est mis de côté ; un envoi incertain (ENVOI_INCERTAIN) est alors refait."""
    if received:
        click.echo(run(path, lambda deps: helios_moves.declare_received(deps, operator(), HeliosId(flow), reason)))
        return
    _confirm(f"Reprendre le flux {flow}, et le renvoyer si un envoi était incertain ?", yes)
    click.echo(run(path, lambda deps: helios_moves.release(deps, operator(), HeliosId(flow), reason)))


def _confirm(question: str, yes: bool) -> None:
    """Tell what sending twice does, and ask."""
    if not yes:
        click.echo(DUPLICATES, err=True)
        click.confirm(question, abort=True, err=True)
