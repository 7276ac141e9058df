"""`tdt flow`: the whole life of an acte or of a PES, found by its number or by a name that somebody quotes."""

import json
import re
import sys
from pathlib import Path

import click

from tdt.admin.door import CONFIG, Row, operator, run, show
from tdt.admin.flow_text import lines_of
from tdt.deps import Deps
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId, HeliosId
from tdt.domain.plain import instant
from tdt.flows import actes_view, helios_view, uncertain

SEVERAL = 3
"""Exit code: the name designates several transactions, which are listed."""

_NUMBER = re.compile(r"(?P<module>actes|helios):(?P<number>[0-9]{1,18})")


@click.command("flow")
@click.argument("name", metavar="ID")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Du JSON au lieu d'un texte.")
def flow(name: str, path: Path, as_json: bool) -> None:
    """Tout ce qui est arrivé à un acte ou à un PES : étapes, fichiers, envois, contrôles, délais.

    ID : actes:12, helios:3, un IDActe, le nom d'une enveloppe, d'une archive ou d'un PES (NomFic, fichier déposé,
    envoyé ou d'acquit, ou son SHA-1). Codes de sortie : 1 inconnu, 2 configuration, 3 plusieurs (ils sont listés).
    """
    found = run(path, lambda deps: _find(deps, name.strip()))
    if isinstance(found, list):
        show(found, as_json)
        sys.exit(SEVERAL)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else "\n".join(lines_of(found)))


async def _find(deps: Deps, name: str) -> dict[str, object] | list[Row]:
    """The life of what is designated, or the list of what may be. Raises Refused."""
    match = _NUMBER.fullmatch(name)
    if match is not None:
        return await _view(deps, match["module"], int(match["number"]))
    if name.isdecimal():
        raise Refused(f"Un numéro seul est ambigu : actes:{name} ou helios:{name}.")
    by = operator()
    designated = [("actes", int(one)) for one in await actes_view.list_named(deps, by, name)]
    designated += [("helios", int(one)) for one in await helios_view.list_named(deps, by, name)]
    if not designated:
        raise Refused(f"Rien ne porte ce nom : {name}")
    if len(designated) == 1:
        return await _view(deps, *designated[0])
    return [_line(module, number, await _view(deps, module, number)) for module, number in designated]


async def _view(deps: Deps, module: str, number: int) -> dict[str, object]:
    return {**await _life(deps, module, number), "doubts": await _doubts(deps, f"{module}:{number}")}


async def _doubts(deps: Deps, name: str) -> list[Row]:
    """Its sendings in doubt, what decides each, and when at the latest."""
    return [
        {
            "started_at": instant(one.attempt.started_at),
            "name": one.attempt.name,
            "decided_by": one.decided_by,
            "decided_at": instant(one.decided_at),
        }
        for one in await uncertain.list_doubts(deps)
        if one.attempt.target == name
    ]


async def _life(deps: Deps, module: str, number: int) -> dict[str, object]:
    if module == "actes":
        return {"flow": f"actes:{number}", **await actes_view.view(deps, operator(), ActeId(number))}
    life = {"flow": f"helios:{number}", **await helios_view.view(deps, operator(), HeliosId(number))}
    said = await helios_view.view_verdict(deps, operator(), HeliosId(number))
    return life | {name: said[name] for name in ("verdict", "earlier", "returns")}


def _line(module: str, number: int, life: dict[str, object]) -> Row:
    status, deposited = life["status"], life["deposited"]
    assert isinstance(status, dict) and isinstance(deposited, dict)
    return {
        "flow": f"{module}:{number}",
        "label": life["label"],
        "status": status["label"],
        "authority": deposited["authority"],
        "at": deposited["at"],
    }
