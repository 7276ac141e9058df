"""The nightly form of the histories: `python -m tests.faults.nightly --count 50000 --processes 2`.

Each process plays its share of both modules on a PostgreSQL of its own. At the end: how many were played, how often
each move was seen; every allowed move must have been.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tdt.domain.actes.status import MOVES as ACTE_MOVES
from tdt.domain.helios.status import MOVES as HELIOS_MOVES
from tests.postgres import find_memory

MODULES = ("acte", "helios")
Move = tuple[int | None, int]
ENOUGH = 10_000
"""From so many histories on every allowed move is asked for."""


def main() -> int:
    """1 when a history failed or an allowed move was not seen."""
    parser = argparse.ArgumentParser(prog="scripts/nightly histories", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="histories in all (50000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at once (one a core)")
    parser.add_argument("--seed", type=int, default=None, help="of the first process (another one each time)")
    told = parser.parse_args()
    seed = told.seed if told.seed is not None else int(time.time())
    share = -(-told.count // (2 * told.processes))
    started = time.monotonic()
    # in memory: what the program syncs for each body would be most of the time
    with tempfile.TemporaryDirectory(dir=find_memory()) as folder:
        begun = [_begin(share, seed + number, folder) for number in range(told.processes)]
        failed = [code for one in begun if (code := one.wait())]
        reports = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    seconds = time.monotonic() - started
    return _tell(reports, seconds, seed) | int(bool(failed))


def _begin(share: int, seed: int, folder: str) -> "subprocess.Popen[bytes]":
    tests = [f"tests/faults/test_{module}_histories.py" for module in MODULES]
    options = ["-q", "--timeout=0", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
    settings = {"TDT_HISTORIES": str(share), "TDT_HISTORIES_REPORT": folder, "TMPDIR": folder}
    return subprocess.Popen([sys.executable, "-m", "pytest", *options, *tests], env={**os.environ, **settings})


def _tell(reports: list[dict[str, Any]], seconds: float, seed: int) -> int:
    played: Counter[str] = Counter()
    seen: dict[str, Counter[Move]] = {"actes": Counter(), "helios": Counter()}
    for report in reports:
        played[report["module"]] += report["played"]
        for origin, target, count in report["moves"]:
            seen[report["module"]][origin, target] += count
    whole = sum(played.values())
    print(f"histories: {played['actes']} actes, {played['helios']} helios; seed {seed}; {whole / seconds:.1f} a second")
    missing = 0
    for module, moves in (("actes", ACTE_MOVES), ("helios", HELIOS_MOVES)):
        shown = sorted(seen[module].items(), key=lambda one: (one[0][0] is not None, one[0][0] or 0, one[0][1]))
        print(f"moves of {module}: " + ", ".join(f"{_name(move)} {count}" for move, count in shown))
        allowed = {(origin, target) for origin, targets in moves.items() for target in targets}
        unseen = {(None if origin is None else int(origin), int(target)) for origin, target in allowed}
        unseen -= set(seen[module])
        if unseen:
            print(f"not seen of {module}: " + ", ".join(sorted(map(_name, unseen))))
        missing += len(unseen)
    return int(missing > 0 and whole >= ENOUGH)


def _name(move: Move) -> str:
    return f"{'·' if move[0] is None else move[0]}→{move[1]}"


if __name__ == "__main__":
    sys.exit(main())
