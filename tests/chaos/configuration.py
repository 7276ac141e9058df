"""The configuration of each of our processes: that of the sandbox, with ports of its own and short windows."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Table = dict[str, Any]

CHANGES: Mapping[str, Table] = {
    # small bodies too go by the spool and its archiving
    "content": {"inline_bytes": 8192},
    "worker": {"poll_seconds": 1.0, "heartbeat_seconds": 0.5, "dead_after_seconds": 4.0, "takeovers": 1000},
    "server": {"shutdown_seconds": 5.0},
    "database": {"wait_seconds": 5.0},
    "tests": {"crash_points": True},
    # an outage makes the delays double: they start small, so that the end of the last one is soon noticed
    "actes": {"retry_seconds": 0.2},
    "helios": {"retry_seconds": 0.2},
    "breaker": {"probe_seconds": 1.0, "longest_seconds": 5.0},
    "log": {"level": "info", "format": "json"},
}


def write_config(
    source: Path, target: Path, changes: Mapping[str, Table], more_credentials: Mapping[str, Table]
) -> None:
    """`source` with CHANGES and these, as another file beside it."""
    document: dict[str, Table] = tomllib.loads(source.read_text(encoding="utf-8"))
    for more in (CHANGES, changes):
        for section, values in more.items():
            document.setdefault(section, {}).update(values)
    credentials = document.pop("credentials")
    for name, values in more_credentials.items():
        credentials[name].update(values)
    tables = {**document, **{f"credentials.{name}": table for name, table in credentials.items()}}
    target.touch(mode=0o600)
    target.write_text("\n".join(_toml(name, table) for name, table in tables.items()), encoding="utf-8")


def _toml(name: str, table: Mapping[str, object]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
