"""The domain never waits, opens nothing, reads no clock: bytes, time and facts are arguments."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, modules, shown, tree

BUILTINS = {"open", "input", "print", "exec", "eval", "breakpoint", "globals", "__import__"}

IO_METHODS = {"read_text", "write_text", "read_bytes", "write_bytes", "unlink", "mkdir", "iterdir", "glob", "rglob"}
"""Of pathlib, whoever gave the path. The grammar's own files are package data (see RESOURCES)."""

CLOCKS = {"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp"}

RESOURCES = {ROOT / "tdt/domain/actes/grammar/__init__.py"}
"""Data shipped in the package, read once through importlib.resources: as constant as code."""


def faults(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        match node:
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                yield f"{shown(path)}:{node.lineno}: waits"
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield f"{shown(path)}:{node.lineno}: calls {name}()"
            case ast.Attribute(attr=name) if name in IO_METHODS and path not in RESOURCES:
                yield f"{shown(path)}:{node.lineno}: .{name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="date" | "datetime"), attr=name)) if name in CLOCKS:
                yield f"{shown(path)}:{node.lineno}: reads the clock"
            case ast.Global() | ast.Nonlocal():
                yield f"{shown(path)}:{node.lineno}: keeps a state"


@pytest.mark.parametrize("path", modules("tdt/domain"), ids=shown)
def test_no_input_no_output(path: Path) -> None:
    assert list(faults(path)) == []


def test_the_check_sees_what_it_must(tmp_path: Path) -> None:
    """A check that finds nothing may be a check that looks at nothing."""
    bad = tmp_path / "bad.py"
    bad.write_text("async def f(p):\n    open('x')\n    p.read_text()\n    return datetime.now()\n")
    assert sorted(faults(bad)) == [
        "bad.py:1: waits",
        "bad.py:2: calls open()",
        "bad.py:3: .read_text",
        "bad.py:4: reads the clock",
    ]
