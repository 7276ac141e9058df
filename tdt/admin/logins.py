"""`tdt admin logins`: the passwords that were refused, and the accounts that are closed to an address for it."""

from dataclasses import asdict
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show
from tdt.db.logins import FailureLine, list_failures
from tdt.deps import Deps
from tdt.domain.ids import AccountId
from tdt.flows import logins as flow


@click.group("logins")
def logins() -> None:
    """Connexions : mots de passe refusés, comptes fermés à une adresse pour cela."""


@logins.command("list")
@CONFIG
@JSON
def list_all(path: Path, as_json: bool) -> None:
    """Les mots de passe refusés qui comptent encore, par compte et par adresse."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            return [_row(deps, one) for one in await list_failures(connection, flow.window_start(deps))]

    show(run(path, work), as_json)


def _row(deps: Deps, one: FailureLine) -> Row:
    until = flow.end_of_window(deps, one.since)
    return {**asdict(one), "blocked": one.failures >= deps.config.login.failures, "until": until}


@logins.command("unblock")
@click.argument("account", type=int)
@CONFIG
def unblock(account: int, path: Path) -> None:
    """Oublier les mots de passe refusés à un compte : il est de nouveau ouvert, de partout."""
    run(path, lambda deps: flow.unblock(deps, operator(), AccountId(account)))
    click.echo("Le compte est de nouveau ouvert.")
