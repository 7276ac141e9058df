"""`tdt certificates rgs`: which levels are declared, and what a certificate is worth."""

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.admin.door import CONFIG, JSON, Row, configuration, misconfigured, refused, show, show_one
from tdt.admin.rgs_import import import_command
from tdt.certificates.files import MALFORMED, PEM_MARK, read_certificates
from tdt.certificates.rgs import Assessor, fingerprint, load_issuers
from tdt.config import Config, ConfigError
from tdt.deps import utc_now
from tdt.domain.rgs import Issuer


@click.group()
def rgs() -> None:
    """Niveaux RGS des certificats clients : les remplir, les montrer, dire ce que vaut un certificat."""


rgs.add_command(import_command)


@rgs.command("list")
@CONFIG
@JSON
def list_command(path: Path, as_json: bool) -> None:
    """Les autorités et les politiques déclarées dans rgs.toml ([server] rgs)."""
    config = configuration(path)
    authorities, issuers = _load(config)
    rows = [row for issuer in issuers for row in _rows(issuer, authorities)]
    if not rows and not as_json:
        click.echo("Aucun niveau n'est déclaré : connect_authorities et transmit_authorities décident seuls.")
        return
    show(rows, as_json)


@rgs.command()
@CONFIG
@JSON
@click.argument("certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(path: Path, as_json: bool, certificate: Path) -> None:
    """Dire ce que vaut un certificat client (PEM ou DER) : niveau, autorité, politiques, et pourquoi il est refusé.

    Le code de sortie est 1 quand il ne peut pas télétransmettre.
    """
    config = configuration(path)
    leaf = _leaf(certificate)
    authorities, issuers = _load(config)
    found = Assessor(authorities, issuers).assess(leaf.public_bytes(Encoding.DER), utc_now())
    issuer = found.chain[min(1, len(found.chain) - 1)] if found.chain else None
    row: Row = {
        "transmit": not found.refusal,
        "level": found.level.value,
        "holder": found.holder.value if found.holder else None,
        "subject": leaf.subject.rfc4514_string(),
        "issuer": leaf.issuer.rfc4514_string(),
        "issuer_sha256": fingerprint(issuer) if issuer else None,
        "policies": list(found.policies),
        "end": leaf.not_valid_after_utc.date().isoformat(),
        "reason": found.refusal or ("" if issuers else "aucun niveau n'est déclaré : les dossiers décident seuls"),
    }
    show_one(row, as_json)
    if found.refusal:
        raise SystemExit(1)


def _load(config: Config) -> tuple[tuple[x509.Certificate, ...], tuple[Issuer, ...]]:
    """The authorities accepted for télétransmission, the levels declared."""
    try:
        return read_certificates(config.server.transmit_authorities), load_issuers(config.server.rgs)
    except ConfigError as error:
        misconfigured(error)
    except OSError as error:
        misconfigured(ConfigError([f"{error.filename} : {error.strerror}"]))


def _leaf(file: Path) -> x509.Certificate:
    data = file.read_bytes()
    try:
        return x509.load_pem_x509_certificate(data) if PEM_MARK in data else x509.load_der_x509_certificate(data)
    except MALFORMED:
        refused(f"{file} n'est pas un certificat.")


def _rows(issuer: Issuer, authorities: tuple[x509.Certificate, ...]) -> list[Row]:
    accepted = any(
        authority.subject.rfc4514_string() == issuer.subject and issuer.sha256 in ("", fingerprint(authority))
        for authority in authorities
    )
    return [
        {
            "subject": issuer.subject,
            "sha256": issuer.sha256 or None,
            "accepted": accepted,
            "oid": policy.oid,
            "level": policy.level.value,
            "holder": policy.holder.value,
            "revocation": issuer.revocation.value if issuer.revocation else None,
        }
        for policy in issuer.policies
    ]
