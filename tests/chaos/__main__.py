"""`python -m tests.chaos --minutes M --seed S`: runs a campaign; the exit code says whether all was well."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.campaign import Plan, run_campaign
from tests.chaos.report import Report


def main() -> int:
    """The arguments, the campaign, its report."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults are made")
    parser.add_argument("--seed", type=int, default=20261126, help="the plan and the traffic follow from it")
    parser.add_argument("--dir", type=Path, help="an empty folder for everything; kept")
    parser.add_argument("--pace", type=float, default=4.0, help="seconds between two kills at random")
    parser.add_argument("--rest", type=float, default=0.0, help="seconds allowed to come to rest")
    parser.add_argument("--json", type=Path, help="where to write the report as JSON besides")
    parser.add_argument("--no-mount", action="store_true", help="no tmpfs, as where mounting is not allowed")
    arguments = parser.parse_args()
    directory = arguments.dir or Path(tempfile.mkdtemp(prefix="tdt-chaos-"))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = directory.resolve()
    directory.chmod(0o711)  # PostgreSQL and Dovecot run as another user, who passes through
    plan = Plan(
        arguments.minutes,
        arguments.seed,
        directory,
        arguments.pace,
        arguments.rest or rest_seconds(arguments.minutes),
        not arguments.no_mount,
    )
    print(f"campaign of {plan.minutes:g} minutes, seed {plan.seed}, in {directory}", flush=True)
    report = asyncio.run(run_campaign(plan))
    _tell(report, directory, arguments)
    if report.passed and arguments.dir is None:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if report.passed else 1


def rest_seconds(minutes: float) -> float:
    """By default: the longest delay between two tries, ten minutes, in campaigns that may have made it so long."""
    return min(90.0 + 30.0 * minutes, 660.0)


def _tell(report: Report, directory: Path, arguments: argparse.Namespace) -> None:
    for path in (directory / "report.json", arguments.json):
        if path is not None:
            path.write_text(report.dump() + "\n", encoding="utf-8")
    for line in report.lines():
        print(line)
    again = f"scripts/chaos --minutes {arguments.minutes:g} --seed {report.seed}"
    if arguments.rest:
        again += f" --rest {arguments.rest:g}"
    if arguments.no_mount:
        again += " --no-mount"
    if report.passed:
        print(f"PASSED; again: {again}")
    else:
        print(f"FAILED; logs, ledger and database are in {directory}; again: {again}")


if __name__ == "__main__":
    sys.exit(main())
