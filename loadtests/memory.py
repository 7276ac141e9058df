"""Growth of resident memory of every process of ours while a PES of 512 MiB travels through the whole sandbox."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from loadtests.pes import Wish, write_pes
from loadtests.processes import Program, forget_peak, peak_resident, resident
from loadtests.result import Outcome, Sample, Side
from loadtests.stand import Stand, run_sql, sandbox
from loadtests.wire import Door, file_head, get, post_files
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.jobs import JobKind

LIMIT_MIB = 64.0
SIZE = 536_870_912
SECONDS = 600.0
IMPORT = "/modules/helios/api/helios_importer_fichier.php"
STATUS = "/modules/helios/api/helios_transac_get_status.php"
OURS = ("serve", "work", "simulators")
ACQUITTED = (HeliosStatus.ACQUITTEMENT_RECU, HeliosStatus.INFORMATION_DISPONIBLE)
LOST = (HeliosStatus.ERREUR, HeliosStatus.REFUSE)
ARCHIVING = f"select count(*) from job where kind = '{JobKind.CONTENT_ARCHIVE}'"


def run(stand: Stand, _rounds: int, quick: bool) -> Iterator[Outcome]:
    """Once as 3,000 attachments, once as a single one; a small flow goes first, so that all code is loaded."""
    size = SIZE // 16 if quick else SIZE
    with sandbox(stand.directory) as (running, program):
        _travel(running, Wish("ESSAI-PETIT", 1_000_000, 3))
        processes = find_processes(program)
        before = {process: resident(pid) for process, pid in processes.items()}
        for name, attachments in (("3,000 PJ", 3_000), ("one PJ", 1)):
            wish = Wish(f"ESSAI-{attachments}", size, attachments)
            yield _measure(running, processes, before, (name, wish))


def _measure(stand: Stand, processes: dict[str, int], before: dict[str, int], what: tuple[str, Wish]) -> Outcome:
    name, wish = what
    for pid in processes.values():
        forget_peak(pid)
    started = time.monotonic()
    acquitted = _travel(stand, wish) - started
    growth = {process: (peak_resident(pid) - before[process]) / 2**20 for process, pid in processes.items()}
    worst = max(growth.values())
    note = ", ".join(f"{process} {mib:.0f} MiB" for process, mib in growth.items())
    sides = Side("tdt", [Sample(worst)])
    return Outcome(
        f"memory, {wish.size / 2**20:.0f} MiB, {name}",
        "MiB",
        sides,
        None,
        [worst],
        LIMIT_MIB,
        at_least=False,
        note=f"growth: {note}; acquitted {acquitted:.0f} s after the first byte",
    )


def find_processes(program: Program) -> dict[str, int]:
    """The processes of ours in the sandbox: by the command of `python -m tdt`, numbered when there are several."""
    found: dict[str, int] = {}
    for process in program.processes():
        command = _command(process)
        if command in OURS:
            name = command if command not in found else f"{command} {len(found)}"
            found[name] = process.pid
    return found


def _command(process: psutil.Process) -> str:
    try:
        arguments = process.cmdline()
    except psutil.NoSuchProcess:
        return ""  # a backend of Postgres that has ended meanwhile
    if "tdt" in arguments and "-m" in arguments:
        return arguments[arguments.index("tdt") + 1]
    return ""


def _travel(stand: Stand, wish: Wish) -> float:
    """Deposit a flow, follow it to its acquit and into the archive; the instant of the acquit."""
    path = stand.directory / "flow.xml"
    with path.open("wb") as file:
        for piece in write_pes(wish):
            file.write(piece)
    transaction = deposit(stand, path)
    path.unlink()
    wait_until(lambda: _status(stand, transaction) in ACQUITTED, f"transaction {transaction}")
    acquitted = time.monotonic()
    wait_until(lambda: run_sql(stand, ARCHIVING)[0][0] == 0, "the archive")
    return acquitted


def deposit(stand: Stand, path: Path) -> int:
    """Post a file; the number of its transaction."""
    head = file_head("enveloppe", "flux.xml", "text/xml")
    answer = post_files(door_of(stand), IMPORT, b"", [(head, path)])
    found = re.search(rb"<id>(\d+)</id>\s*<resultat>OK", answer)
    if found is None:
        raise RuntimeError(f"refused: {answer[:600]!r}")
    return int(found[1])


def _status(stand: Stand, transaction: int) -> int:
    answer = get(door_of(stand), f"{STATUS}?transaction={transaction}")
    found = re.search(rb"<status>(-?\d+)</status>", answer)
    if found is None or int(found[1]) in LOST:
        raise RuntimeError(f"not accepted: {answer[:600]!r}")
    return int(found[1])


def door_of(stand: Stand) -> Door:
    """The server, as a software that has a certificate alone."""
    account = stand.account("certonly")
    return Door(stand.port, stand.pki / "ca.pem", account.cert, account.key)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not there after {SECONDS:.0f} s")
        time.sleep(0.1)
