"""`tdt admin conventions`: conventions, avenants, suspensions, the verdict on a day, and what waits for them."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.db.conventions import Filed, list_conventions, list_held, list_suspensions
from tdt.deps import Deps
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.content import hold
from tdt.domain.conventions import Avenant, Convention, Suspension, last_day, terms_on
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId
from tdt.flows import conventions as flow

AUTHORITY = click.option("--authority", type=int, required=True, help="La collectivité.")
ANY_AUTHORITY = click.option("--authority", type=int, help="Seulement cette collectivité.")
MODULE = click.option("--module", required=True, type=click.Choice([str(one) for one in Module]), help="Le module.")
DOMAIN = click.option(
    "--domain",
    "domains",
    multiple=True,
    help="Nature d'acte (1 à 6) ou élément d'un PES (PES_DepenseAller…) ; à répéter, tous si rien n'est dit.",
)
DAY = click.DateTime(["%Y-%m-%d"])
PDF = click.option(
    "--pdf", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Le document signé, en PDF."
)
CONVENTION = click.argument("convention", type=int)


def _day(value: datetime | None) -> date | None:
    return value.date() if value is not None else None


@click.group("conventions")
def conventions() -> None:
    """Conventions de télétransmission, avenants, suspensions, et ce qu'elles retiennent."""


@conventions.command("list")
@ANY_AUTHORITY
@CONFIG
@JSON
def list_all(authority: int | None, path: Path, as_json: bool) -> None:
    """Les conventions, telles qu'elles sont aujourd'hui avec leurs avenants."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_conventions(connection, AuthorityId(authority) if authority is not None else None)
        return [_row(one, paris_date(deps.now())) for one in found]

    show(run(path, work), as_json)


def _row(one: Filed, today: date) -> Row:
    convention, terms = one.convention, terms_on(one.convention, today)
    return {
        "id": convention.id,
        "authority_id": convention.authority_id,
        "authority": one.authority,
        "module": str(convention.module),
        "reference": convention.reference,
        "starts_on": convention.starts_on,
        "last_day": last_day(convention),
        "state_party": terms.state_party,
        "operator": terms.operator,
        "device": terms.device,
        "domains": sorted(terms.domains),
        "avenants": [f"{each.reference} (au {each.effective_on})" for each in convention.avenants],
        "pdf": one.content_id is not None,
    }


@conventions.command("create")
@AUTHORITY
@MODULE
@click.option("--reference", required=True, help="Sa référence.")
@click.option("--signed-on", type=DAY, required=True, help="Date de signature, AAAA-MM-JJ.")
@click.option("--starts-on", type=DAY, help="Premier jour couvert ; celui de la signature si rien n'est dit.")
@click.option("--ends-on", type=DAY, help="Dernier jour couvert ; sans fin si rien n'est dit.")
@click.option("--state-party", default="", help="L'autre partie : la préfecture, ou le poste de la DGFiP.")
@click.option("--operator", "mutualisation", default="", help="L'opérateur de mutualisation qu'elle désigne.")
@click.option("--device", default="", help="Le dispositif de télétransmission qu'elle désigne.")
@DOMAIN
@PDF
@CONFIG
def create(path: Path, pdf: Path | None, domains: tuple[str, ...], **given: Any) -> None:
    """Enregistrer une convention."""
    signed_on = given["signed_on"].date()
    new = Convention(
        id=0,
        authority_id=AuthorityId(given["authority"]),
        module=Module(given["module"]),
        reference=given["reference"],
        signed_on=signed_on,
        starts_on=_day(given["starts_on"]) or signed_on,
        ends_on=_day(given["ends_on"]),
        device=given["device"],
        state_party=given["state_party"],
        operator=given["mutualisation"],
        domains=frozenset(domains),
    )
    document = hold(pdf.read_bytes()) if pdf is not None else None
    convention = run(path, lambda deps: flow.create(deps, operator(), new, document))
    click.echo(f"La convention a été enregistrée (id={convention}).")


@conventions.command("modify")
@CONVENTION
@click.option("--reference", help="Sa référence.")
@click.option("--signed-on", type=DAY, help="Date de signature.")
@click.option("--starts-on", type=DAY, help="Premier jour couvert.")
@click.option("--ends-on", type=DAY, help="Dernier jour couvert.")
@click.option("--no-end", is_flag=True, help="Sans fin.")
@click.option("--state-party", help="L'autre partie.")
@click.option("--operator", "mutualisation", help="L'opérateur de mutualisation.")
@click.option("--device", help="Le dispositif.")
@DOMAIN
@PDF
@CONFIG
def modify(convention: int, path: Path, pdf: Path | None, domains: tuple[str, ...], no_end: bool, **given: Any) -> None:
    """Corriger ou prolonger une convention : ce qui n'est pas dit reste, ce qui attendait part."""
    said: dict[str, Any] = {
        name: value.date() if isinstance(value, datetime) else value
        for name, value in given.items()
        if value is not None
    }
    if "mutualisation" in said:
        said["operator"] = said.pop("mutualisation")
    if domains:
        said["domains"] = frozenset(domains)
    if no_end:
        said["ends_on"] = None
    document = hold(pdf.read_bytes()) if pdf is not None else None

    def edit(current: Convention) -> Convention:
        return replace(current, **said)

    run(path, lambda deps: flow.modify(deps, operator(), convention, edit, document))
    click.echo("La convention a été modifiée.")


@conventions.command("amend")
@CONVENTION
@click.option("--reference", required=True, help="Sa référence.")
@click.option("--signed-on", type=DAY, required=True, help="Date de signature.")
@click.option("--effective-on", type=DAY, required=True, help="Premier jour de son effet.")
@click.option("--ends-on", type=DAY, help="Nouveau dernier jour de la convention.")
@click.option("--state-party", help="Nouvelle autre partie.")
@click.option("--operator", "mutualisation", help="Nouvel opérateur de mutualisation.")
@click.option("--device", help="Nouveau dispositif.")
@DOMAIN
@PDF
@CONFIG
def amend(convention: int, path: Path, pdf: Path | None, domains: tuple[str, ...], **given: Any) -> None:
    """Enregistrer un avenant : à partir de son jour, il remplace ce qu'il dit."""
    new = Avenant(
        id=0,
        reference=given["reference"],
        signed_on=given["signed_on"].date(),
        effective_on=given["effective_on"].date(),
        ends_on=_day(given["ends_on"]),
        device=given["device"],
        state_party=given["state_party"],
        operator=given["mutualisation"],
        domains=frozenset(domains) if domains else None,
    )
    document = hold(pdf.read_bytes()) if pdf is not None else None
    avenant = run(path, lambda deps: flow.amend(deps, operator(), convention, new, document))
    click.echo(f"L'avenant a été enregistré (id={avenant}).")


@conventions.command("pdf")
@CONVENTION
@click.option("--avenant", type=int, help="Celui de cet avenant.")
@click.option(
    "--to", "target", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Fichier à écrire."
)
@CONFIG
def download(convention: int, avenant: int | None, target: Path, path: Path) -> None:
    """Écrire le PDF d'une convention dans un fichier."""

    async def work(deps: Deps) -> None:
        content = await flow.find_document(deps, operator(), convention, avenant)
        if content is None:
            raise Refused("Aucun PDF n'a été enregistré.")
        with target.open("wb") as file:
            async for chunk in deps.stream("system", content):
                file.write(chunk)

    run(path, work)
    click.echo(f"Écrit : {target}")


@conventions.command("suspend")
@AUTHORITY
@MODULE
@click.option("--reason", required=True, help="Pourquoi : montré à côté des envois retenus.")
@click.option("--starts-on", type=DAY, help="Premier jour ; aujourd'hui si rien n'est dit.")
@click.option("--ends-on", type=DAY, help="Dernier jour ; jusqu'à ce qu'elle soit levée si rien n'est dit.")
@DOMAIN
@CONFIG
def suspend(path: Path, domains: tuple[str, ...], **given: Any) -> None:
    """Suspendre la télétransmission d'un module : ce qui doit partir attend."""

    async def work(deps: Deps) -> int:
        new = Suspension(
            0,
            Module(given["module"]),
            _day(given["starts_on"]) or paris_date(deps.now()),
            _day(given["ends_on"]),
            given["reason"],
            frozenset(domains),
        )
        return await flow.suspend(deps, operator(), AuthorityId(given["authority"]), new)

    click.echo(f"La télétransmission est suspendue (id={run(path, work)}).")


@conventions.command("suspensions")
@ANY_AUTHORITY
@CONFIG
@JSON
def suspensions(authority: int | None, path: Path, as_json: bool) -> None:
    """Les suspensions, passées et présentes."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_suspensions(connection, AuthorityId(authority) if authority is not None else None)
        return [
            {
                "id": one.id,
                "authority_id": number,
                "authority": name,
                "module": str(one.module),
                "starts_on": one.starts_on,
                "ends_on": one.ends_on,
                "domains": sorted(one.domains),
                "reason": one.reason,
            }
            for number, name, one in found
        ]

    show(run(path, work), as_json)


@conventions.command("lift")
@click.argument("suspension", type=int)
@CONFIG
def lift(suspension: int, path: Path) -> None:
    """Lever une suspension : ce qui attendait part."""
    run(path, lambda deps: flow.lift(deps, operator(), suspension))
    click.echo("La suspension est levée.")


@conventions.command("verdict")
@AUTHORITY
@MODULE
@DOMAIN
@click.option("--day", type=DAY, help="Le jour ; aujourd'hui si rien n'est dit.")
@CONFIG
@JSON
def verdict(path: Path, as_json: bool, domains: tuple[str, ...], **given: Any) -> None:
    """Ce qu'il en serait d'un envoi ce jour-là : permis, averti ou retenu, et par quelle clause."""

    async def work(deps: Deps) -> Row:
        day = _day(given["day"]) or paris_date(deps.now())
        question = flow.Question(AuthorityId(given["authority"]), Module(given["module"]), frozenset(domains), day)
        found = await flow.ask(deps, operator(), question)
        return {
            "day": day,
            "outcome": str(found.outcome),
            "clause": found.clause,
            "convention_id": found.convention_id,
            "avenant_id": found.avenant_id,
            "suspension_id": found.suspension_id,
        }

    show_one(run(path, work), as_json)


@conventions.command("held")
@ANY_AUTHORITY
@CONFIG
@JSON
def held(authority: int | None, path: Path, as_json: bool) -> None:
    """Les envois retenus, du plus ancien au plus récent."""

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_held(connection, AuthorityId(authority) if authority is not None else None)
        return [
            {
                "authority_id": one.authority_id,
                "authority": one.authority,
                "kind": one.kind,
                "object_id": one.object_id,
                "since": one.since.isoformat(timespec="seconds"),
                "next_look": one.next_look.isoformat(timespec="seconds"),
                "why": one.why,
            }
            for one in found
        ]

    show(run(path, work), as_json)
