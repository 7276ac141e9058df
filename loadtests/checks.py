"""The background checks of a PES of 500 MB (digests, header, well-formedness, rules) against one bare parsing pass.

No side validates against the schema: the target of the flow made of small PJ (1.3) is for both sides with it, and is
not judged here.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from loadtests.memory import deposit
from loadtests.pes import Wish, write_pes
from loadtests.processes import drop_files
from loadtests.result import Outcome, Sample, compare, interleave
from loadtests.stand import ROOT, Stand, environment, run_sql, server_and_database
from tdt.domain.helios.model import HeliosStatus

SIZE = 500_000_000


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """Each pass in a new process, on a flow that lies in the spool as an upload left it; no worker runs."""
    size = SIZE // 10 if quick else SIZE
    with server_and_database(stand):
        for name, attachments, baseline, target in (
            ("PJ of 150 kB", size // 150_000, "iterparse", None),
            ("one PJ", 1, "target", 1.5),
        ):
            path = stand.directory / "flow.xml"
            _write(path, Wish(f"ANALYSE-{attachments}", size, attachments))
            number = deposit(stand, path)
            growth: list[float] = []
            sides = interleave(
                rounds,
                ("tdt", _pass(growth, "tdt", str(stand.directory / "tdt.toml"), str(number), reset=stand)),
                (f"{baseline} alone", _pass([], baseline, str(path))),
            )
            path.unlink()
            drop_files(stand.spool)
            note = f"without the XSD, neither side; tdt: resident memory grew by {max(growth):.0f} MiB at most"
            yield compare(f"checks of 500 MB, {name}", "s", sides, target, at_least=False, note=note)


def _write(path: Path, wish: Wish) -> None:
    with path.open("wb") as file:
        for piece in write_pes(wish):
            file.write(piece)


def _pass(growth: list[float], *arguments: str, reset: Stand | None = None) -> Callable[[int], Sample]:
    command = [sys.executable, "-m", "loadtests.one_pass", *arguments]

    def run_pass(_number: int) -> Sample:
        if reset is not None:
            posted = f"update helios_transaction set status = {HeliosStatus.POSTE:d} where id = {arguments[-1]}"
            run_sql(reset, posted)
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT, env=environment())
        told = json.loads(answer.stdout)
        growth.append(told["growth_mib"])
        return Sample(told["seconds"], {"process": 1000 * told["cpu"]})

    return run_pass
