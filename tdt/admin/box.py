"""`tdt box`: the operator's box, where what the State sent and nobody could be given waits."""

from dataclasses import asdict
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.db.received import BoxLine, list_received
from tdt.deps import Deps
from tdt.domain.box import Known, propose_owner
from tdt.domain.ids import AuthorityId, HeliosId, ReceivedId
from tdt.flows import received as flow
from tdt.flows import received_reading as reading

RECEIVED = click.argument("received", type=int)
STATES = ("new", "handled", "ignored", "set_aside", "dismissed")


@click.group("box")
def box() -> None:
    """Boîte de l'exploitant : courriels et fichiers de l'État sans destinataire sûr, ou douteux."""


@box.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Ces états (par défaut : set_aside).")
@click.option("--all", "everything", is_flag=True, help="Tous les états.")
@click.option("--before", type=int, default=None, help="Seulement ceux d'un numéro plus petit.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Nombre de lignes.")
@CONFIG
@JSON
def list_all(path: Path, states: tuple[str, ...], everything: bool, as_json: bool, **given: int | None) -> None:
    """Ce qui attend une décision, le plus récent d'abord, et pour qui c'est sans doute."""
    wanted = STATES if everything else states or ("set_aside",)

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_received(connection, wanted, given["before"], given["limit"] or 100)
        return [_row(one) for one in found]

    show(run(path, work), as_json)


def _row(one: BoxLine) -> Row:
    return {
        "id": one.id,
        "received_at": one.received_at.isoformat(timespec="seconds"),
        "route": one.route,
        "state": one.state,
        "kind": one.kind,
        "code": one.code,
        "authority": one.authority_id,
        "proposed": one.proposed_authority_id,
        "proposed_siren": one.proposed_siren,
        "proposed_act": one.proposed_act,
        "flow": one.helios_id or one.proposed_helios_id,
        "detail": one.detail,
    }


@box.command("propose")
@click.argument("received", type=int, required=False)
@CONFIG
@JSON
def propose(received: int | None, path: Path, as_json: bool) -> None:
    """À qui est sans doute ce qui attend, pourquoi, et la commande qui le lui donne ; rien n'est changé."""

    async def work(deps: Deps) -> list[Row]:
        if received is not None:
            return [_proposal(await flow.get(deps, ReceivedId(received)))]
        async with deps.transaction("system") as connection:
            return [_proposal(one) for one in await list_received(connection, ("set_aside",), None, 10_000)]

    show(run(path, work), as_json)


def _proposal(one: BoxLine) -> Row:
    proposed = propose_owner(_known(one))
    return {
        "id": one.id,
        "kind": one.kind,
        "why_here": one.detail,
        "proposed": proposed.whose,
        "why": proposed.why,
        "command": proposed.command,
    }


def _known(one: BoxLine) -> Known:
    return Known(
        one.id,
        one.kind,
        one.authority_id,
        one.proposed_authority_id,
        one.proposed or one.authority or "",
        one.proposed_siren,
        one.proposed_act,
        one.proposed_helios_id,
    )


@box.command("show")
@RECEIVED
@CONFIG
@JSON
def show_received(received: int, path: Path, as_json: bool) -> None:
    """Une réception : ce qu'elle est, ce qu'elle contient, ce qui en a été fait."""

    async def work(deps: Deps) -> Row:
        line = await flow.get(deps, ReceivedId(received))
        return {**asdict(line), **await reading.describe(deps, line)}

    show_one(run(path, work), as_json)


@box.command("save")
@RECEIVED
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="Le fichier à créer.")
@CONFIG
@JSON
def save(received: int, target: Path, path: Path, as_json: bool) -> None:
    """Enregistrer les octets reçus, tels quels."""

    async def work(deps: Deps) -> int:
        await flow.get(deps, ReceivedId(received))
        size = 0
        with target.open("xb") as file:
            async for chunk in flow.stream(deps, ReceivedId(received)):
                size += file.write(chunk)
        return size

    try:
        size = run(path, work)
    except FileExistsError as error:
        raise click.ClickException(f"{target} existe déjà.") from error
    _tell(received, "save", f"{size} octets enregistrés dans {target}.", as_json)


@box.command("assign")
@RECEIVED
@click.option("--authority", type=int, default=None, help="La collectivité.")
@click.option("--act", default="", metavar="IDACTE", help="L'identifiant de l'acte dont il s'agit.")
@click.option("--flow", "helios", type=int, default=None, metavar="NUMÉRO", help="Le flux HELIOS que cet acquit clôt.")
@CONFIG
@JSON
def assign(  # noqa: PLR0913, PLR0917 - one argument for each option
    received: int, authority: int | None, act: str, helios: int | None, path: Path, as_json: bool
) -> None:
    """Donner une réception à une collectivité, à l'un de ses actes ou à un flux ; elle est relue aussitôt."""
    number, by = ReceivedId(received), operator()
    if helios is not None:
        if authority is not None or act:
            raise click.UsageError("--flow suffit : le flux dit la collectivité.")
        chosen = HeliosId(helios)
        run(path, lambda deps: flow.assign_to_flow(deps, by, number, chosen))
    elif authority is not None:
        owner = AuthorityId(authority)
        run(path, lambda deps: flow.assign(deps, by, number, owner, act))
    else:
        raise click.UsageError("--authority ou --flow est nécessaire.")
    _tell(received, "assign", "La réception est attribuée ; elle va être relue.", as_json)


@box.command("retry")
@RECEIVED
@click.option("--authentic", is_flag=True, help="Vous répondez de l'authenticité de ce courriel écarté comme douteux.")
@CONFIG
@JSON
def retry(received: int, authentic: bool, path: Path, as_json: bool) -> None:
    """Relire une réception : la cause qui l'avait écartée a disparu."""
    run(path, lambda deps: flow.retry(deps, operator(), ReceivedId(received), authentic=authentic))
    _tell(received, "retry", "La réception va être relue.", as_json)


@box.command("dismiss")
@RECEIVED
@click.option("--reason", required=True, help="Pourquoi il n'y a rien à faire.")
@CONFIG
@JSON
def dismiss(received: int, reason: str, path: Path, as_json: bool) -> None:
    """Sortir une réception de la boîte : vue, rien à faire. Elle reste conservée."""
    run(path, lambda deps: flow.dismiss(deps, operator(), ReceivedId(received), reason))
    _tell(received, "dismiss", "La réception est classée ; elle reste conservée.", as_json)


def _tell(received: int, done: str, message: str, as_json: bool) -> None:
    """What was done, in a sentence or as data."""
    if as_json:
        show_one({"id": received, "done": done, "message": message}, as_json)
    else:
        click.echo(message)
