"""`tdt admin authorities export`, `verify-export`: everything that is kept of a collectivité, in a folder."""

from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, refused, run, show_one
from tdt.deps import Deps
from tdt.documents.export_folder import check_export
from tdt.domain.ids import AuthorityId
from tdt.flows import exports as flow


@click.command("export")
@click.argument("authority", type=int)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    required=True,
    help="Le dossier à créer, sur un disque assez grand.",
)
@CONFIG
@JSON
def export(authority: int, target: Path, path: Path, as_json: bool) -> None:
    """Exporter tout ce qui est conservé d'une collectivité ; relancée, la commande reprend où elle en était."""

    async def work(deps: Deps) -> Row:
        done = await flow.export(deps, operator(), AuthorityId(authority), target)
        return {
            "folder": str(target),
            "manifest_sha256": done.sha256.hex(),
            "files": done.files,
            "bytes": done.body_bytes,
            "actes": done.counts["acte_transaction"],
            "pes": done.counts["helios_transaction"],
            "to_redo_before_purge": done.outrun,
        }

    show_one(run(path, work), as_json)


@click.command("verify-export")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--sha256", "manifest_sha256", default="", help="L'empreinte du manifeste, gardée par la plate-forme.")
def verify_export(folder: Path, manifest_sha256: str) -> None:
    """Vérifier un export : rien n'y manque, rien n'y a changé. Ni configuration ni base de données ne sont lues."""
    faults = list(check_export(folder, manifest_sha256))
    if faults:
        refused("\n".join(faults))
    click.echo("L'export est complet et intact.")
