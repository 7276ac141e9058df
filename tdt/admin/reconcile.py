"""`tdt reconcile`: make the balances that are missing, show them, say whether they hold and are as signed."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, REFUSED, Row, operator, run, show
from tdt.db.balances import Wanted
from tdt.deps import Deps
from tdt.domain.balance_text import NONE_KEPT
from tdt.domain.errors import Temporary
from tdt.domain.ids import AuthorityId
from tdt.flows import balances as flow

DAY = click.DateTime(["%Y-%m-%d"])
TRIES = 5


@dataclass(frozen=True, slots=True)
class _Asked:
    day: date | None
    authority: AuthorityId | None
    full: bool
    directory: Path | None


@click.command("reconcile")
@click.option(
    "--day",
    type=DAY,
    help="Le jour (AAAA-MM-JJ), qui doit être fini ; sans lui, le dernier jour dont le solde est à faire.",
)
@click.option("--authority", type=int, help="Cette collectivité seulement.")
@click.option("--full", is_flag=True, help="Tout recompter flux par flux, et comparer aux soldes gardés.")
@click.option(
    "--save", "directory", type=click.Path(path_type=Path, file_okay=False), help="Écrire ici documents et signatures."
)
@CONFIG
@JSON
def reconcile(  # noqa: PLR0913, PLR0917 - one argument for each option
    day: datetime | None, authority: int | None, full: bool, directory: Path | None, path: Path, as_json: bool
) -> None:
    """Faire les soldes qui manquent, les montrer et les vérifier. Code de sortie 1 si l'un ne tombe pas juste."""
    asked = _Asked(
        day.date() if day is not None else None,
        AuthorityId(authority) if authority is not None else None,
        full,
        directory,
    )
    rows = run(path, lambda deps: _reconcile(deps, asked))
    if rows or asked.day is None:
        show(rows, as_json)
    else:
        click.echo("[]" if as_json else NONE_KEPT)
    if any(row["fault"] or not row["balanced"] for row in rows):
        sys.exit(REFUSED)


async def _reconcile(deps: Deps, asked: _Asked) -> list[Row]:
    day = asked.day or flow.is_due(deps)
    if asked.day is not None:
        await flow.check_day(deps, day, asked.authority)
    await _make(deps, asked.authority, day)
    await flow.sign_unsigned(deps)
    rows: list[Row] = []
    after = 0
    while found := await flow.list_some(deps, operator(), Wanted(day, day, asked.authority, None, after)):
        for one in found:
            verified = await flow.verify(one)
            rows.append(_row(verified))
            if asked.directory is not None:
                _save(asked.directory, verified)
        after = found[-1].id
    if asked.full:
        for number in [asked.authority] if asked.authority is not None else await flow.list_authorities(deps):
            rows += [_difference(one, day) for one in await flow.recount(deps, number, day)]
    return rows


async def _make(deps: Deps, authority: AuthorityId | None, day: date) -> None:
    """What is missing up to this day; a worker that does the same is given way to."""
    asked, tries = flow.Asked(operator(), authority, day), 0
    while True:
        try:
            if await flow.make_next(deps, asked) is None:
                return
        except Temporary:
            tries += 1
            if tries == TRIES:
                raise


def _row(verified: flow.Verified) -> Row:
    one = verified.balance
    told = json.loads(one.document)
    closing = told["closing"]
    return {
        "id": one.id,
        "day": one.day,
        "authority_id": one.authority_id,
        "authority": told["authority"]["name"],
        "module": one.module,
        "route": told["route"]["name"],
        **{name: closing[name] for name in ("deposited", "sent", "held", "refused")},
        **{name: closing[name] for name in ("acknowledged", "awaited", "anomalies", "without_answer", "letters")},
        "balanced": one.balanced,
        "flows": [f"{fault['flow']} {fault['code']}" for fault in told["faults"]],
        "signed": one.signature is not None,
        "fault": verified.fault,
    }


def _difference(one: flow.Difference, day: date) -> Row:
    blank: dict[str, object] = dict.fromkeys(
        ("authority", "deposited", "sent", "held", "refused", "acknowledged", "awaited", "anomalies"), None
    )
    return {
        "id": None,
        "day": day,
        "authority_id": one.authority,
        "module": one.module,
        "route": one.route,
        **blank,
        "without_answer": None,
        "letters": None,
        "balanced": False,
        "flows": [f"{one.flow} {one.code}".strip()],
        "signed": False,
        "fault": one.text,
    }


def _save(directory: Path, verified: flow.Verified) -> None:
    """The document, its signature and the certificate: what `openssl cms -verify` wants."""
    one = verified.balance
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"{one.day:%Y%m%d}-{one.authority_id}-{one.module}-{one.route_id}"
    parts: Sequence[tuple[str, bytes | None]] = (
        ("json", one.document),
        ("p7s", one.signature),
        ("pem", one.certificate),
    )
    for extension, data in parts:
        if data is not None:
            (directory / f"{stem}.{extension}").write_bytes(data)
