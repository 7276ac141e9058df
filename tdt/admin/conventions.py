"""`tdt admin conventions`: conventions, their avenants and PDF; the rest of the group lies in tdt.admin.suspensions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, run, show, show_one
from tdt.admin.lazy import Lazy
from tdt.db.conventions import Filed, list_conventions
from tdt.deps import Deps
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.content import Body
from tdt.domain.conventions import Avenant, Convention, last_day, terms_on
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
CHUNK = 1 << 18
OTHERS = ("suspend", "suspensions", "lift", "verdict", "held")
ALL_DOMAINS = click.option("--all-domains", is_flag=True, help="Tous les domaines.")
CONVENTION = click.argument("convention", type=int)


def day(value: datetime | None) -> date | None:
    """The day of an option."""
    return value.date() if value is not None else None


@asynccontextmanager
async def _document(deps: Deps, pdf: Path | None) -> AsyncIterator[Body | None]:
    """The document through the spool, whatever its size; gone again when the block fails."""
    if pdf is None:
        yield None
        return
    writer = deps.spool.writer()
    with writer.discarded_on_failure():
        with pdf.open("rb") as file:
            while chunk := file.read(CHUNK):
                writer.write(chunk)
        yield await writer.finish()


@click.group("conventions", cls=Lazy, modules=dict.fromkeys(OTHERS, "tdt.admin.suspensions"))
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


@conventions.command("show")
@CONVENTION
@CONFIG
@JSON
def show_convention(convention: int, path: Path, as_json: bool) -> None:
    """Une convention comme elle a été signée, ses avenants l'un après l'autre."""

    async def work(deps: Deps) -> tuple[Filed, Row]:
        found = await flow.find(deps, operator(), convention)
        return found, _row(found, paris_date(deps.now()))

    found, today = run(path, work)
    signed = {"authority": found.authority, **_plain(found.convention), "pdf": found.content_id is not None}
    avenants = [_plain(one) for one in found.convention.avenants]
    if as_json:
        show_one({**signed, "avenants": avenants, "today": today}, as_json)
        return
    show_one({**signed, "last_day": today["last_day"]}, as_json)
    if avenants:
        click.echo()
        show(avenants, as_json)


def _plain(value: Convention | Avenant) -> Row:
    fields = {name: getattr(value, name) for name in value.__dataclass_fields__ if name != "avenants"}
    return {name: sorted(one) if isinstance(one, frozenset) else one for name, one in fields.items()}


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
        starts_on=day(given["starts_on"]) or signed_on,
        ends_on=day(given["ends_on"]),
        device=given["device"],
        state_party=given["state_party"],
        operator=given["mutualisation"],
        domains=frozenset(domains),
    )

    async def work(deps: Deps) -> int:
        async with _document(deps, pdf) as document:
            return await flow.create(deps, operator(), new, document)

    click.echo(f"La convention a été enregistrée (id={run(path, work)}).")


def _domains(given: tuple[str, ...], everything: bool) -> frozenset[str] | None:
    """What the options say of the domains; None: nothing."""
    if everything and given:
        raise click.UsageError("--domain ou --all-domains, pas les deux.")
    return frozenset(given) if given or everything else None


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
@ALL_DOMAINS
@CONFIG
def modify(convention: int, path: Path, no_end: bool, **given: Any) -> None:
    """Corriger ou prolonger une convention : ce qui n'est pas dit reste, ce qui attendait part."""
    domains = _domains(given.pop("domains"), given.pop("all_domains"))
    said: dict[str, Any] = {
        name: value.date() if isinstance(value, datetime) else value
        for name, value in given.items()
        if value is not None
    }
    if "mutualisation" in said:
        said["operator"] = said.pop("mutualisation")
    if domains is not None:
        said["domains"] = domains
    if no_end:
        said["ends_on"] = None

    def edit(current: Convention) -> Convention:
        return replace(current, **said)

    run(path, lambda deps: flow.modify(deps, operator(), convention, edit))
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
@ALL_DOMAINS
@PDF
@CONFIG
def amend(convention: int, path: Path, pdf: Path | None, **given: Any) -> None:
    """Enregistrer un avenant : à partir de son jour, il remplace ce qu'il dit."""
    new = Avenant(
        id=0,
        reference=given["reference"],
        signed_on=given["signed_on"].date(),
        effective_on=given["effective_on"].date(),
        ends_on=day(given["ends_on"]),
        device=given["device"],
        state_party=given["state_party"],
        operator=given["mutualisation"],
        domains=_domains(given["domains"], given["all_domains"]),
    )

    async def work(deps: Deps) -> int:
        async with _document(deps, pdf) as document:
            return await flow.amend(deps, operator(), convention, new, document)

    click.echo(f"L'avenant a été enregistré (id={run(path, work)}).")


@conventions.command("attach")
@CONVENTION
@click.option("--avenant", type=int, help="À cet avenant.")
@click.option(
    "--pdf",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Le document signé, en PDF.",
)
@CONFIG
def attach(convention: int, avenant: int | None, pdf: Path, path: Path) -> None:
    """Joindre son PDF à une convention ou à un avenant ; il remplace celui d'avant."""

    async def work(deps: Deps) -> None:
        async with _document(deps, pdf) as document:
            if document is not None:
                await flow.attach(deps, operator(), convention, avenant, document)

    run(path, work)
    click.echo("Le document a été enregistré.")


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
