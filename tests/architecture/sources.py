"""The source files that the checks of the architecture read."""

import ast
import gc
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules(under: str) -> list[Path]:
    """Every module of a folder of the project."""
    found = sorted((ROOT / under).rglob("*.py"))
    assert found, f"no module under {under}"
    return found


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def tree(path: Path) -> ast.Module:
    """Its syntax; SystemError now and then when the collector ends something in the middle (CPython 3.11, #106905)."""
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    finally:
        gc.enable()
