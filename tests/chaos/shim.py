"""A disk that is full where no tmpfs can be mounted: a preloaded library says so to our processes (full_disk.c)."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("full_disk.c")
COMPILERS = ("cc", "gcc", "clang", "tcc")
"""The last one is what scripts/services installs."""
LOADER = "LD_PRELOAD"


@dataclass(frozen=True, slots=True)
class Shim:
    """The compiled library, and the file that says for its folder that it is full."""

    library: Path
    folder: Path
    flag: Path

    def variables(self, others: str = "") -> dict[str, str]:
        """Of a process that is to see it, beside what is loaded before."""
        loaded = ":".join(one for one in (others, str(self.library)) if one)
        return {LOADER: loaded, "FULL_DISK_FOLDER": str(self.folder), "FULL_DISK_FLAG": str(self.flag)}

    def with_shim(self, environment: Mapping[str, str]) -> dict[str, str]:
        """This environment and the shim, whatever is loaded in it already."""
        return {**environment, **self.variables(environment.get(LOADER, ""))}


def find_compiler() -> str | None:
    """The first one that is installed."""
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)


def build_shim(folder: Path, compiler: str) -> Shim:
    """For this folder; the library and the flag lie beside it. AssertionError when it cannot be compiled."""
    folder = folder.resolve()
    library = folder.with_name(f"{folder.name}.full.so")
    # Ubuntu's compilers replace open() and write() by functions of their own unless told not to
    command = [compiler, "-shared", "-fPIC", "-U_FORTIFY_SOURCE", "-o", str(library), str(SOURCE), "-ldl"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return Shim(library, folder, folder.with_name(f"{folder.name}.full"))
