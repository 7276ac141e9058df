"""`scripts/loadtest`: run the scenarios asked for, print the table, write the JSON."""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from loadtests import (
    actes,
    archives,
    checks,
    fairness,
    handshakes,
    hostile,
    mailbox,
    memory,
    nights,
    queue,
    signatures,
    tenants,
    upload,
    uploads,
)
from loadtests.result import Outcome, print_table, write_json
from loadtests.stand import ROOT, Stand, prepare, temporary_directory

Scenario = Callable[[Stand, int, bool], Iterator[Outcome]]

SCENARIOS: dict[str, Scenario] = {
    "upload": upload.run,
    "uploads": uploads.run,
    "actes": actes.run,
    "handshakes": handshakes.run,
    "memory": memory.run,
    "archives": archives.run,
    "queue": queue.run,
    "checks": checks.run,
    "signatures": signatures.run,
    "fairness": fairness.run,
    "mailbox": mailbox.run,
    "tenants": tenants.run,
    "nights": nights.run,
    "hostile": hostile.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/loadtest", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each side (default 5)")
    parser.add_argument("--quick", action="store_true", help="small sizes: to try the scenarios, not to measure")
    parser.add_argument("--dir", default="", help="where the temporary folder is made (the disk that is measured)")
    parser.add_argument("--json", type=Path, default=ROOT / "var" / "loadtest.json", help="where the figures go")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    # whatever ends us: the servers are stopped and the folder removed on the way out
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    outcomes = []
    for name in options.scenarios or SCENARIOS:
        print(f"{name}…", flush=True)
        with temporary_directory(options.dir) as directory:
            stand = prepare(directory / "sandbox")
            for outcome in SCENARIOS[name](stand, options.rounds, options.quick):
                outcomes.append(outcome)
    print_table(outcomes)
    write_json(options.json, outcomes, _machine())
    print(f"\n{options.json}")
    return 0


def _machine() -> dict[str, object]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }


if __name__ == "__main__":
    sys.exit(main())
