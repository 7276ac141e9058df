"""The corpus: what is kept in the repository (seeds, inputs that once failed), what grows outside of it."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

KEPT = Path(__file__).resolve().parent / "corpus"
FOUND = "found-"
"""How the names of inputs that once failed begin."""


def grown_folder() -> Path:
    """Where the corpus grows unless it is told: `$XDG_CACHE_HOME/tdt-fuzz`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tdt-fuzz"


def kept_inputs(target: str) -> Iterator[Path]:
    """Those of the repository."""
    return iter(sorted((KEPT / target).iterdir()))


def save(folder: Path, name: str, data: bytes) -> Path:
    """Write an input; its name ends by its digest, so that the same input is written once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def write_seeds() -> int:
    """Write the seeds anew, all of them: those that are signed belong with the authorities of the same writing."""
    from tests.fuzz.targets import TARGETS
    from tests.fuzz.targets.certificates import write_known

    write_known()
    count = 0
    for target in TARGETS.values():
        folder = KEPT / target.name
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if not path.name.startswith(FOUND):
                path.unlink()
        for name, data in target.seeds().items():
            (folder / name.replace(" ", "-")).write_bytes(data)
            count += 1
    return count
