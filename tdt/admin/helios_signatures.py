"""`tdt admin helios verify-signatures`: the signatures of a kept flow, judged again and compared with the report."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tdt.admin.door import CONFIG, operator, run, show_one
from tdt.admin.flow_signatures import signature_lines
from tdt.domain.ids import HeliosId
from tdt.flows import helios_send

DIFFERENT = 3
"""Exit code: what a signature is worth is no longer what the report says."""


@click.command("verify-signatures")
@click.argument("flow", type=int)
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Du JSON au lieu d'un texte.")
def verify_signatures(flow: int, path: Path, as_json: bool) -> None:
    """Vérifier de nouveau les signatures d'un flux, à la date où elles ont été faites, sans rien changer.

    À partir des octets gardés, avec les autorités et les listes de révocation d'aujourd'hui ; le résultat est comparé
    au compte rendu de l'analyse. Codes de sortie : 1 refus, 2 configuration, 3 une signature ne vaut plus ce qui y est.
    """
    told = run(path, lambda deps: helios_send.replay_signatures(deps, operator(), HeliosId(flow)))
    if as_json:
        show_one(told, as_json=True)
    else:
        click.echo("\n".join(_lines(told)))
    if not told["same"]:
        sys.exit(DIFFERENT)


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"Flux helios:{told['flow']}, SHA-1 {told['sha1']}"
    yield f"Signatures : {told['reason'] or 'valides'}" if told["signatures"] or told["reason"] else "Aucune signature."
    yield from signature_lines(told)
    if not told["kept"]:
        yield "Aucun compte rendu n'a été gardé à l'analyse de ce flux : rien à comparer."
    elif not told["differences"]:
        yield "Conforme au compte rendu de l'analyse."
    for one in told["differences"]:
        weight = "DIFFÉRENT" if one["decisive"] else "autre"
        yield f"{weight}  {one['signature']}  {one['field']} : {one['before']!r} → {one['now']!r}"
