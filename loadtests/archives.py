"""Growth of resident memory of our processes while an act of 150 MiB goes to its AR and its archive is fetched."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from loadtests.memory import LIMIT_MIB, door_of, find_processes, wait_until
from loadtests.processes import Program, forget_peak, peak_resident, resident
from loadtests.result import Outcome, Sample, Side
from loadtests.stand import Stand, run_sql, sandbox
from loadtests.wire import BLOCK, connect, field, file_head, get, post_files, request_head
from tdt.domain.actes.model import ActeStatus
from tdt.domain.jobs import JobKind

SIZE = 150 * 2**20 - 2**20
"""Random bytes do not compress: the archive then stays just below the limit of 150 MiB."""
ANNEXES = 4
CREATE = "/modules/actes/actes_transac_create.php"
STATUS = "/modules/actes/actes_transac_get_status.php"
DOWNLOAD = "/modules/actes/actes_download_file.php"
ARCHIVING = f"select count(*) from job where kind = '{JobKind.CONTENT_ARCHIVE}'"
FIELDS = {
    "api": "1",
    "nature_code": "1",
    "classif1": "3",
    "classif2": "1",
    "decision_date": "2025-06-12",
    "subject": "Acquisition de la parcelle AB 214",
    "type_acte": "99_DE",
}


def run(stand: Stand, _rounds: int, quick: bool) -> Iterator[Outcome]:
    """Once as a single document, once with four annexes; a small act goes first, so that all code is loaded."""
    size = SIZE // 16 if quick else SIZE
    with sandbox(stand.directory) as (running, program):
        _travel(running, "PETIT", [100_000])
        yield _measure(running, program, ("one document", "UN", [size]))
        yield _measure(running, program, ("five documents", "CINQ", [size // 5] * 5))


def _measure(stand: Stand, program: Program, what: tuple[str, str, list[int]]) -> Outcome:
    name, number, sizes = what
    processes = find_processes(program)
    before = {process: resident(pid) for process, pid in processes.items()}
    for pid in processes.values():
        forget_peak(pid)
    started = time.monotonic()
    acknowledged = _travel(stand, number, sizes) - started
    growth = {process: (peak_resident(pid) - before[process]) / 2**20 for process, pid in processes.items()}
    ours = [growth[process] for process in growth if not process.startswith("simulators")]
    note = ", ".join(f"{process} {mib:.0f} MiB" for process, mib in growth.items())
    return Outcome(
        f"archive, {sum(sizes) / 2**20:.0f} MiB, {name}",
        "MiB",
        Side("tdt", [Sample(max(ours))]),
        None,
        [max(ours)],
        LIMIT_MIB,
        at_least=False,
        note=f"growth: {note}; AR {acknowledged:.0f} s after the first byte",
    )


def _travel(stand: Stand, number: str, sizes: list[int]) -> float:
    """Deposit an act, follow it to its AR and into the archive, fetch what was sent; the instant of the AR."""
    paths = [_pdf(stand.directory / f"{number}-{index}.pdf", size) for index, size in enumerate(sizes)]
    acte = _deposit(stand, number, paths)
    wait_until(lambda: _status(stand, acte) == ActeStatus.ACQUITTEMENT_RECU, f"the AR of {acte}")
    acknowledged = time.monotonic()
    wait_until(lambda: run_sql(stand, ARCHIVING)[0][0] == 0, "the archive")
    envelope = run_sql(stand, f"select envelope_id from acte_transaction where id = {acte}")[0][0]
    fetched = _count(stand, f"{DOWNLOAD}?env={envelope}")
    if fetched < sum(sizes) * 0.9:
        raise RuntimeError(f"the archive has {fetched} bytes")
    for path in paths:
        path.unlink()
    return acknowledged


def _pdf(path: Path, size: int) -> Path:
    """A whole PDF of this size: one page with a line of text, and an object of random bytes that no page shows."""
    line = b"BT /F1 12 Tf 72 770 Td (Deliberation) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[5 0 R]/Count 1>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(line), line),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents 4 0 R>>",
    ]
    places = []
    with path.open("wb") as file:
        file.write(b"%PDF-1.4\n")
        for number, data in enumerate(objects, 1):
            places.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (number, data))
        places.append(file.tell())
        file.write(b"6 0 obj\n<</Length %d>>\nstream\n" % size)
        for start in range(0, size, BLOCK):
            file.write(os.urandom(min(BLOCK, size - start)))
        file.write(b"\nendstream\nendobj\n")
        table = file.tell()
        file.write(b"xref\n0 7\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places))
        file.write(b"trailer<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % table)
    return path


def _deposit(stand: Stand, number: str, paths: list[Path]) -> int:
    """Post the act and its annexes; the number of the transaction."""
    texts = b"".join(field(name, value) for name, value in {**FIELDS, "number": number}.items())
    texts += field("type_pj[]", "31_DP") * (len(paths) - 1)
    heads = [file_head("acte_pdf_file", "deliberation.pdf", "application/pdf")]
    heads += [file_head("acte_attachments[]", f"annexe {n}.pdf", "application/pdf") for n in range(1, len(paths))]
    answer = post_files(door_of(stand), CREATE, texts, list(zip(heads, paths, strict=True)))
    found = re.fullmatch(rb"OK\n(\d+)\n\n", answer)
    if found is None:
        raise RuntimeError(f"refused: {answer[:600]!r}")
    return int(found[1])


def _status(stand: Stand, acte: int) -> int:
    answer = get(door_of(stand), f"{STATUS}?transaction={acte}")
    status = int(answer.split(b"\n")[1])
    if status == ActeStatus.ERREUR:
        raise RuntimeError(f"refused: {answer[:600].decode('latin-1')}")
    return status


def _count(stand: Stand, path: str) -> int:
    """How many bytes of a body come, without holding them."""
    door, count = door_of(stand), 0
    with connect(door, door.context()) as connection:
        connection.sendall(request_head("GET", path).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        while piece := connection.recv(BLOCK):
            count += len(piece)
    return count
