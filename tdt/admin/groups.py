"""`tdt admin groups`: the groups of collectivités (mutualisations) and the SIREN that each may use."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.db.groups import Group, get_group, list_groups, list_sirens
from tdt.deps import Deps
from tdt.domain.authority_sheet import NO_GROUP, read_sirens
from tdt.domain.errors import Refused
from tdt.domain.ids import GroupId
from tdt.flows import groups as flow

GROUP = click.argument("group", type=int)


@click.group("groups")
def groups() -> None:
    """Groupes de collectivités : mutualisations, et les SIREN qu'ils peuvent ouvrir."""


@groups.command("list")
@CONFIG
@JSON
@click.option("--name", default="", help="Seulement ceux dont le nom contient ce texte.")
def list_all(path: Path, as_json: bool, name: str) -> None:
    """Tous les groupes, par nom."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            return [
                {"id": one.id, "name": one.name, "active": one.active} for one in await list_groups(connection, name)
            ]

    show(run(path, work), as_json)


@groups.command("show")
@GROUP
@CONFIG
@JSON
def show_group(group: int, path: Path, as_json: bool) -> None:
    """Un groupe et ses SIREN."""
    show_one(run(path, lambda deps: _row(deps, group)), as_json)


async def _row(deps: Deps, group: int) -> Row:
    found, sirens = await _find(deps, group)
    return {"id": found.id, "name": found.name, "active": found.active, "sirens": sirens}


async def _find(deps: Deps, group: int) -> tuple[Group, list[str]]:
    """A group and its SIREN. Raises Refused."""
    async with deps.transaction("system") as connection:
        found = await get_group(connection, group)
        if found is None:
            raise Refused(NO_GROUP)
        return found, await list_sirens(connection, found.id)


@groups.command("create")
@CONFIG
@JSON
@click.option("--name", required=True, help="Son nom ; une apostrophe y devient « _ », comme dans S2LOW.")
@click.option("--siren", "sirens", multiple=True, help="Un SIREN qu'il peut ouvrir ; peut être répété.")
def create(path: Path, as_json: bool, name: str, sirens: tuple[str, ...]) -> None:
    """Créer un groupe."""

    async def work(deps: Deps) -> Row:
        group = await flow.create(deps, operator(), name, sirens=_checked(sirens))
        return await _row(deps, group)

    show_one(run(path, work), as_json)


@groups.command("modify")
@GROUP
@CONFIG
@JSON
@click.option("--name", required=True, help="Son nouveau nom.")
def modify(group: int, path: Path, as_json: bool, name: str) -> None:
    """Renommer un groupe."""
    _change(path, group, as_json, name=name)


@groups.command("suspend")
@GROUP
@CONFIG
@JSON
def suspend(group: int, path: Path, as_json: bool) -> None:
    """Suspendre un groupe : les comptes de ses collectivités sont refusés."""
    _change(path, group, as_json, active=False)


@groups.command("resume")
@GROUP
@CONFIG
@JSON
def resume(group: int, path: Path, as_json: bool) -> None:
    """Lever la suspension d'un groupe."""
    _change(path, group, as_json, active=True)


def _change(path: Path, group: int, as_json: bool, name: str | None = None, active: bool | None = None) -> None:
    async def work(deps: Deps) -> Row:
        await flow.modify(deps, operator(), GroupId(group), flow.GroupEdit(name, active))
        return await _row(deps, group)

    show_one(run(path, work), as_json)


@groups.command("delete")
@GROUP
@CONFIG
def delete(group: int, path: Path) -> None:
    """Supprimer un groupe où aucune collectivité n'a jamais été."""
    run(path, lambda deps: flow.remove(deps, operator(), GroupId(group)))
    click.echo("Le groupe a été supprimé.")


@groups.group("siren")
def siren() -> None:
    """SIREN que les administrateurs d'un groupe peuvent ouvrir."""


@siren.command("list")
@GROUP
@CONFIG
@JSON
def list_siren(group: int, path: Path, as_json: bool) -> None:
    """Les SIREN d'un groupe, dans l'ordre."""
    _, sirens = run(path, lambda deps: _find(deps, group))
    show([{"siren": one} for one in sirens], as_json)


@siren.command("add")
@GROUP
@click.argument("sirens", nargs=-1, required=True)
@CONFIG
@JSON
def add_siren(group: int, sirens: tuple[str, ...], path: Path, as_json: bool) -> None:
    """Autoriser des SIREN ; affiche ceux qui ne l'étaient pas."""
    _allow(path, group, list(sirens), as_json)


@siren.command("import")
@GROUP
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@CONFIG
@JSON
def import_siren(group: int, file: Path, path: Path, as_json: bool) -> None:
    """Autoriser les SIREN d'un fichier, un par ligne ; ce qui n'en est pas un est passé."""
    _allow(path, group, read_sirens(file.read_text(encoding="utf-8", errors="replace")), as_json)


def _allow(path: Path, group: int, sirens: list[str], as_json: bool) -> None:
    async def work(deps: Deps) -> list[Row]:
        new = await flow.allow(deps, operator(), GroupId(group), _checked(sirens))
        return [{"siren": one} for one in new]

    show(run(path, work), as_json)


def _checked(sirens: tuple[str, ...] | list[str]) -> list[str]:
    read = read_sirens("\n".join(sirens))
    if len(read) != len(set(sirens)):
        raise Refused("Au moins un de ces numéros n'est pas un SIREN.")
    return read


@siren.command("remove")
@GROUP
@click.argument("number")
@CONFIG
def remove_siren(group: int, number: str, path: Path) -> None:
    """Retirer un SIREN d'un groupe ; les collectivités qui existent restent."""
    run(path, lambda deps: flow.forbid(deps, operator(), GroupId(group), number))
    click.echo("Le SIREN a été retiré.")
