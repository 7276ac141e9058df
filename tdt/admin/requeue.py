"""`tdt requeue`: the work that was set aside, and how it is given back, one by one or some by kind."""

import sys
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, REFUSED, Row, operator, run, show
from tdt.db.dead_jobs import DeadJob, Wanted
from tdt.deps import Deps
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId, JobId
from tdt.domain.jobs import JobKind
from tdt.domain.plain import instant
from tdt.flows import requeue as flow


@click.command("requeue")
@click.argument("jobs", metavar="[ID]...", nargs=-1, type=int)
@click.option("--list", "listing", is_flag=True, help="Montrer seulement, même avec --kind, --authority ou --code.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([str(kind) for kind in JobKind]), help="De ce genre.")
@click.option("--authority", type=int, help="De cette collectivité.")
@click.option("--code", help="Mis de côté avec ce code (TRAVAILLEUR_TUE…).")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Au plus.")
@click.option("--reason", default="", help="Pourquoi : la trace le garde.")
@CONFIG
@JSON
def requeue(jobs: tuple[int, ...], listing: bool, path: Path, as_json: bool, reason: str, **wanted: object) -> None:
    """Relancer un travail mis de côté ; sans argument, montrer lesquels le sont, pourquoi et depuis quand.

    Un envoi incertain ne se relance pas : « tdt release ». Code de sortie 1 si l'un au moins n'a pas été relancé.
    """
    kinds = wanted["kinds"]
    assert isinstance(kinds, tuple)
    filtered = Wanted(kinds, _authority(wanted["authority"]), _text(wanted["code"]), _number(wanted["limit"]))
    if listing or not (jobs or kinds or filtered.code or filtered.authority):
        show([_row(one) for one in run(path, lambda deps: flow.list_dead(deps, filtered))], as_json)
        return
    done = run(path, lambda deps: _replay(deps, jobs, filtered, reason))
    show(done, as_json)
    if any(row["refused"] for row in done):
        sys.exit(REFUSED)


async def _replay(deps: Deps, jobs: tuple[int, ...], wanted: Wanted, reason: str) -> list[Row]:
    """Each on its own: one that is refused keeps none of the others."""
    named = jobs or tuple(one.id for one in await flow.list_dead(deps, wanted))
    done: list[Row] = []
    for number in named:
        try:
            found = await flow.requeue(deps, operator(), JobId(number), reason)
        except Refused as refusal:
            done.append({"id": number, "kind": "", "flow": "", "requeued": False, "refused": refusal.message})
        else:
            done.append({"id": number, "kind": found.kind, "flow": found.flow, "requeued": True, "refused": ""})
    return done


def _row(one: DeadJob) -> Row:
    return {
        "id": one.id,
        "kind": one.kind,
        "object_id": one.object_id,
        "flow": one.flow,
        "authority_id": one.authority_id,
        "authority": one.authority,
        "since": instant(one.since),
        "attempts": one.attempts,
        "takeovers": one.takeovers,
        "code": one.code,
        "reason": one.reason,
        "uncertain": one.uncertain,
    }


def _authority(value: object) -> AuthorityId | None:
    return AuthorityId(value) if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return str(value) if value else None


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
