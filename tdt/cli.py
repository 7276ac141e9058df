"""The command line: one command per way to run the program; no logic here."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from tdt import log
from tdt.admin.french import speak_french
from tdt.admin.lazy import Lazy
from tdt.config import Config, ConfigError
from tdt.config_file import load

CONFIG = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=Path("/etc/tdt/tdt.toml"),
    show_default=True,
    envvar="TDT_CONFIG",
    help="Fichier de configuration.",
)


GROUPS = {
    "flow": "tdt.admin.flow",
    "admin": "tdt.admin.main",
    "certificates": "tdt.admin.certificates",
    "schemas": "tdt.admin.schemas",
    "reconcile": "tdt.admin.reconcile",
    "requeue": "tdt.admin.requeue",
    "hold": "tdt.admin.hold",
    "release": "tdt.admin.release",
    "status": "tdt.admin.status",
    "box": "tdt.admin.box",
    "verify": "tdt.admin.verify",
}
"""Groups of commands in modules of their own."""

speak_french()


@click.group(cls=Lazy, modules=GROUPS)
@click.version_option(package_name="tdt")
def main() -> None:
    """Tiers de télétransmission : ACTES et HELIOS entre une collectivité et l'État."""


@main.command()
@CONFIG
def serve(path: Path) -> None:
    """Lancer le serveur HTTPS : un processus, ou `server.processes` surveillés par un premier."""
    from tdt.web.processes import run  # noqa: PLC0415 - each command imports only what it runs

    try:
        run(_load(path))
    except ConfigError as error:
        _fail(error.faults)


@main.command()
@CONFIG
def work(path: Path) -> None:
    """Lancer un processus de travail : analyses, transmissions, réceptions."""
    from tdt.work import work as run  # noqa: PLC0415

    _run(run(_load(path)))


@main.command()
@CONFIG
def migrate(path: Path) -> None:
    """Appliquer les migrations de la base, en tant que propriétaire."""
    from tdt.db.migrate import MigrationError  # noqa: PLC0415
    from tdt.db.migrate import migrate as run  # noqa: PLC0415

    config = _load(path)
    if not config.database.owner_dsn:
        _fail(["[database] owner_dsn ou owner_dsn_file : manquant"])
    try:
        applied = asyncio.run(run(config.database.owner_dsn))
    except MigrationError as error:
        _fail([str(error)])
    click.echo("\n".join(applied) if applied else "La base est à jour.")


@main.command()
@CONFIG
@click.option("--dry-run", is_flag=True, help="Montrer sans rien supprimer.")
def sweep(path: Path, dry_run: bool) -> None:
    """Supprimer du dépôt local les fichiers que plus rien ne désigne."""
    from tdt.work import sweep as run  # noqa: PLC0415

    for name in asyncio.run(run(_load(path), dry_run)):
        click.echo(name)


@main.command("check-config")
@CONFIG
def check_config(path: Path) -> None:
    """Vérifier la configuration et l'afficher, secrets cachés."""
    from tdt.config import describe  # noqa: PLC0415

    click.echo(describe(_load(path)))


@main.command()
@click.option("--dir", "directory", type=click.Path(path_type=Path), required=True, help="Dossier du bac à sable.")
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="Port HTTPS du serveur.")
@click.option("--json", "json_output", is_flag=True, help="Une ligne de JSON sur la sortie standard une fois prêt.")
def sandbox(directory: Path, port: int, json_output: bool) -> None:
    """Lancer tout le bac à sable : Postgres, serveur, travail, simulateurs de l'État, certificats jetables."""
    from tdt.sandbox.main import run_sandbox  # noqa: PLC0415

    sys.exit(asyncio.run(run_sandbox(directory, port, json_output)))


@main.command()
@click.option("--config", "path", type=click.Path(path_type=Path), required=True, help="Fichier JSON des simulateurs.")
def simulators(path: Path) -> None:
    """Lancer les simulateurs de la préfecture et de la DGFiP, et leur API de pilotage."""
    from tdt.simulators.main import run  # noqa: PLC0415

    log.configure("info", "json")
    asyncio.run(run(path))


def _load(path: Path) -> Config:
    try:
        config = load(path)
    except ConfigError as error:
        _fail(error.faults)
    log.configure(config.log.level, config.log.format)
    return config


def _fail(faults: list[str]) -> Any:
    for fault in faults:
        click.echo(fault, err=True)
    sys.exit(2)


def _run(program: Coroutine[Any, Any, None]) -> None:
    import uvloop  # noqa: PLC0415

    try:
        uvloop.run(program)
    except ConfigError as error:
        _fail(error.faults)


if __name__ == "__main__":
    main()
