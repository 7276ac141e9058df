"""`tdt certificates`: the calendar of every certificate in play; the RGS levels."""

from pathlib import Path

import click

from tdt.admin.calendar import KIND, WITHIN, show_calendar
from tdt.admin.door import CONFIG, JSON
from tdt.admin.rgs import rgs


@click.group("certificates", invoke_without_command=True)
@CONFIG
@WITHIN
@KIND
@JSON
@click.pass_context
def certificates(context: click.Context, path: Path, within: int | None, kind: str | None, as_json: bool) -> None:
    """Certificats en jeu et leur date de fin : comptes, serveur, liaisons avec l'État, autorités, révocations."""
    if context.invoked_subcommand is None:
        show_calendar(path, within, kind, as_json)


certificates.add_command(rgs)
