"""Disks that fill: a tmpfs of bounded size where mounting is allowed, else a preloaded library (shim.py)."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.chaos.shim import Shim, build_shim, find_compiler

MIB = 1 << 20
SIZES = {"spool": 1 << 30, "postgres": 16 << 30}
"""Of the disks: most of it is never used; an hour of campaign stores some 10 GiB."""


class Form(StrEnum):
    """How a disk fills."""

    TMPFS = "tmpfs of bounded size"
    SHIM = "preloaded shim"
    NEVER = "never filled"


@dataclass(slots=True)
class Disk:
    """A folder on a disk of its own; one that is neither a tmpfs nor under the shim never fills."""

    path: Path
    size: int
    form: Form = Form.NEVER
    shim: Shim | None = None

    def mount(self) -> None:
        """An ordinary user, or a container without the right, goes without."""
        self.make()
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={self.size},mode=0700", "tdt-chaos", str(self.path)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                self.form = Form.TMPFS

    def make(self) -> None:
        """A plain folder, nothing mounted."""
        self.path.mkdir(mode=0o700, exist_ok=True)

    def preload(self, shim: Shim) -> None:
        """It is full for the processes that have this loaded."""
        self.form, self.shim = Form.SHIM, shim

    @property
    def fills(self) -> bool:
        return self.form is not Form.NEVER

    def fill(self) -> None:
        """No byte is free any more."""
        if self.shim is not None:
            self.shim.flag.touch()
        elif self.form is Form.TMPFS:
            self._resize(max(shutil.disk_usage(self.path).used, MIB))

    def empty(self) -> None:
        """As large as before."""
        if self.shim is not None:
            self.shim.flag.unlink(missing_ok=True)
        elif self.form is Form.TMPFS:
            self._resize(self.size)

    def keep(self) -> None:
        """Put what it holds on the disk below, under the same name."""
        if self.form is not Form.TMPFS:
            return
        kept = self.path.with_name(self.path.name + ".kept")
        shutil.copytree(self.path, kept, symlinks=True, ignore=shutil.ignore_patterns(".s.PGSQL*"))
        self.unmount()
        self.path.rmdir()
        kept.rename(self.path)

    def unmount(self) -> None:
        """What it holds is gone; its form stays known."""
        if self.form is Form.TMPFS:
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=False)

    def _resize(self, size: int) -> None:
        command = ["mount", "-o", f"remount,size={size}", str(self.path)]
        subprocess.run(command, capture_output=True, check=False)


def make_disks(directory: Path, disks: dict[str, Disk], mounting: bool) -> None:
    """Those of SIZES, each told as soon as it is there; the spool's is under the shim where it cannot be mounted.

    PostgreSQL's is not: what a shim refuses is not what its disk would, and only ours reads our folder.
    """
    for name, size in SIZES.items():
        disk = disks[name] = Disk(directory / name, size)
        disk.mount() if mounting else disk.make()
    compiler = find_compiler()
    if not disks["spool"].fills and compiler is not None:
        disks["spool"].preload(build_shim(disks["spool"].path, compiler))


def tell_forms(disks: Mapping[str, Disk]) -> str:
    """For the report: which disks could be full, and how."""
    return ", ".join(f"{name}: {disk.form}" for name, disk in disks.items())
