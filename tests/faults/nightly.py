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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tdt.domain.actes.status import MOVES as ACTE_MOVES
from tdt.domain.helios.status import MOVES as HELIOS_MOVES
from tests.postgres import find_memory

MODULES = {"actes": "acte", "helios": "helios"}
Move = tuple[int | None, int]
ENOUGH = 10_000
"""From so many histories of a module on every allowed move is asked for."""


def main() -> int:
    """1 when a history failed or an allowed move was not seen."""
    parser = argparse.ArgumentParser(prog="scripts/nightly histories", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="histories in all (50000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at once (one a core)")
    parser.add_argument("--module", choices=MODULES, help="of this module alone (both)")
    parser.add_argument("--seed", type=int, default=None, help="of the first process (another one each time)")
    told = parser.parse_args()
    seed = told.seed if told.seed is not None else int(time.time())
    modules = [told.module] if told.module else list(MODULES)
    share = -(-told.count // (len(modules) * told.processes))
    started = time.monotonic()
    # in memory: what the program syncs for each body would be most of the time
    with tempfile.TemporaryDirectory(dir=find_memory()) as folder:
        begun = [_begin(modules, share, seed + number, folder) for number in range(told.processes)]
        failed = [code for one in begun if (code := one.wait())]
        reports = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    seconds = time.monotonic() - started
    print(f"seed {seed}; {sum(report['played'] for report in reports) / seconds:.1f} a second")
    return max(_tell(module, reports) for module in modules) | int(bool(failed))


def _begin(modules: list[str], share: int, seed: int, folder: str) -> "subprocess.Popen[bytes]":
    tests = [f"tests/faults/test_{MODULES[module]}_histories.py" for module in modules]
    options = ["-q", "--timeout=0", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
    settings = {"TDT_HISTORIES": str(share), "TDT_HISTORIES_REPORT": folder, "TMPDIR": folder}
    return subprocess.Popen([sys.executable, "-m", "pytest", *options, *tests], env={**os.environ, **settings})


def _tell(module: str, reports: list[dict[str, Any]]) -> int:
    own = [report for report in reports if report["module"] == module]
    played = sum(report["played"] for report in own)
    seen: Counter[Move] = Counter()
    for report in own:
        for origin, target, count in report["moves"]:
            seen[origin, target] += count
    print(f"{module}: {played} histories")
    shown = sorted(seen.items(), key=lambda one: (one[0][0] is not None, one[0][0] or 0, one[0][1]))
    print("    moves: " + ", ".join(f"{_name(move)} {count}" for move, count in shown))
    moves: Mapping[Any, frozenset[Any]] = ACTE_MOVES if module == "actes" else HELIOS_MOVES
    allowed = {(origin, target) for origin, targets in moves.items() for target in targets}
    unseen = {(None if origin is None else int(origin), int(target)) for origin, target in allowed} - set(seen)
    if unseen:
        print("    not seen: " + ", ".join(sorted(map(_name, unseen))))
    return int(bool(unseen) and played >= ENOUGH)


def _name(move: Move) -> str:
    return f"{'·' if move[0] is None else move[0]}→{move[1]}"


if __name__ == "__main__":
    sys.exit(main())
