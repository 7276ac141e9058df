"""`tdt admin users notify` and `tdt admin users refused-addresses`: who is told by e-mail, and who cannot be."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.db.notification_wishes import list_refusals
from tdt.deps import Deps
from tdt.domain.actes.notifications import WISHES, Kind
from tdt.domain.ids import AccountId, AuthorityId
from tdt.flows import notification_wishes as flow

MODES = click.Choice([str(mode) for mode in WISHES])


@click.command("notify")
@click.argument("account", type=int)
@click.option("--error", type=MODES, help="Un acte en erreur.")
@click.option("--acknowledged", type=MODES, help="Un acte, une réponse ou une annulation reçus par la préfecture.")
@click.option("--letter", type=MODES, help="Un courrier de la préfecture.")
@click.option("--all", "every", type=MODES, help="Les trois.")
@click.option("--retry", is_flag=True, help="Réessayer son adresse, que le serveur de courrier a refusée.")
@CONFIG
@JSON
def notify(account: int, every: str | None, retry: bool, path: Path, as_json: bool, **said: str | None) -> None:
    """Ce qu'un compte reçoit par courriel : aussitôt, par jour, ou rien. Sans option : le montrer."""

    async def work(deps: Deps) -> Row:
        wanted = {str(kind): said[kind] or every or "" for kind in Kind}
        asked = flow.Change(flow.read_wishes(wanted), retry)
        if asked.wishes or retry:
            found = await flow.change(deps, operator(), AccountId(account), asked)
        else:
            found = await flow.find(deps, operator(), AccountId(account))
        wishes = {str(kind): str(mode) for kind, mode in found.wishes.items()}
        return {"account": account, "email": found.email, **wishes, "refused": found.refused and found.refused[1]}

    show_one(run(path, work), as_json)


@click.command("refused-addresses")
@click.option("--retry", nargs=2, type=(int, str), metavar="COLLECTIVITÉ ADRESSE", help="Réessayer cette adresse.")
@click.option("--retry-all", is_flag=True, help="Les réessayer toutes : c'est le serveur de courrier qui avait tort.")
@CONFIG
@JSON
def refused_addresses(retry: tuple[int, str] | None, retry_all: bool, path: Path, as_json: bool) -> None:
    """Les adresses que le serveur de courrier refuse : rien ne leur est plus envoyé.

    Ce qu'une adresse réessayée a manqué lui arrive avec le récapitulatif suivant.
    """

    async def work(deps: Deps) -> list[Row]:
        if retry is not None:
            await flow.retry_address(deps, operator(), AuthorityId(retry[0]), retry[1])
        if retry_all:
            await flow.retry_all(deps, operator())
        async with deps.transaction("system") as connection:
            found = await list_refusals(connection)
        names = ("authority_id", "authority", "address", "at", "reply")
        return [dict(zip(names, one, strict=True)) for one in found]

    show(run(path, work), as_json)
