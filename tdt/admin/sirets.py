"""`tdt admin sirets`: the SIRETs of flows that wait for a decision, the SIRENs granted besides one's own."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.db.sirets import Proposal, list_granted, list_proposals
from tdt.deps import Deps
from tdt.domain.ids import AuthorityId
from tdt.flows import sirets as flow


@click.group("sirets")
def sirets() -> None:
    """SIRET portés par les PES : ceux qui attendent une décision, et les SIREN accordés."""


@sirets.group("proposals")
def proposals() -> None:
    """SIRET d'un autre SIREN, ou déjà à une autre collectivité : le flux est parti, le SIRET attend une décision."""


@proposals.command("list")
@click.option("--all", "everything", is_flag=True, help="Aussi ceux qui sont acceptés ou refusés.")
@CONFIG
@JSON
def list_all(everything: bool, path: Path, as_json: bool) -> None:
    """Ce qui attend une décision, le plus ancien d'abord."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            return [_row(one) for one in await list_proposals(connection, everything)]

    show(run(path, work), as_json)


def _row(one: Proposal) -> Row:
    return {
        "id": one.id,
        "siret": one.siret,
        "state": one.state,
        "authority": one.authority_id,
        "name": one.authority,
        "siren": one.siren,
        "held_by": list(one.holders),
        "flows": one.flows,
        "first_flow": f"helios:{one.first_flow}",
        "first_at": one.first_at.isoformat(timespec="seconds"),
        "last_flow": f"helios:{one.last_flow}",
        "last_at": one.last_at.isoformat(timespec="seconds"),
    }


PROPOSAL = click.argument("proposal", type=int)


@proposals.command("accept")
@PROPOSAL
@click.option("--shared", is_flag=True, help="Même s'il est à une autre collectivité.")
@CONFIG
def accept(proposal: int, shared: bool, path: Path) -> None:
    """Donner ce SIRET à la collectivité : les retours de la DGFiP qui le portent seront à elle."""
    run(path, lambda deps: flow.accept(deps, operator(), proposal, shared=shared))
    click.echo("Le SIRET a été donné à la collectivité.")


@proposals.command("refuse")
@PROPOSAL
@CONFIG
def refuse(proposal: int, path: Path) -> None:
    """Ne pas donner ce SIRET : il n'est plus proposé, les flux qui le portent partent comme avant."""
    run(path, lambda deps: flow.refuse(deps, operator(), proposal))
    click.echo("La proposition est refusée.")


@sirets.group("granted")
def granted() -> None:
    """SIREN accordés à une collectivité outre le sien (CCAS, caisse des écoles) : ses flux en apprennent les SIRET."""


@granted.command("list")
@click.option("--authority", type=int, help="Seulement ceux de cette collectivité.")
@CONFIG
@JSON
def list_sirens(authority: int | None, path: Path, as_json: bool) -> None:
    """Les SIREN accordés."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_granted(connection, AuthorityId(authority) if authority is not None else None)
        return [{"siren": siren, "authority": owner} for siren, owner in found]

    show(run(path, work), as_json)


AUTHORITY = click.argument("authority", type=int)
SIREN = click.argument("siren")


@granted.command("add")
@AUTHORITY
@SIREN
@CONFIG
def add(authority: int, siren: str, path: Path) -> None:
    """Accorder un SIREN ; les SIRET qui attendaient pour lui restent à accepter."""
    run(path, lambda deps: flow.grant(deps, operator(), AuthorityId(authority), siren))
    click.echo("Le SIREN a été accordé.")


@granted.command("remove")
@AUTHORITY
@SIREN
@CONFIG
def remove(authority: int, siren: str, path: Path) -> None:
    """Retirer un SIREN accordé ; les SIRET déjà appris restent."""
    run(path, lambda deps: flow.withdraw(deps, operator(), AuthorityId(authority), siren))
    click.echo("Le SIREN a été retiré.")
