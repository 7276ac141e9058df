"""`tdt schemas`: the DGFiP's sets of XSD, installed and put in force live; a file compared with those in force."""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, REFUSED, Row, operator, run, show, show_one
from tdt.admin.schema_text import report_lines
from tdt.db.schema_sets import list_sets
from tdt.deps import Deps
from tdt.documents.child import ChildFailed
from tdt.documents.schema_archive import read_set
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused
from tdt.domain.helios.schema_report import TOO_MUCH
from tdt.domain.helios.schema_sets import SchemaSet, version_in
from tdt.domain.ids import HeliosId, SchemaSetId
from tdt.domain.plain import instant
from tdt.flows import helios_send
from tdt.flows import schema_sets as flow

DAY = click.DateTime(formats=["%Y-%m-%d"])
NAME = click.argument("name")


@click.group("schemas")
def schemas() -> None:
    """Schémas XSD de la DGFiP : installer un jeu, le mettre en vigueur, comparer un flux PES à ceux qui le sont.

    Un flux qui ne suit aucun des jeux en vigueur part quand même : la plate-forme informe, la DGFiP décide.
    """


@schemas.command("add")
@click.argument("source", metavar="CHEMIN", type=click.Path(path_type=Path, exists=True))
@click.option("--name", default="", help="Nom du jeu, par exemple 5.30 ; sinon, la version que dit le nom du chemin.")
@CONFIG
@JSON
def add(source: Path, name: str, path: Path, as_json: bool) -> None:
    """Installer un jeu de schémas, sans le mettre en vigueur : un dossier, une archive zip ou tar (gz, bz2, xz)."""
    chosen = name or version_in(source.name)

    async def work(deps: Deps) -> SchemaSet:
        number = await flow.add(deps, operator(), chosen, read_set(source))
        return await _find(deps, number)

    found = run(path, work)
    if as_json:
        show_one(_row(found, active=False, as_json=True), as_json)
        return
    click.echo(f"Le jeu {found.name} est installé ({found.files} schémas). « tdt schemas activate {found.name} »")


@schemas.command("list")
@CONFIG
@JSON
def list_all(path: Path, as_json: bool) -> None:
    """Les jeux installés, le plus récent d'abord : leur période, et s'ils sont en vigueur."""

    async def work(deps: Deps) -> list[Row]:
        today = paris_date(deps.now())
        async with deps.transaction("system") as connection:
            return [_row(one, one.is_active(today), as_json) for one in await list_sets(connection)]

    show(run(path, work), as_json)


@schemas.command("show")
@NAME
@CONFIG
@JSON
def show_set(name: str, path: Path, as_json: bool) -> None:
    """Un jeu : ses périodes, son empreinte, les sortes de flux qu'il décrit."""

    async def work(deps: Deps) -> Row:
        async with deps.transaction("system") as connection:
            found = [one for one in await list_sets(connection) if one.name == name]
        if not found:
            raise Refused(flow.UNKNOWN)
        row = _row(found[0], found[0].is_active(paris_date(deps.now())), as_json)
        return {**row, "bytes": found[0].bytes, "roots": sorted(found[0].roots)}

    show_one(run(path, work), as_json)


def _row(one: SchemaSet, active: bool, as_json: bool) -> Row:
    periods: list[object] = [period.text() for period in one.periods]
    if as_json:
        periods = [{"from": period.valid_from, "to": period.valid_to} for period in one.periods]
    return {
        "name": one.name,
        "active": active,
        "periods": periods,
        "files": one.files,
        "sha256": one.sha256.hex(),
        "added_at": instant(one.added_at),
    }


async def _find(deps: Deps, number: SchemaSetId) -> SchemaSet:
    async with deps.transaction("system") as connection:
        return next(one for one in await list_sets(connection) if one.id == number)


@schemas.command("activate")
@NAME
@click.option("--from", "since", type=DAY, help="Premier jour ; aujourd'hui sinon.")
@click.option("--until", type=DAY, help="Dernier jour ; sinon, jusqu'à « deactivate ».")
@CONFIG
@JSON
def activate(name: str, since: datetime | None, until: datetime | None, path: Path, as_json: bool) -> None:
    """Mettre un jeu en vigueur, seul ou avec d'autres : les flux suivants lui sont comparés, sans rien redémarrer."""
    days = (since.date() if since else None, until.date() if until else None)
    run(path, lambda deps: flow.activate(deps, operator(), name, *days))
    _tell(name, path, as_json)


@schemas.command("deactivate")
@NAME
@click.option("--from", "since", type=DAY, help="Premier jour où il n'est plus en vigueur ; aujourd'hui sinon.")
@CONFIG
@JSON
def deactivate(name: str, since: datetime | None, path: Path, as_json: bool) -> None:
    """Retirer un jeu de ceux qui sont en vigueur ; il reste installé."""
    run(path, lambda deps: flow.deactivate(deps, operator(), name, since.date() if since else None))
    _tell(name, path, as_json)


def _tell(name: str, path: Path, as_json: bool) -> None:
    async def work(deps: Deps) -> Row:
        async with deps.transaction("system") as connection:
            found = next(one for one in await list_sets(connection) if one.name == name)
        return _row(found, found.is_active(paris_date(deps.now())), as_json)

    show_one(run(path, work), as_json)


@schemas.command("remove")
@NAME
@CONFIG
@JSON
def remove(name: str, path: Path, as_json: bool) -> None:
    """Désinstaller un jeu qui n'est plus en vigueur."""
    run(path, lambda deps: flow.remove(deps, operator(), name))
    show_one({"name": name, "removed": True}, as_json)


@schemas.command("check")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@CONFIG
@JSON
def check(file: Path, path: Path, as_json: bool) -> None:
    """Comparer un fichier du disque aux jeux en vigueur. Code de sortie : 1 s'il serait refusé."""

    async def work(deps: Deps) -> dict[str, object]:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            judged = await helios_send.check_file(deps, descriptor, os.fstat(descriptor).st_size)
        except ChildFailed as failure:
            raise Refused(TOO_MUCH) from failure
        finally:
            os.close(descriptor)
        return {"verdict": judged.verdict, **judged.plain()}

    _show_report(run(path, work), as_json)


@schemas.command("recheck")
@click.argument("number", metavar="ID", type=int)
@CONFIG
@JSON
def recheck(number: int, path: Path, as_json: bool) -> None:
    """Comparer de nouveau un flux reçu (helios:ID) aux jeux en vigueur aujourd'hui ; son rapport est remplacé."""
    told = run(path, lambda deps: helios_send.recheck_schema(deps, operator(), HeliosId(number)))
    _show_report(told, as_json)


def _show_report(told: dict[str, object], as_json: bool) -> None:
    """What is wrong, a paragraph each, and the exit code."""
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(report_lines(told)))
    if told.get("verdict") == "refused":
        sys.exit(REFUSED)
