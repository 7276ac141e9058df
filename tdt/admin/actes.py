"""`tdt admin actes`: what an operator does to a transaction by hand, and what the ministry leaves without answer."""

from datetime import timedelta
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.db import acte_closing as db
from tdt.db.classifications import list_kept
from tdt.deps import Deps
from tdt.domain.actes.model import ActeStatus
from tdt.domain.ids import ActeId, AuthorityId
from tdt.flows import actes_moves, actes_sae, actes_submit

ACTE = click.argument("acte", type=int)
LISTED = 1000


@click.group("actes")
def actes() -> None:
    """Transactions ACTES : abandonner, remettre en file, renvoyer après un refus, corriger un archivage."""


@actes.command("give-up")
@ACTE
@CONFIG
def give_up(acte: int, path: Path) -> None:
    """Passer en erreur (-1) une transaction que l'État n'a pas prise ; une réponse qui viendrait plus tard compte."""
    click.echo(run(path, lambda deps: actes_moves.give_up(deps, operator(), ActeId(acte))))


@actes.command("put-again")
@ACTE
@click.option(
    "--to",
    "target",
    type=click.Choice(["1", "2"]),
    default="2",
    show_default=True,
    help="2 : renvoyer l'archive telle quelle ; 1 : refaire les contrôles, s'il n'y a pas encore d'archive.",
)
@CONFIG
def put_again(acte: int, target: str, path: Path) -> None:
    """Remettre en file une transaction en erreur, si elle n'a sûrement pas été prise par le ministère."""
    wanted = ActeStatus(int(target))
    click.echo(run(path, lambda deps: actes_moves.put_again(deps, operator(), ActeId(acte), wanted)))


@actes.command("correct-sae")
@ACTE
@click.argument("status", type=int)
@CONFIG
def correct_sae(acte: int, status: int, path: Path) -> None:
    """Corriger l'état d'un archivage (12, 13, 19 ou 20)."""
    click.echo(run(path, lambda deps: actes_sae.correct_status(deps, operator(), ActeId(acte), status)))


@actes.command("unanswered")
@click.option("--hours", type=float, help="Sans réponse depuis ce nombre d'heures ; celui de la configuration sinon.")
@CONFIG
@JSON
def unanswered(hours: float | None, path: Path, as_json: bool) -> None:
    """Les transactions transmises que le ministère laisse sans réponse, les plus anciennes d'abord."""

    async def work(deps: Deps) -> list[Row]:
        since = deps.now() - timedelta(hours=deps.config.actes.unanswered_hours if hours is None else hours)
        async with deps.transaction("system") as connection:
            found = await db.list_unanswered(connection, since, 0, LISTED)
        return [
            {
                "id": one.id,
                "authority_id": one.authority_id,
                "type": one.type,
                "unique_id": one.unique_id,
                "submitted_at": one.submitted_at.isoformat(timespec="seconds"),
            }
            for one in found
        ]

    show(run(path, work), as_json)


@actes.command("resend")
@ACTE
@CONFIG
def resend(acte: int, path: Path) -> None:
    """Renvoyer un acte que le ministère a refusé : mêmes fichiers, même numéro, classification en vigueur."""
    made = run(path, lambda deps: actes_submit.resend(deps, operator(), ActeId(acte)))
    click.echo(f"L'acte est renvoyé (id={made.id}), avec la classification du {made.classification_date:%d/%m/%Y}.")


@actes.command("classifications")
@click.argument("authority", type=int)
@CONFIG
@JSON
def classifications(authority: int, path: Path, as_json: bool) -> None:
    """Les classifications qu'une collectivité a reçues, la plus récente d'abord ; leur contenu avec --json."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            kept = await list_kept(connection, AuthorityId(authority))
        return [
            {
                "date": one.date,
                "received_at": one.received_at,
                "in_force": one.in_force,
                "natures": one.natures if as_json else len(one.natures or ()),
                "matieres": one.matieres if as_json else len(one.matieres or ()),
                "unusable": one.unusable,
            }
            for one in kept
        ]

    show(run(path, work), as_json)
