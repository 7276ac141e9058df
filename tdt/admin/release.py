"""`tdt release`: let go what is held, decide a sending in doubt; or show the sendings in doubt."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, refused, run, show, show_one
from tdt.deps import Deps
from tdt.domain.authorities import Module
from tdt.domain.errors import Refused
from tdt.domain.holds import NO_REASON, Target, read_target
from tdt.domain.ids import ActeId, HeliosId
from tdt.domain.plain import instant
from tdt.flows import acte_releases, helios_moves, holding, uncertain

NEVER_A_FLOW = "--resend et --settled décident d'un seul flux : actes:12 ou helios:3."
UNDECIDED = (
    "{} n'est pas retenu par un exploitant. Si son envoi est incertain, ou son traitement mis de côté : --resend (les "
    "mêmes octets repartent sous le même nom) ou --settled --reason PREUVE (il est arrivé, rien n'est renvoyé)."
)


@click.command("release")
@click.argument("target", metavar="[CIBLE]", required=False)
@click.option("--reason", default="", help="Pourquoi, ou la preuve de l'arrivée ; reste dans la trace.")
@click.option("--resend", "decision", flag_value="resend", help="Les mêmes octets repartent sous le même nom.")
@click.option("--settled", "decision", flag_value="settled", help="Il est arrivé : rien n'est renvoyé.")
@CONFIG
@JSON
def release(target: str | None, reason: str, decision: str | None, path: Path, as_json: bool) -> None:
    """Libérer ce qui est retenu, ou trancher un envoi incertain ; sans argument, montrer les envois incertains.

    CIBLE : actes:12, helios:3, authority:5, actes ou helios. --resend et --settled tranchent un envoi incertain, ou
    dont le traitement est mis de côté ou perdu.
    """
    if target is None:
        show(run(path, _list), as_json)
        return
    if not reason.strip():
        refused(NO_REASON)
    show_one(run(path, lambda deps: _release(deps, target, reason, decision)), as_json)


async def _release(deps: Deps, name: str, reason: str, decision: str | None) -> Row:
    target = read_target(name)
    if decision is not None:
        if target.flow is None:
            raise Refused(NEVER_A_FLOW)
        words = await _decide(deps, target, reason, decision == "settled")
        return {"target": name, "decided": decision, "message": words}
    if target.flow is not None and not await holding.is_held(deps, target):
        raise Refused(UNDECIDED.format(target))
    found = await holding.release(deps, operator(), target, reason)
    return {"target": name, "held": False, "suspensions": {str(one): n for one, n in found.suspensions.items()}}


async def _decide(deps: Deps, target: Target, reason: str, settled: bool) -> str:
    if target.module is Module.ACTES:
        act = acte_releases.declare_received if settled else acte_releases.resend
        return await act(deps, operator(), ActeId(target.flow or 0), reason.strip())
    move = helios_moves.declare_received if settled else helios_moves.release
    return await move(deps, operator(), HeliosId(target.flow or 0), reason.strip())


async def _list(deps: Deps) -> list[Row]:
    now = deps.now()
    return [
        {
            "attempt": line.attempt.id,
            "flow": line.attempt.target,
            "authority_id": line.attempt.authority_id,
            "authority": line.attempt.authority,
            "route": line.attempt.route,
            "name": line.attempt.name,
            "since": instant(line.attempt.started_at),
            "age_seconds": int((now - line.attempt.started_at).total_seconds()),
            "status": line.attempt.status,
            "detail": line.attempt.detail,
            "decided_by": line.decided_by,
            "decided_at": instant(line.decided_at) if line.decided_at is not None else None,
        }
        for line in await uncertain.list_doubts(deps)
    ]
