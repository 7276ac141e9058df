"""`tdt sandbox` from outside: its line, its accounts, its certificates, its processes killed and started again."""

import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tdt.sandbox.client import ACTES, Client
from tests.journeys.running import Sandbox, acte_status, fresh, post_acte, running, until
from tests.ports import free_port

pytestmark = pytest.mark.timeout(240)

TREE = Path(__file__).parents[2]
CONNEXION = "/api/test-connexion.php"
CLASSIFICATION = f"{ACTES}/actes_classification_fetch.php"
RECEIVED_AR = 4


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with fresh() as started:
        yield started


def stranger(sandbox: Sandbox, name: str) -> Client:
    """A client with a certificate that must not get in."""
    pair = sandbox.told["certificates"][name]
    return Client(port_of(sandbox), Path(sandbox.told["ca"]), Path(pair["cert"]), Path(pair["key"]))


def port_of(sandbox: Sandbox) -> int:
    return int(sandbox.told["url"].rpartition(":")[2])


def ended(processes: list[psutil.Process], seconds: float = 60.0) -> bool:
    """Whether all these have ended, within this time."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def reaches_its_ar(client: Client, number: int) -> None:
    def has_its_ar() -> bool | None:
        with suppress(OSError, http.client.HTTPException, AssertionError, ValueError):
            return acte_status(client, number)[0] == RECEIVED_AR or None
        return None  # something is down for the moment

    until(has_its_ar, 60, f"acte {number} has no AR")


def test_the_line_says_all(sandbox: Sandbox) -> None:
    told = sandbox.told
    assert set(told) == {*("url", "ca", "dir", "database", "control"), *("accounts", "authorities", "certificates")}
    accounts = told["accounts"]
    assert {name: (account["role"], account["authority"]) for name, account in accounts.items()} == {
        "system": ("USER", "A"),
        "certonly": ("USER", "A"),
        "agent": ("USER", "A"),
        "adm": ("ADM", "A"),
        "arch": ("ARCH", "A"),
        "other": ("USER", "B"),
        "gadm": ("GADM", None),
        "sadm": ("SADM", None),
    }
    assert {name for name, account in accounts.items() if account["login"]} == {"system"}
    assert set(told["certificates"]) == {"unknown-ca", "expired", "revoked", "no-account"}
    assert told["authorities"]["A"]["siren"] == "123456782"
    assert told["authorities"]["A"]["siret"] == ["12345678200010"]
    for pair in (*accounts.values(), *told["certificates"].values()):
        assert Path(pair["cert"]).is_absolute()
        assert Path(pair["key"]).stat().st_mode & 0o77 == 0


def test_the_database_is_open_to_its_owner(sandbox: Sandbox) -> None:
    command = ["psql", sandbox.told["database"], "-Atc", "select current_user, count(*) from authority"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "tdt_owner|2\n"


@pytest.mark.parametrize("account", ["system", "certonly", "agent", "adm", "arch", "other", "gadm", "sadm"])
def test_each_account_gets_in(sandbox: Sandbox, account: str) -> None:
    assert sandbox.client(account).get(CONNEXION).startswith(b"OK")


def test_a_shared_certificate_needs_its_login(sandbox: Sandbox) -> None:
    pair = sandbox.told["accounts"]["system"]
    bare = Client(port_of(sandbox), Path(sandbox.told["ca"]), Path(pair["cert"]), Path(pair["key"]))
    assert not bare.get(CONNEXION).startswith(b"OK")


@pytest.mark.parametrize("name", ["unknown-ca", "expired", "revoked"])
def test_a_bad_certificate_gets_no_answer(sandbox: Sandbox, name: str) -> None:
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        stranger(sandbox, name).get(CONNEXION)


def test_a_good_certificate_of_nobody_is_refused(sandbox: Sandbox) -> None:
    assert not stranger(sandbox, "no-account").get(CONNEXION).startswith(b"OK")


@pytest.mark.parametrize("account", ["certonly", "other"])
def test_each_collectivite_has_its_classification(sandbox: Sandbox, account: str) -> None:
    received = sandbox.client(account).get(CLASSIFICATION, api=1)
    text = received.decode("iso-8859-1")
    assert 'encoding="iso-8859-1"' in text[:100].lower()
    assert "<actes:RetourClassification" in text
    assert "2019-03-01" in text
    assert "Délibérations" in text
    assert received == sandbox.client(account).get(CLASSIFICATION, api=1)


def test_every_process_is_below_the_first(sandbox: Sandbox) -> None:
    mine = {process.pid for process in sandbox.processes()}
    for process in psutil.process_iter(["cmdline"]):
        if sandbox.told["dir"] in " ".join(process.info["cmdline"] or []) and process.pid != sandbox.process.pid:
            assert process.pid in mine, process.info["cmdline"]
    assert len(psutil.Process(sandbox.process.pid).children()) == 5


def test_an_acte_posted_just_before_all_is_killed_reaches_its_ar(sandbox: Sandbox) -> None:
    client = sandbox.client("certonly")
    children = psutil.Process(sandbox.process.pid).children()
    number = post_acte(client, "TUES_1")
    for process in children:
        process.kill()
    reaches_its_ar(client, number)
    assert not set(children) & set(psutil.Process(sandbox.process.pid).children())
    received = [one for one in sandbox.control("/prefecture/received") if "TUES_1" in json.dumps(one)]
    assert len({(one["name"], one["sha256"]) for one in received}) == 1


def test_another_sandbox_beside_and_its_first_process_killed(sandbox: Sandbox, tmp_path: Path) -> None:
    with running(tmp_path / "dir", free_port()) as second:
        number = post_acte(second.client("certonly"), "TUE_2")
        assert sandbox.client("certonly").get(CONNEXION).startswith(b"OK")
        tree = second.processes()
        second.process.kill()
        assert ended([psutil.Process(second.process.pid), *tree], 20)
    with running(tmp_path / "dir", port_of(second)) as again:
        assert again.told == second.told
        reaches_its_ar(again.client("certonly"), number)
        tree = again.processes()
        again.process.send_signal(signal.SIGINT)
        assert again.process.wait(60) == 0
        assert ended(tree)
        assert again.process.stdout is not None
        assert again.process.stdout.read() == b""


def test_a_directory_in_use_is_refused(sandbox: Sandbox) -> None:
    command = [sys.executable, "-m", "tdt", "sandbox", "--dir", sandbox.told["dir"], "--port", "0", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=TREE, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "in use" in answer.stderr


def test_a_port_in_use_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tdt", "sandbox", "--dir", str(tmp_path), "--port", str(port_of(sandbox))]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=TREE, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "in use" in answer.stderr


def test_a_database_of_the_users(sandbox: Sandbox, tmp_path: Path) -> None:
    """TDT_DATABASE_URL: here, another database of the first sandbox's own server."""
    url = sandbox.told["database"].replace("tdt_owner@/tdt?", "postgres@/borrowed?")
    maintenance = url.replace("/borrowed?", "/postgres?")
    subprocess.run(["psql", maintenance, "-qc", "create database borrowed"], check=True)
    with running(tmp_path / "dir", free_port(), os.environ | {"TDT_DATABASE_URL": url}) as third:
        assert third.told["database"] == url
        assert len(psutil.Process(third.process.pid).children()) == 4
        assert third.client("certonly").get(CONNEXION).startswith(b"OK")
    assert third.process.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_the_demonstration_as_an_ordinary_user() -> None:
    """In folders that only this user may enter; the interpreter itself may lie under /root."""
    home = Path(tempfile.mkdtemp(prefix="tdt-user-"))
    os.chown(home, 65534, 65534)
    try:
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        command += ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "--"]
        command += [sys.executable, "-m", "tdt.sandbox.demo", "--dir", str(home / "dir"), "--out", str(home / "out")]
        environment = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        answer = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        shown = re.sub(r"\s+", " ", answer.stdout)
        for step in ("Posté", "En attente de transmission", "Transmis :", "Acquittement reçu :", "PES_ACQUIT.xml"):
            assert step in shown
        assert {"acte-AR.xml", "PES_ACQUIT.xml"} < {path.name for path in (home / "out").iterdir()}
    finally:
        shutil.rmtree(home)
