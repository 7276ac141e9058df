"""`tdt status`: one screen that says whether all is well, and if not, what to do."""

import json
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import click

from tdt.admin.door import CONFIG, REFUSED, Row, run
from tdt.admin.status_text import headline, lines_of
from tdt.domain.plain import instant
from tdt.domain.status import Facts, Point
from tdt.flows import status as flow

AWAY = 3
"""Exit code when the database is away."""


@click.command("status")
@click.option("--no-servers", is_flag=True, help="Ne pas interroger les processus : cette machine n'en porte pas.")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Du JSON au lieu d'un texte.")
def status(no_servers: bool, path: Path, as_json: bool) -> None:
    """Tout va-t-il bien, et sinon que faire.

    Code de sortie : 0 si tout va bien, 1 si un point demande une action, 2 si la configuration est fautive, 3 si la
    base de données ne répond pas.
    """
    facts, points = run(path, lambda deps: flow.look(deps, ask_servers=not no_servers))
    if as_json:
        click.echo(json.dumps(told(facts, points), ensure_ascii=False, indent=2, default=_plain))
    else:
        click.echo("\n".join(lines_of(facts, points)))
    if facts.inside is None:
        sys.exit(AWAY)
    if points:
        sys.exit(REFUSED)


def told(facts: Facts, points: list[Point]) -> Row:
    """The same as data: verdict, points, facts."""
    return {
        "well": not points,
        "headline": headline(points),
        "points": [asdict(one) for one in points],
        **asdict(facts),
    }


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
