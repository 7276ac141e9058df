"""A page or an endpoint that only shows something reads the database; what changes something goes through a flow."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import modules, shown, tree

READS = ("get_", "list_", "count_", "find_", "stream_", "last_", "number_")

ALLOWED = {"transaction", "scope_of"}
"""tdt.db.pool: opens a transaction, in which web may only read; says what somebody may see at most."""

DRIVER = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_records_to_table"}


def is_read(name: str) -> bool:
    """Data classes begin with a capital letter, constants are all in capitals: they do nothing."""
    return name[0].isupper() or name.startswith(READS) or name in ALLOWED


def faults(path: Path) -> Iterator[str]:
    nodes = list(ast.walk(tree(path)))
    aliases = set()
    for node in nodes:
        match node:
            case ast.ImportFrom(module="tdt.db", names=names):
                aliases |= {name.asname or name.name for name in names}
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("tdt.db."):
                yield from (f"{shown(path)}:{node.lineno}: {name.name}" for name in names if not is_read(name.name))
            case ast.Import(names=names) if any(name.name.startswith("tdt.db") for name in names):
                yield f"{shown(path)}:{node.lineno}: import the module under a name: from tdt.db import …"
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=alias), attr=name) if alias in aliases and not is_read(name):
                yield f"{shown(path)}:{node.lineno}: {name}"
            case ast.Call(func=ast.Attribute(attr=name)) if name in DRIVER:
                yield f"{shown(path)}:{node.lineno}: SQL outside tdt.db ({name})"


@pytest.mark.parametrize("path", modules("tdt/web"), ids=shown)
def test_web_only_reads(path: Path) -> None:
    assert list(faults(path)) == []


def test_the_check_sees_what_it_must(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from tdt.db import actes as db\n"
        "from tdt.db.jobs import insert_job, get_next_due\n"
        "db.Acte, db.get_file, db.move_status\n"
        "connection.fetchval('select 1')\n"
    )
    assert sorted(faults(bad)) == [
        "bad.py:2: insert_job",
        "bad.py:3: move_status",
        "bad.py:4: SQL outside tdt.db (fetchval)",
    ]
