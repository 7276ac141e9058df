"""The directions of imports: the contracts of .importlinter, and that they cover the whole tree."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"


def test_every_contract_is_kept() -> None:
    # a process of its own: import-linter disables every logger that it finds, those that later tests read included
    found = subprocess.run([sys.executable, "-c", LINT], check=False, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
