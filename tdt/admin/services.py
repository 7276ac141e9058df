"""`tdt admin services`: the services of a collectivité, which make colleagues of their members."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.db.services import list_members, list_services
from tdt.deps import Deps
from tdt.domain.ids import AccountId, AuthorityId
from tdt.flows import services as flow

SERVICE = click.argument("service", type=int)
ACCOUNT = click.argument("account", type=int)


@click.group("services")
def services() -> None:
    """Services d'une collectivité : leurs membres voient ce que déposent leurs collègues."""


@services.command("list")
@click.option("--authority", type=int, required=True, help="La collectivité.")
@CONFIG
@JSON
def list_all(authority: int, path: Path, as_json: bool) -> None:
    """Les services d'une collectivité, par nom, et leurs membres."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            return [
                {
                    "id": one.id,
                    "name": one.name,
                    "parent_id": one.parent_id,
                    "members": [
                        f"{member.id} {member.givenname} {member.name}"
                        for member in await list_members(connection, one.id)
                    ],
                }
                for one in await list_services(connection, AuthorityId(authority))
            ]

    show(run(path, work), as_json)


@services.command("create")
@click.option("--authority", type=int, required=True, help="La collectivité.")
@click.option("--name", required=True, help="Son nom.")
@click.option("--parent", type=int, help="Le service auquel il est rattaché.")
@CONFIG
def create(authority: int, name: str, parent: int | None, path: Path) -> None:
    """Créer un service."""
    service = run(path, lambda deps: flow.create(deps, operator(), AuthorityId(authority), name, parent))
    click.echo(f"Le service a été créé (id={service}).")


@services.command("move")
@SERVICE
@click.option("--parent", type=int, help="Le service auquel le rattacher ; au sommet si rien n'est dit.")
@CONFIG
def move(service: int, parent: int | None, path: Path) -> None:
    """Rattacher un service à un autre de la même collectivité."""
    run(path, lambda deps: flow.move(deps, operator(), service, parent))
    click.echo("Parent modifié.")


@services.command("rename")
@SERVICE
@click.option("--name", required=True, help="Son nouveau nom.")
@CONFIG
def rename(service: int, name: str, path: Path) -> None:
    """Renommer un service."""
    run(path, lambda deps: flow.rename(deps, operator(), service, name))
    click.echo("Le service a été renommé.")


@services.command("add")
@SERVICE
@ACCOUNT
@CONFIG
def add(service: int, account: int, path: Path) -> None:
    """Mettre un compte dans un service."""
    run(path, lambda deps: flow.add_member(deps, operator(), service, AccountId(account)))
    click.echo("L'utilisateur a été ajouté au service.")


@services.command("remove")
@SERVICE
@ACCOUNT
@CONFIG
def remove(service: int, account: int, path: Path) -> None:
    """Retirer un compte d'un service."""
    run(path, lambda deps: flow.remove_member(deps, operator(), service, AccountId(account)))
    click.echo("L'utilisateur a été retiré du service.")


@services.command("delete")
@SERVICE
@CONFIG
def delete(service: int, path: Path) -> None:
    """Supprimer un service qui n'a plus ni membre ni service rattaché."""
    run(path, lambda deps: flow.remove(deps, operator(), service))
    click.echo("Le service a été supprimé.")
