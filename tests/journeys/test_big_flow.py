"""A PES of 512 MiB, as 3,000 PJ and as one: accepted, transmitted, acquitted, in flat memory."""

import http.client
import re
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.journeys.flows import write_pes
from tests.journeys.running import Sandbox, pes_status, until

LIMIT = 536_870_912
GROWTH = 64 << 20
BOUNDARY = "----------------------------0123456789ab"


class MemoryWatch(threading.Thread):
    """Samples the resident memory of our processes: not Postgres, not the mailbox."""

    def __init__(self, sandbox: Sandbox):
        super().__init__(daemon=True)
        self.first: dict[str, int] = {}
        self.peak: dict[str, int] = {}
        self._sandbox = sandbox
        self._ended = threading.Event()
        self._sample()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            self._sample()

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def growth(self) -> dict[str, int]:
        return {name: self.peak[name] - self.first[name] for name in self.peak}

    def _sample(self) -> None:
        for process in self._sandbox.processes():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                role = next((word for word in ("serve", "work", "simulators") if word in process.cmdline()), None)
                if role is not None:
                    resident = process.memory_info().rss
                    self.first.setdefault(role, resident)
                    self.peak[role] = max(self.peak.get(role, 0), resident)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("pieces", [3000, 1])
def test_a_512_mib_pes_passes_in_flat_memory(sandbox: Sandbox, tmp_path: Path, pieces: int) -> None:
    flow = tmp_path / "flux.xml"
    size = write_pes(flow, f"GROS{pieces}", pieces, LIMIT)
    assert LIMIT - size < 1 << 20
    watch = MemoryWatch(sandbox)
    watch.start()
    transaction = upload(sandbox, flow)
    client = sandbox.client("certonly")
    until(lambda: pes_status(client, transaction) == 8 or None, 150, "acquit")
    watch.stop()
    flow.unlink()
    growth = watch.growth()
    assert set(growth) == {"serve", "work", "simulators"}
    assert max(growth.values()) < GROWTH, growth
    acquit = client.get("/modules/helios/helios_download_acquit.php", id=transaction)
    assert acquit.count(b"<ElementACQUIT>") == pieces


def upload(sandbox: Sandbox, flow: Path) -> int:
    """Post a file without holding it in memory; the number of the transaction."""
    account = sandbox.told["accounts"]["certonly"]
    context = ssl.create_default_context(cafile=sandbox.told["ca"])
    context.load_cert_chain(account["cert"], account["key"])
    port = int(sandbox.told["url"].rpartition(":")[2])
    connection = http.client.HTTPSConnection("localhost", port, timeout=120, context=context)
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name=enveloppe; filename="{flow.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    connection.putrequest("POST", "/modules/helios/api/helios_importer_fichier.php")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + flow.stat().st_size + len(tail)))
    connection.endheaders()
    connection.send(head)
    with flow.open("rb") as file:
        connection.send(file)
    connection.send(tail)
    answer = connection.getresponse().read()
    connection.close()
    found = re.search(rb"<id>(\d+)</id>\s*<resultat>OK", answer)
    assert found, answer
    return int(found.group(1))
