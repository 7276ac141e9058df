"""What every command of `tdt admin` shares: configuration, dependencies, who acts, errors told, table or JSON."""

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from tdt import log
from tdt.config import Config, ConfigError
from tdt.config_file import load
from tdt.deps import Deps, open_deps
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import TdtError

Result = TypeVar("Result")
Row = Mapping[str, object]

CONFIG = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=Path("/etc/tdt/tdt.toml"),
    show_default=True,
    envvar="TDT_CONFIG",
    help="Fichier de configuration.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Du JSON au lieu d'un tableau.")
REFUSED = 1
MISCONFIGURED = 2


def operator() -> Actor:
    """Who acts at this terminal: known to the audit by the login of the operating system."""
    return Actor(Source.CLI, None, getpass.getuser())


def configuration(path: Path) -> Config:
    """The configuration; its faults are told, one a line, and end the command."""
    try:
        return load(path)
    except ConfigError as error:
        misconfigured(error)


def misconfigured(error: ConfigError) -> NoReturn:
    """Tell the faults, one a line, and end the command."""
    for fault in error.faults:
        click.echo(fault, err=True)
    sys.exit(MISCONFIGURED)


def refused(message: str) -> NoReturn:
    """Tell why nothing was done, and end the command."""
    click.echo(message, err=True)
    sys.exit(REFUSED)


def run(path: Path, work: Callable[[Deps], Awaitable[Result]]) -> Result:
    """Do some work with the program's dependencies; an error is told in one line, and ends the command."""
    config = configuration(path)
    log.configure("error", config.log.format)
    try:
        return asyncio.run(_with_deps(config, work))
    except TdtError as error:
        refused(f"{error.code} : {error.message}")


async def _with_deps(config: Config, work: Callable[[Deps], Awaitable[Result]]) -> Result:
    async with open_deps(config) as deps:
        return await work(deps)


def show(rows: Sequence[Row], as_json: bool) -> None:
    """Rows as a table, one line each, or as a JSON list."""
    if as_json:
        click.echo(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2, default=str))
        return
    if not rows:
        click.echo("Rien.")
        return
    columns = list(rows[0])
    cells = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_one(row: Row, as_json: bool) -> None:
    """One object: a field a line, or a JSON object."""
    if as_json:
        click.echo(json.dumps(dict(row), ensure_ascii=False, indent=2, default=str))
        return
    width = max(map(len, row), default=0)
    for name, value in row.items():
        click.echo(f"{name.ljust(width)}  {_cell(value)}")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(sorted(_cell(item) for item in value))
    return str(value)
