"""One target in a process of its own: under atheris for so many seconds, or over given inputs without it.

A failure is saved and the run goes on: each kind of failure once, with an input that shows it.
"""

import json
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.fuzz import corpus, limits

LARGEST = 1 << 16
SUSPECT_MEMORY = limits.MEMORY >> 10
"""In the unit of the kernel; under instrumentation time and memory are only a suspicion."""
MOST_FAILURES = 50


def main(arguments: list[str]) -> int:
    """`TARGET SECONDS GROWN`, or `TARGET replay FILE…`."""
    name, what, *rest = arguments
    return replay(name, rest) if what == "replay" else fuzz(name, int(what), Path(rest[0]))


def replay(name: str, files: list[str]) -> int:
    """Each input within the limits; one line for each that fails, with its file."""
    from tests.fuzz.targets import TARGETS

    failed = 0
    for file in files:
        try:
            limits.run_limited(TARGETS[name].one, Path(file).read_bytes())
        except Exception as error:  # noqa: BLE001 - any exception is the finding
            failed = 1
            shown = "".join(traceback.format_exception(error)[-3:])
            found = {"input": file, "failure": limits.signature_of(error), "told": str(error)[:200], "at": shown}
            sys.stdout.write(json.dumps(found) + "\n")
    return failed


def fuzz(name: str, seconds: int, grown: Path) -> int:
    """Until the time is over. Ends the process."""
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["tdt", "multipart", "aioftp"]):
        from tests.fuzz.targets import TARGETS
    folder = grown / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    runner = _Runner(TARGETS[name].one, grown / "failures" / name)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LARGEST}",
        f"-artifact_prefix={runner.folder}/",
        "-timeout=60",
        "-rss_limit_mb=3072",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder), str(corpus.KEPT / name)], runner.one)
    atheris.Fuzz()
    return 0


class _Runner:
    """Calls the target; saves each kind of failure once."""

    def __init__(self, one: Any, folder: Path):
        self._one, self.folder = one, folder
        self._seen: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def one(self, data: bytes) -> None:
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            self._one(data)
        except Exception as error:  # noqa: BLE001 - any exception is the finding
            self._keep(limits.signature_of(error), data)
        if time.process_time() - started > limits.SECONDS:
            self._keep(f"slow {len(data).bit_length()}", data)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > SUSPECT_MEMORY:
            self._keep("memory", data)

    def _keep(self, kind: str, data: bytes) -> None:
        if kind not in self._seen and len(self._seen) < MOST_FAILURES:
            self._seen.add(kind)
            name = "".join(letter if letter.isalnum() else "-" for letter in kind)
            corpus.save(self.folder, name, data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
