"""The calendar of certificates: every file that the configuration names, the accounts; its table, JSON and metrics."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tdt.certificates.calendar import list_file_endings
from tdt.cli import main
from tdt.config import Config, Credentials, Mail, Server
from tdt.config_file import load
from tdt.deps import open_deps, utc_now
from tdt.domain.calendar import paris_date, paris_hour
from tdt.flows import notices
from tdt.workers.metrics import WorkerMetrics
from tests.certificates import TestAuthority
from tests.postgres import TestDatabase

END = 30
"""Days before the certificates of TestAuthority end."""
LIST_DAYS = 3


def revocation_list(pki: TestAuthority, directory: Path, path: Path) -> None:
    """A list signed by some key: the calendar only reads its dates."""
    issuer = x509.load_pem_x509_certificate(Path(pki.path).read_bytes()).subject
    key = load_pem_private_key(Path(pki.client("signataire").key).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = utc_now()
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
    crl = builder.last_update(now).next_update(now + timedelta(days=LIST_DAYS)).sign(key, hashes.SHA256())
    path.write_bytes(crl.public_bytes(Encoding.DER))


@pytest.fixture
def files(tmp_path: Path) -> Config:
    """A server, authorities in two folders, a list, a link to the State, and two files that cannot be used."""
    pki = TestAuthority(tmp_path)
    server, client = pki.server("tdt.example"), pki.client("tdt")
    for name in ("connect", "transmit", "crl"):
        (tmp_path / name).mkdir()
    for name in ("connect", "transmit"):
        (tmp_path / name / "ca.pem").write_bytes(Path(pki.path).read_bytes())
    (tmp_path / "connect" / "lisezmoi.txt").write_text("pas un certificat")
    revocation_list(pki, tmp_path, tmp_path / "crl" / "liste.crl")
    return Config(
        server=Server(
            certificate=server.certificate,
            connect_authorities=str(tmp_path / "connect"),
            transmit_authorities=str(tmp_path / "transmit"),
            crl_directory=str(tmp_path / "crl"),
        ),
        mail=Mail(authorities=str(tmp_path / "absent.pem")),
        credentials={"prefecture": Credentials(certificate=client.certificate)},
    )


def test_every_file_is_there_and_a_bad_one_is_an_entry(files: Config, tmp_path: Path) -> None:
    found = {(one.kind.value, one.name): one for one in list_file_endings(files)}
    left = {key: one.days_left(utc_now()) for key, one in found.items()}
    assert left == {
        ("server", "CN=tdt.example"): END,
        ("ca", "CN=Autorité de test"): END,
        ("ca", "lisezmoi.txt"): None,
        ("ca", "absent.pem"): None,
        ("crl", "CN=Autorité de test"): LIST_DAYS,
        ("state", "CN=tdt"): END,
    }
    both = found["ca", "CN=Autorité de test"]  # one certificate in two folders: one entry
    assert both.where == ", ".join(
        f"server.{name}_authorities : {tmp_path}/{name}/ca.pem" for name in ("connect", "transmit")
    )
    assert found["ca", "lisezmoi.txt"].fault == "illisible : ni PEM ni DER valides"
    assert found["ca", "absent.pem"].fault == "illisible : No such file or directory"
    assert found["state", "CN=tdt"].subject.startswith("state:")


def write_config(files: Config, database: TestDatabase, path: Path) -> Path:
    server, secrets = files.server, files.credentials["prefecture"]
    path.write_text(
        f'[database]\ndsn = "{database.app_dsn}"\n[spool]\ndirectory = "{path.parent}/spool"\n'
        f'[mail]\nauthorities = "{files.mail.authorities}"\n[credentials.prefecture]\n'
        f'certificate = "{secrets.certificate}"\n[server]\ncertificate = "{server.certificate}"\n'
        f'connect_authorities = "{server.connect_authorities}"\n'
        f'transmit_authorities = "{server.transmit_authorities}"\n'
        f'crl_directory = "{server.crl_directory}"\n'
    )
    return path


async def add_accounts(dsn: str, forwarded: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "insert into authority (name, siren, nature, department, district)"
        " values ('Commune A', '123456782', 31, '034', '3')"
    )
    rows = [
        ("Bientôt", "h1", 5, ""),
        ("Fini", "h2", -2, ""),
        ("Inconnu", "h3", None, ""),
        ("Second", "h4", 200, forwarded),
        ("Illisible", "h5", 300, "pas un PEM"),
    ]
    for name, certificate_hash, days, pem in rows:
        # at noon: an hour of clock change between moves no day
        end = paris_hour(paris_date(utc_now()) + timedelta(days=days), 12) if days is not None else None
        await connection.execute(
            "insert into account (authority_id, role, name, certificate_hash, certificate_not_after,"
            " certificate_rgs_2_etoiles, subject_dn) select id, 'USER', $1, $2, $3, $4, 'CN=' || $1 from authority",
            name,
            certificate_hash,
            end,
            pem,
        )
    await connection.close()


def test_the_command_and_the_metrics(files: Config, database: TestDatabase, tmp_path: Path) -> None:
    path = write_config(files, database, tmp_path / "tdt.toml")
    forwarded = Path(TestAuthority(tmp_path, "Autre").client("second").certificate).read_text()
    asyncio.run(add_accounts(database.owner_dsn, forwarded))

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["certificates", "--config", str(path), *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def rows(*arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(run("--json", *arguments))
        return found

    everything = rows()
    dated = [row["days_left"] for row in everything if row["days_left"] is not None]
    assert dated == sorted(dated) == [-2, LIST_DAYS, 5, END, END, END, END, 200, 300]
    assert [row["days_left"] for row in everything[len(dated) :]] == [None] * 4, "those without an end come last"
    [soon] = rows("--kind", "account", "--within", "5")[1:2]
    assert soon["concerned"] == ["Bientôt (Commune A)"]
    assert [row["name"] for row in rows("--kind", "account", "--within", "5")] == [
        "CN=Fini",
        "CN=Bientôt",
        "CN=Illisible",
        "CN=Inconnu",
    ]
    assert [row["fault"] for row in rows("--kind", "account", "--within", "5")][2:] == [
        "second certificat illisible",
        "date de fin inconnue : certificat jamais enregistré",
    ]
    assert "second" in run("--kind", "account")
    assert run("--kind", "crl", "--within", "2") == "Rien.\n"

    async def measure() -> str:
        metrics = WorkerMetrics()
        async with open_deps(load(path)) as deps:
            metrics.show_certificates([], utc_now())
            metrics.show_certificates(await notices.list_certificates(deps), utc_now())
        return metrics.render().decode()

    lines = [line for line in asyncio.run(measure()).splitlines() if "certificate" in line and line[0] != "#"]
    assert sorted(lines) == [
        'tdt_account_certificates_ending{within_days="0"} 1.0',
        'tdt_account_certificates_ending{within_days="30"} 2.0',
        'tdt_account_certificates_ending{within_days="60"} 2.0',
        'tdt_account_certificates_ending{within_days="7"} 1.0',
        'tdt_account_certificates_ending{within_days="90"} 2.0',
        'tdt_certificate_days_left{kind="account",name="first to end"} 5.0',
        f'tdt_certificate_days_left{{kind="ca",name="CN=Autorité de test"}} {END}.0',
        f'tdt_certificate_days_left{{kind="crl",name="CN=Autorité de test"}} {LIST_DAYS}.0',
        f'tdt_certificate_days_left{{kind="server",name="CN=tdt.example"}} {END}.0',
        f'tdt_certificate_days_left{{kind="state",name="CN=tdt"}} {END}.0',
        "tdt_certificates_unreadable 2.0",
    ]
