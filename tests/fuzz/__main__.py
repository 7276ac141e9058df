"""Fuzz the parsers: `python -m tests.fuzz TARGET|all --seconds N`. Prints one JSON line for each target, then a sum."""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fuzz import corpus

STATUS = re.compile(r"cov: (\d+)")
EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
AT_LEAST = 5
"""Seconds that are worth another start after a process was lost (a crash of C, memory that only grows)."""


def main() -> int:
    """1 when an input fails without instrumentation too."""
    told = _arguments()
    if told.write_seeds:
        print(f"{corpus.write_seeds()} seeds")
        return 0
    names = sorted(path.name for path in corpus.KEPT.iterdir()) if told.target == "all" else [told.target]
    with ThreadPoolExecutor(told.jobs) as pool:
        found: list[dict[str, Any]] = []
        for one in pool.map(lambda name: run(name, told.seconds, told.corpus), names):
            found.append(one)
            print(json.dumps(one), flush=True)
    whole = {key: sum(one[key] for one in found) for key in ("seconds", "executions", "kept", "corpus")}
    failures = sum(len(one["failures"]) for one in found)
    print(json.dumps({"target": "all", **whole, "failures": failures}))
    return int(failures > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", default="all", help="a folder of tests/fuzz/corpus, or all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--jobs", type=int, default=1, help="targets at once (1)")
    parser.add_argument("--corpus", type=Path, default=corpus.grown_folder(), help="where the corpus grows")
    parser.add_argument("--write-seeds", action="store_true", help="write the seeds of the repository anew")
    return parser.parse_args()


def run(name: str, seconds: int, grown: Path) -> dict[str, Any]:
    """One target; what is lost of a process is begun again while time is left."""
    started, executions, coverage = time.monotonic(), 0, 0
    while (left := seconds - (time.monotonic() - started)) >= min(AT_LEAST, seconds):
        output = _child(name, str(int(left)), str(grown)).stderr
        covered = [int(found) for found in STATUS.findall(output)]
        counted = EXECUTED.search(output)
        if not covered:
            raise SystemExit(f"{name}: the fuzzer did not begin:\n{output[-2000:]}")
        coverage = max(coverage, *covered)
        executions += int(counted[1]) if counted else 0
    return {
        "target": name,
        "seconds": round(time.monotonic() - started),
        "executions": executions,
        "coverage": coverage,
        "kept": _count(corpus.KEPT / name),
        "corpus": _count(grown / "corpus" / name),
        "failures": list(_failures(name, grown / "failures" / name)),
    }


def _failures(name: str, folder: Path) -> Iterator[object]:
    """What was saved and fails again, one process each: a crash of C takes its process along."""
    for file in sorted(folder.iterdir()):
        done = _child(name, "replay", str(file))
        if done.returncode == 0:
            file.unlink()
        elif done.stdout:
            yield json.loads(done.stdout.splitlines()[-1])
        else:
            yield {"input": str(file), "failure": f"exit code {done.returncode}"}


def _child(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.fuzz.child", *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
