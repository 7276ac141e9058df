"""`tdt verify`: every stored body is read and compared with every digest that the database holds of it."""

import asyncio
import json
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from tdt.admin.door import CONFIG, operator, refused, run, show_one
from tdt.db.verify import Run, Selection
from tdt.deps import Deps
from tdt.domain.calendar import PARIS
from tdt.domain.ids import AuthorityId
from tdt.flows import verify as flow

DIFFERS = 3
"""Exit code: something stored is missing or altered."""
INTERRUPTED = 130
SHOWN = 100

_FLOW = re.compile(r"(actes|helios):([0-9]{1,18})")
INSTANT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"])


@click.command("verify")
@click.option("--authority", type=int, help="Seulement ce qui appartient à cette collectivité.")
@click.option("--since", type=INSTANT, help="Seulement ce qui est conservé depuis cet instant, à l'heure de Paris.")
@click.option("--flow", "name", help="Seulement ce flux : actes:12, helios:3.")
@click.option(
    "--rate", type=click.IntRange(0), default=50, show_default=True, help="Mo lus par seconde ; 0 : sans limite."
)
@click.option("--at-once", type=click.IntRange(1, 32), default=4, show_default=True, help="Contenus lus à la fois.")
@click.option("--resume", is_flag=True, help="Reprendre la dernière vérification interrompue, où elle en était.")
@click.option("--show", "only_show", is_flag=True, help="Montrer la dernière vérification finie, sans rien lire.")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Du JSON au lieu d'un texte.")
def verify(path: Path, only_show: bool, as_json: bool, **given: Any) -> None:
    """Relire tout ce qui est conservé et comparer tailles et empreintes ; ne modifie rien.

    Codes de sortie : 0 tout est intact, 1 demande refusée, 2 configuration, 3 quelque chose manque ou a changé,
    130 interrompue (Ctrl-C : `--resume` la reprend).
    """
    if only_show:
        _show(run(path, flow.get_shown), as_json)
        return
    selection = _select(given["authority"], given["since"], given["name"])
    options = flow.Options(given["at_once"], given["rate"] * 1_000_000)

    async def work(deps: Deps) -> Run:
        begun, selected, size = await flow.begin(deps, operator(), selection, resume=given["resume"])
        with _stopped_by_signals(), _progress(size) as progress:
            return await flow.verify(deps, operator(), (begun, selected), options, progress)

    try:
        done = run(path, work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("Vérification interrompue ; `tdt verify --resume` la reprend où elle en était.", err=True)
        sys.exit(INTERRUPTED)
    _show(done, as_json)


def _select(authority: int | None, since: datetime | None, name: str | None) -> Selection:
    match = _FLOW.fullmatch(name) if name is not None else None
    if name is not None and match is None:
        refused(f"REFUS : Un flux se désigne par actes:12 ou helios:3, pas par « {name} ».")
    return Selection(
        AuthorityId(authority) if authority is not None else None,
        since.replace(tzinfo=PARIS) if since is not None else None,
        (match[1], int(match[2])) if match is not None else None,
    )


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does: what was read is recorded."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


@contextmanager
def _progress(size: int) -> Iterator[flow.Progress]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=max(size, 1), label="Vérification", file=sys.stderr) as bar:
        yield bar.update


def _show(done: Run | None, as_json: bool) -> None:
    """The result; ends with DIFFERS when something is missing or altered."""
    if done is None:
        refused("REFUS : Aucune vérification n'est allée à son terme.")
    told = {
        "id": done.id,
        "started_at": done.started_at,
        "ended_at": done.ended_at,
        "scope": {name: value for name, value in done.scope.items() if value is not None} or "tout",
        "bodies": done.bodies,
        "bytes": done.bytes,
        "faults": done.faults,
        "leftovers": done.leftovers,
    }
    if as_json:
        show_one(told | {"findings": list(done.findings)}, as_json)
    else:
        _write(done, told)
    if done.faults:
        sys.exit(DIFFERS)


def _write(done: Run, told: dict[str, object]) -> None:
    for one in done.findings[:SHOWN]:
        click.echo(f"{one['code']}  {one['subject']}  {one['detail']}")
        click.echo(f"    {one['message']} Qui : {one['who']}. Remède : {one['remedy']}")
    hidden = done.faults + done.leftovers - min(len(done.findings), SHOWN)
    if hidden:
        click.echo(f"… et {hidden} autres.")
    state = "tout est intact" if not done.faults else f"{done.faults} différence(s)"
    scope = "tout" if told["scope"] == "tout" else json.dumps(told["scope"], ensure_ascii=False)
    rest = f", {done.leftovers} reste(s) sans effet" if done.leftovers else ""
    click.echo(f"Vérification {done.id} ({scope}) : {done.bodies} contenus, {done.bytes} octets : {state}{rest}.")
