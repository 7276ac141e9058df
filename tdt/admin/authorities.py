"""`tdt admin authorities`: the collectivités, their group over time, their SIRETs."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from tdt.admin.closing import closing_row
from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.admin.lazy import Lazy
from tdt.db.authority_admin import (
    AuthorityFilter,
    get_owned,
    list_authorities,
    list_memberships,
    list_sirets,
)
from tdt.db.closing import get_closing
from tdt.db.routes import list_uses
from tdt.db.turns import get_weight
from tdt.deps import Deps
from tdt.domain.authorities import Module
from tdt.domain.authority_sheet import NOT_FOUND, Sheet
from tdt.domain.calendar import paris_date
from tdt.domain.content import hold
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId, GroupId, RouteId
from tdt.flows import authorities as flow
from tdt.flows import purge, routes, sirets

AUTHORITY = click.argument("authority", type=int)
ON = click.option(
    "--on", type=click.DateTime(["%Y-%m-%d"]), help="Premier jour, AAAA-MM-JJ ; aujourd'hui si rien n'est dit."
)
TEXTS = {
    "name": "Son nom.",
    "siren": "Son SIREN.",
    "nature": "Son type, par son code (31 : commune).",
    "department": "Code du département (034).",
    "district": "Code de l'arrondissement (3).",
    "address": "Son adresse.",
    "postal_code": "Son code postal.",
    "city": "Sa ville.",
    "telephone": "Son téléphone.",
    "fax": "Son fax.",
    "email": "Son adresse électronique.",
    "default_broadcast_email": "Adresses de diffusion par défaut.",
    "broadcast_email": "Adresses de diffusion, séparées par des virgules.",
    "email_mail_securise": "Adresse d'expéditeur du mail sécurisé.",
    "descr_mail_securise": "Nom d'expéditeur du mail sécurisé.",
    "agreement": "Référence de la convention.",
    "p_dest": "P_DEST du centre Hélios.",
}
Command = Callable[..., Any]


def sheet_options(command: Command) -> Command:
    """The options that say what a collectivité is; what is not said stays, or is empty in a new one."""
    for name in reversed(TEXTS):
        command = click.option("--" + name.replace("_", "-"), name, help=TEXTS[name])(command)
    command = click.option(
        "--module",
        "modules",
        multiple=True,
        type=click.Choice([str(module) for module in Module]),
        help="Un module en service ; à répéter, ceux qui ne sont pas dits sont fermés.",
    )(command)
    command = click.option(
        "--nomfic-uniqueness-waived/--nomfic-uniqueness",
        "nomfic_uniqueness_waived",
        default=None,
        help="Dispense de l'unicité du NomFic des PES.",
    )(command)
    pdf = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option("--convention-pdf", "agreement_pdf", type=pdf, help="Le PDF de la convention.")(command)


def _edited(sheet: Sheet, given: dict[str, Any]) -> Sheet:
    said = {name: value for name, value in given.items() if value is not None and value != ()}
    if "modules" in said:
        said["modules"] = frozenset(Module(module) for module in said["modules"])
    return replace(sheet, **said)


CLOSING = dict.fromkeys(("close", "reopen", "schedule-purge"), "tdt.admin.closing") | dict.fromkeys(
    ("export", "verify-export"), "tdt.admin.exports"
)
ELSEWHERE = CLOSING | {"onboarding": "tdt.admin.onboarding"}


@click.group("authorities", cls=Lazy, modules=ELSEWHERE)
def authorities() -> None:
    """Collectivités : qui elles sont, leur groupe, leurs SIRET, leurs routes vers l'État, leur fermeture."""


@authorities.command("list")
@CONFIG
@JSON
@click.option("--name", help="Seulement celles dont le nom contient ce texte.")
@click.option("--siren", help="Seulement celles dont le SIREN contient ces chiffres.")
@click.option("--siret", help="Seulement celles dont un SIRET contient ces chiffres.")
@click.option("--group", type=int, help="Seulement celles de ce groupe aujourd'hui.")
@click.option("--type", "nature", type=int, help="Seulement celles de ce type.")
def list_all(path: Path, as_json: bool, nature: int | None, group: int | None, **wanted: str | None) -> None:
    """Les collectivités, par nom."""
    asked = AuthorityFilter(
        group=GroupId(group) if group is not None else None,
        type=nature,
        name=wanted["name"],
        siren=wanted["siren"],
        siret=wanted["siret"],
    )

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            return [
                {
                    "id": one.id,
                    "name": one.name,
                    "siren": one.siren,
                    "type": one.nature,
                    "department": one.department,
                    "district": one.district,
                    "group": one.group_name,
                    "active": one.status == 1,
                    "closes_on": one.closes_on,
                }
                for one in await list_authorities(connection, asked)
            ]

    show(run(path, work), as_json)


@authorities.command("show")
@AUTHORITY
@CONFIG
@JSON
def show_authority(authority: int, path: Path, as_json: bool) -> None:
    """Une collectivité, ses groupes, ses SIRET et ses routes au fil du temps."""
    show_one(run(path, lambda deps: _row(deps, AuthorityId(authority))), as_json)


async def _row(deps: Deps, authority: AuthorityId) -> Row:
    async with deps.transaction("system") as connection:
        owned = await get_owned(connection, authority)
        if owned is None:
            raise Refused(NOT_FOUND)
        stays = await list_memberships(connection, authority)
        numbers = await list_sirets(connection, authority)
        uses = await list_uses(connection, authority)
        end = await get_closing(connection, authority)
        weight = await get_weight(connection, authority)
    row: dict[str, object] = {"id": authority}
    row |= {one.name: getattr(owned.sheet, one.name) for one in fields(Sheet)}
    row["weight"] = weight
    row["modules"] = sorted(map(str, owned.sheet.modules))
    row["has_convention_pdf"] = owned.agreement_content_id is not None
    row["groups"] = [f"{one.group_name} {_period(one.valid_from, one.valid_to)}" for one in stays]
    row["sirets"] = [one.siret + (" (bloqué)" if one.blocked else "") for one in numbers]
    row["routes"] = [f"{one.kind} : {one.name} {_period(one.valid_from, one.valid_to)}" for one in uses]
    if end is not None:
        obstacle = "" if end.closes_on is None else await purge.find_obstacle(deps, authority)
        row |= closing_row(end, obstacle)
    return row


def _period(start: object, end: object) -> str:
    return f"(depuis le {start})" if end is None else f"(du {start} jusqu'au {end} exclu)"


@authorities.command("create")
@CONFIG
@JSON
@sheet_options
@click.option("--group", type=int, help="Son groupe à partir d'aujourd'hui.")
def create(path: Path, as_json: bool, agreement_pdf: Path | None, group: int | None, **given: Any) -> None:
    """Ouvrir une collectivité."""
    sheet = _edited(Sheet(status="1", group=GroupId(group) if group is not None else None), given)
    agreement = hold(agreement_pdf.read_bytes()) if agreement_pdf is not None else None

    async def work(deps: Deps) -> Row:
        return await _row(deps, await flow.create(deps, operator(), sheet, agreement))

    show_one(run(path, work), as_json)


@authorities.command("modify")
@AUTHORITY
@CONFIG
@JSON
@sheet_options
def modify(authority: int, path: Path, as_json: bool, agreement_pdf: Path | None, **given: Any) -> None:
    """Modifier une collectivité : ce qui n'est pas dit reste."""
    agreement = hold(agreement_pdf.read_bytes()) if agreement_pdf is not None else None

    async def work(deps: Deps) -> Row:
        edit = partial(_edited, given=given)
        await flow.modify(deps, operator(), AuthorityId(authority), edit, agreement)
        return await _row(deps, AuthorityId(authority))

    show_one(run(path, work), as_json)


@authorities.command("suspend")
@AUTHORITY
@CONFIG
@JSON
def suspend(authority: int, path: Path, as_json: bool) -> None:
    """Suspendre une collectivité : ses comptes sont refusés."""
    _then_show(path, authority, as_json, lambda deps: flow.set_active(deps, operator(), AuthorityId(authority), False))


@authorities.command("resume")
@AUTHORITY
@CONFIG
@JSON
def resume(authority: int, path: Path, as_json: bool) -> None:
    """Lever la suspension d'une collectivité."""
    _then_show(path, authority, as_json, lambda deps: flow.set_active(deps, operator(), AuthorityId(authority), True))


@authorities.command("weight")
@AUTHORITY
@click.argument("weight", type=int)
@CONFIG
@JSON
def set_weight(authority: int, weight: int, path: Path, as_json: bool) -> None:
    """Donner plus de tours à une collectivité : 1 au départ, 3 pour trois fois plus qu'une autre."""
    _then_show(path, authority, as_json, lambda deps: flow.set_weight(deps, operator(), AuthorityId(authority), weight))


@authorities.command("move")
@AUTHORITY
@click.option("--group", type=int, help="Son nouveau groupe ; aucun si rien n'est dit.")
@ON
@CONFIG
@JSON
def move(authority: int, group: int | None, on: datetime | None, path: Path, as_json: bool) -> None:
    """Changer une collectivité de groupe à une date ; ce qui était avant reste."""

    async def work(deps: Deps) -> None:
        day = on.date() if on is not None else paris_date(deps.now())
        target = GroupId(group) if group is not None else None
        await flow.move_to_group(deps, operator(), AuthorityId(authority), target, day)

    _then_show(path, authority, as_json, work)


@authorities.command("attach")
@AUTHORITY
@click.option("--route", type=int, required=True, help="La route vers l'État.")
@ON
@CONFIG
@JSON
def attach(authority: int, route: int, on: datetime | None, path: Path, as_json: bool) -> None:
    """Donner une route vers l'État à une collectivité, à partir d'une date ; ce qui était avant reste."""

    async def work(deps: Deps) -> None:
        day = on.date() if on is not None else paris_date(deps.now())
        await routes.attach(deps, operator(), AuthorityId(authority), RouteId(route), day)

    _then_show(path, authority, as_json, work)


def _then_show(path: Path, authority: int, as_json: bool, change: Callable[[Deps], Any]) -> None:
    async def work(deps: Deps) -> Row:
        await change(deps)
        return await _row(deps, AuthorityId(authority))

    show_one(run(path, work), as_json)


@authorities.group("siret")
def siret() -> None:
    """SIRET d'une collectivité : les retours de la DGFiP la trouvent par eux."""


SIRET = click.argument("number")


@siret.command("list")
@AUTHORITY
@CONFIG
@JSON
def list_siret(authority: int, path: Path, as_json: bool) -> None:
    """Les SIRET d'une collectivité."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_sirets(connection, AuthorityId(authority))
        return [{"siret": one.siret, "blocked": one.blocked} for one in found]

    show(run(path, work), as_json)


@siret.command("add")
@AUTHORITY
@SIRET
@CONFIG
def add_siret(authority: int, number: str, path: Path) -> None:
    """Donner un SIRET à une collectivité."""
    run(path, lambda deps: sirets.add(deps, operator(), AuthorityId(authority), number))
    click.echo("Le SIRET a été ajouté.")


@siret.command("remove")
@AUTHORITY
@SIRET
@CONFIG
def remove_siret(authority: int, number: str, path: Path) -> None:
    """Retirer un SIRET ; un flux de la collectivité peut le ramener."""

    async def work(deps: Deps) -> None:
        by = operator()
        await sirets.remove(deps, by, await sirets.find(deps, by, AuthorityId(authority), number))

    run(path, work)
    click.echo("Le SIRET a été retiré.")


@siret.command("block")
@AUTHORITY
@SIRET
@CONFIG
def block_siret(authority: int, number: str, path: Path) -> None:
    """Bloquer un SIRET : il n'attire plus de retour, aucun flux ne le ramène."""
    _set_blocked(path, authority, number, True)
    click.echo("Le SIRET a été bloqué.")


@siret.command("unblock")
@AUTHORITY
@SIRET
@CONFIG
def unblock_siret(authority: int, number: str, path: Path) -> None:
    """Débloquer un SIRET."""
    _set_blocked(path, authority, number, False)
    click.echo("Le SIRET a été débloqué.")


def _set_blocked(path: Path, authority: int, number: str, blocked: bool) -> None:
    async def work(deps: Deps) -> None:
        by = operator()
        await sirets.set_blocked(deps, by, await sirets.find(deps, by, AuthorityId(authority), number), blocked)

    run(path, work)
