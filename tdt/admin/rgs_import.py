"""`tdt certificates rgs import`: levels from a signed trusted list, or authorities from two directories."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from tdt.admin.door import CONFIG, JSON, Row, configuration, misconfigured, refused, show
from tdt.certificates import authority_directories
from tdt.certificates.files import read_certificates, replace_file
from tdt.certificates.rgs import is_policy, load_issuers
from tdt.certificates.rgs_import import (
    DEFAULT_STATUSES,
    Authority,
    Change,
    Mapped,
    merge_list,
    plan_certificates,
    select,
    write_certificates,
)
from tdt.certificates.trusted_list import TrustedList, TrustedListError, read_trusted_list
from tdt.certificates.xmldsig import SignatureError, verify_enveloped
from tdt.config import ConfigError
from tdt.deps import utc_now
from tdt.domain.rgs import Holder, Level
from tdt.domain.xml import XmlError

NOTHING_DECLARED = "# Aucun niveau RGS déclaré : connect_authorities et transmit_authorities décident seuls.\n"
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
WORDS = {
    "added": "ajoutée",
    "changed": "modifiée",
    "removed": "retirée",
    "same": "inchangée",
    "kept": "gardée : déclarée hors de cette liste",
}


@dataclass(frozen=True, slots=True)
class _Order:
    """What the operator asks of the import of a list."""

    list: Path
    signers: tuple[Path, ...]
    mapped: Mapped
    statuses: tuple[str, ...]
    allow_expired: bool
    authorities: Path | None
    output: Path | None
    config: Path
    dry_run: bool
    as_json: bool


def read_map(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> Mapped:
    """`KEY=LEVEL:HOLDER` of the option --map: an OID in dotted form, or an URI of the list."""
    mapped: dict[str, tuple[Level, Holder]] = {}
    for value in values:
        key, _, meaning = value.rpartition("=")
        level, _, holder = meaning.partition(":")
        key = key.removeprefix("urn:oid:")
        if level not in (Level.ONE, Level.TWO) or holder not in list(Holder):
            raise click.BadParameter(f'{value} : attendu OID-ou-URI="*":server, "**":person…')
        if not is_policy(key) and ":" not in key:
            raise click.BadParameter(f"{value} : « {key} » n'est ni l'OID d'une politique ni une URI")
        if key in mapped:
            raise click.BadParameter(f"{key} est donné deux fois")
        mapped[key] = (Level(level), Holder(holder))
    return mapped


@click.command("import")
@CONFIG
@click.option("--trusted-list", type=FILE, help="Liste de confiance ETSI TS 119 612 (fichier XML signé).")
@click.option("--signer", "signers", type=FILE, multiple=True, help="Certificat admis à signer la liste ; répétable.")
@click.option(
    "--map",
    "mapped",
    multiple=True,
    callback=read_map,
    metavar="CLÉ=NIVEAU:PORTEUR",
    help='Ce que vaut un OID de politique ou une URI de la liste : "*:server", "**:person"… ; répétable.',
)
@click.option("--status", "statuses", multiple=True, help="Statuts des services retenus (fin de leur URI) ; répétable.")
@click.option("--allow-expired", is_flag=True, help="Accepter une liste périmée.")
@click.option("--authorities", type=DIRECTORY, help="Dossier où écrire aussi les certificats des autorités retenues.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Fichier à remplir, sinon [server] rgs."
)
@click.option("--connect", type=DIRECTORY, help="Dossier d'autorités qui peuvent se connecter (validca de S2LOW).")
@click.option("--transmit", type=DIRECTORY, help="Dossier d'autorités qui peuvent télétransmettre (validcargs).")
@click.option("--dry-run", is_flag=True, help="Montrer sans rien écrire.")
@JSON
def import_command(
    path: Path, trusted_list: Path | None, connect: Path | None, transmit: Path | None, **options: object
) -> None:
    """Remplir rgs.toml à partir d'une liste de confiance, ou les dossiers d'autorités à partir de ceux de S2LOW.

    Liste de confiance : --trusted-list, --signer, --map. Rien n'est su d'avance : --map dit ce que vaut chaque OID.
    Ce qui est écrit à la main dans rgs.toml reste ; le bloc de la liste est remplacé.

    Dossiers : --connect, --transmit. Les certificats sont ajoutés aux dossiers que la configuration nomme.
    """
    if trusted_list is not None and connect is None and transmit is None:
        order = _Order(list=trusted_list, config=path, **options)  # type: ignore[arg-type]
        if not order.signers or not order.mapped:
            raise click.UsageError("Avec --trusted-list il faut au moins un --signer et un --map.")
        _guarded(lambda: _import_list(order, utc_now()))
    elif trusted_list is None and (connect is not None or transmit is not None):
        _guarded(
            lambda: _import_directories(path, connect, transmit, bool(options["dry_run"]), bool(options["as_json"]))
        )
    else:
        raise click.UsageError("Donner --trusted-list, ou bien --connect et --transmit.")


def _guarded(work: Callable[[], None]) -> None:
    try:
        work()
    except XmlError as error:
        refused(f"Rien n'est écrit : le fichier XML est illisible ou d'une forme refusée ({error}).")
    except (SignatureError, TrustedListError) as error:
        refused(f"Rien n'est écrit : {error}.")
    except ConfigError as error:
        misconfigured(error)
    except OSError as error:
        refused(f"{error.filename} : {error.strerror}")


# ---------------------------------------------------------------------------------------------- a trusted list


def _import_list(order: _Order, now: datetime) -> None:
    trusted = _trusted(order, now)
    selection = select(trusted, order.mapped, order.statuses or DEFAULT_STATUSES, now)
    for note in selection.notes:
        click.echo(note, err=True)
    if not selection.authorities:
        raise TrustedListError("aucun service en règle de la liste ne correspond à --map")
    output = _output(order)
    text = output.read_text(encoding="utf-8") if output.exists() else ""
    try:
        new, changes = merge_list(text, trusted, selection.authorities)
    except ConfigError as error:
        raise ConfigError([f"{output}: {fault}" for fault in error.faults]) from error
    files, gone = (
        ({}, [])
        if order.authorities is None
        else plan_certificates(order.authorities, trusted.territory, selection.authorities)
    )
    if not order.dry_run:
        write_certificates(files, gone)
        replace_file(output, new.encode("utf-8"))
    show([_change_row(change, order.as_json) for change in changes], order.as_json)
    for file in (*files, *gone):
        click.echo(f"{file} : {'retiré' if file in gone else 'écrit'}", err=True)
    _tell_roots(selection.authorities)
    if order.dry_run:
        click.echo("Rien n'a été écrit (--dry-run).", err=True)


def _trusted(order: _Order, now: datetime) -> TrustedList:
    """The list, once its signature and its date were checked."""
    signers = [one for path in order.signers for one in read_certificates(str(path))]
    signed = verify_enveloped(order.list.read_bytes(), signers)
    trusted = read_trusted_list(signed.content)
    if not signed.signer.not_valid_before_utc <= now <= signed.signer.not_valid_after_utc:
        click.echo("Attention : le certificat qui signe la liste n'est pas dans sa période de validité.", err=True)
    if not order.allow_expired:
        if trusted.next_update is None:
            raise TrustedListError("la liste de confiance est close (pas de prochaine mise à jour)")
        if trusted.next_update < now:
            raise TrustedListError(f"la liste de confiance est périmée depuis le {trusted.next_update:%d/%m/%Y}")
    return trusted


def _output(order: _Order) -> Path:
    if order.output is not None:
        return order.output
    named = configuration(order.config).server.rgs
    if not named:
        refused("Rien n'est écrit : donnez --output, ou [server] rgs dans la configuration.")
    return Path(named)


def _change_row(change: Change, as_json: bool) -> Row:
    policies = [f"{policy.oid} = {policy.level} {policy.holder}" for policy in change.issuer.policies]
    return {
        "change": change.what if as_json else WORDS[change.what],
        "subject": change.issuer.subject,
        "sha256": change.issuer.sha256,
        "policies": policies,
    }


def _tell_roots(authorities: Sequence[Authority]) -> None:
    """A list holds the authorities that issue; a chain must lead to a root, which it rarely holds."""
    held = {authority.certificate.subject for authority in authorities}
    above = {one.certificate.issuer for one in authorities} - held
    for name in sorted(name.rfc4514_string() for name in above):
        click.echo(f"À ajouter, si elle n'y est pas, aux dossiers d'autorités : « {name} »", err=True)


# ---------------------------------------------------------------------------------------------- two directories


def _import_directories(path: Path, connect: Path | None, transmit: Path | None, dry_run: bool, as_json: bool) -> None:
    server = configuration(path).server
    asked = (
        ("connect_authorities", connect, server.connect_authorities),
        ("transmit_authorities", transmit, server.transmit_authorities),
    )
    rows: list[Row] = []
    for setting, source, target in asked:
        if source is None:
            continue
        if not target or Path(target).is_file():
            raise ConfigError([f"[server] {setting} : doit nommer un dossier"])
        found = authority_directories.compare(source, Path(target), utc_now())
        if not dry_run:
            authority_directories.write(Path(target), found)
        rows += [
            {
                "directory": setting,
                "file": one.file.name,
                "subject": one.certificate.subject.rfc4514_string() if one.certificate else "",
                "result": one.note,
            }
            for one in found
        ]
    show(rows, as_json)
    if dry_run:
        click.echo("Rien n'a été écrit (--dry-run).", err=True)
    if server.rgs:
        _tell_levels(Path(server.rgs), dry_run)


def _tell_levels(file: Path, dry_run: bool) -> None:
    """The directories decide alone as long as rgs.toml declares nothing."""
    if file.exists():
        if load_issuers(str(file)):
            click.echo(f"Attention : {file} déclare des niveaux, il en faut donc un pour télétransmettre.", err=True)
    elif not dry_run:
        replace_file(file, NOTHING_DECLARED.encode())
