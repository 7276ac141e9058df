"""A whole sandbox, started as a user starts it: one command, one line of JSON, processes of its own."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tdt.sandbox.client import Client, Upload
from tests.pdf_files import PDF
from tests.ports import free_port

START_SECONDS = 90.0
PDF_NAME = "deliberation.pdf"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What the first process printed, and that process."""

    process: subprocess.Popen[bytes]
    told: dict[str, Any]
    log: Path

    @property
    def directory(self) -> Path:
        return Path(self.told["dir"])

    def client(self, name: str, login: str | None = "") -> Client:
        """An account as it should come in; `login=None` leaves its Basic credentials out."""
        account = self.told["accounts"][name]
        known = account["login"] if login == "" else login
        return self._client(account, known, account["password"] if known else None)

    def intruder(self, name: str) -> Client:
        """A certificate that must not get in."""
        return self._client(self.told["certificates"][name], None, None)

    def _client(self, files: dict[str, str], login: str | None, password: str | None) -> Client:
        port = int(self.told["url"].rpartition(":")[2])
        return Client(port, Path(self.told["ca"]), Path(files["cert"]), Path(files["key"]), login, password)

    def received(self, path: str, number: int) -> bytes:
        """The bytes of the N-th thing that a simulator received."""
        with urllib.request.urlopen(f"{self.told['control']}{path}/{number}", timeout=30) as answer:
            data: bytes = answer.read()
            return data

    def control(self, path: str, body: object = None) -> Any:
        """Ask the simulators; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.told["control"] + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def processes(self) -> list[psutil.Process]:
        """Every process below the first one."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def running(directory: Path, port: int, environment: dict[str, str] | None = None) -> Iterator[Sandbox]:
    """Start it, wait for its line, stop it in the end."""
    command = [sys.executable, "-m", "tdt", "sandbox", "--dir", str(directory), "--port", str(port), "--json"]
    log = Path(tempfile.mkstemp(prefix="tdt-sandbox-", suffix=".log")[1])
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the sandbox did not start: {log.read_text(errors='replace')[-3000:]}"
        yield Sandbox(process, json.loads(line), log)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            log.unlink()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def fresh(environment: dict[str, str] | None = None) -> Iterator[Sandbox]:
    """A sandbox in a new folder on a free port; nothing is left of it."""
    directory = Path(tempfile.mkdtemp(prefix="tdt-journey-"))
    try:
        with running(directory, free_port(), environment) as sandbox:
            yield sandbox
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def until(ask: Callable[[], T | None], seconds: float, what: object) -> T:
    """Ask until there is an answer; AssertionError with `what`, as it is then, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None:
            return answer
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def post_acte(client: Client, number: str, pdf: bytes = PDF, annexes: int = 1, matiere: str = "1") -> int:
    """Post a délibération; its number of transaction. AssertionError when it is refused."""
    fields = [
        ("api", "1"),
        ("nature_code", "1"),
        ("classif1", "3"),
        ("classif2", matiere),
        ("number", number),
        ("decision_date", "2025-06-12"),
        ("subject", "Acquisition d'une parcelle"),
        ("type_acte", "99_DE"),
        *[("type_pj[]", "31_DP")] * annexes,
    ]
    files = [Upload("acte_pdf_file", PDF_NAME, pdf, "application/pdf")]
    files += [Upload("acte_attachments[]", f"annexe {n}.pdf", pdf, "application/pdf") for n in range(annexes)]
    answer = client.post("/modules/actes/actes_transac_create.php", fields, files)
    assert answer.startswith(b"OK\n"), answer
    return int(answer.split(b"\n")[1])


def acte_status(client: Client, transaction: int) -> tuple[int, bytes]:
    """Status and what follows it (the AR at 4, the reason at -1)."""
    answer = client.get("/modules/actes/actes_transac_get_status.php", transaction=transaction)
    first, status, rest = answer.split(b"\n", 2)
    assert first == b"OK", answer
    return int(status), rest


def post_pes(client: Client, flow: bytes, name: str = "flux.xml") -> int:
    """Post a PES flow; its number of transaction."""
    upload = Upload("enveloppe", name, flow, "text/xml")
    answer = client.post("/modules/helios/api/helios_importer_fichier.php", [], [upload])
    found = re.search(rb"<id>(\d+)</id>\s*<resultat>OK", answer)
    assert found, answer
    return int(found.group(1))


def pes_status(client: Client, transaction: int) -> int:
    """Status of a flow."""
    answer = client.get("/modules/helios/api/helios_transac_get_status.php", transaction=transaction)
    found = re.search(rb"<status>(-?\d+)</status>", answer)
    assert found, answer
    return int(found.group(1))
