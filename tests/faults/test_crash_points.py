"""The crash points: each is in the code and in the documentation, and none can be armed in production."""

import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tdt.crash import NOT_ALLOWED, VARIABLE, Step, find_fault
from tests.architecture.sources import ROOT
from tests.postgres import TestDatabase

WHERE_REACHED = re.compile(r"\breach\(Step\.([A-Z_]+)\)")


def test_every_step_is_reached_at_one_place() -> None:
    reached = [name for path in (ROOT / "tdt").rglob("*.py") for name in WHERE_REACHED.findall(path.read_text("utf-8"))]
    assert sorted(reached) == sorted(step.name for step in Step)


def test_every_step_is_documented() -> None:
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    section = text.partition("\n### Crash points\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE)
    assert sorted(told) == sorted(Step)


@pytest.mark.parametrize("step", Step)
def test_no_step_can_be_armed_without_the_permission(step: Step) -> None:
    assert find_fault(step, False) == NOT_ALLOWED
    assert find_fault(step, True) == ""
    assert find_fault(f"{step}:3", True) == ""


@pytest.mark.parametrize("wanted", ["body", "body.durable:0", "body.durable:x", "body.durables"])
def test_an_unknown_step_is_a_fault(wanted: str) -> None:
    assert "étape inconnue" in find_fault(wanted, True)


def start(command: str, config: Path, step: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    if step:
        environment[VARIABLE] = step
    return subprocess.run(
        [sys.executable, "-m", "tdt", command, "--config", str(config)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def write(path: Path, database: TestDatabase, crash_points: bool) -> Path:
    path.mkdir(exist_ok=True)
    config = path / "tdt.toml"
    lines = [
        "[database]",
        f'dsn = "{database.app_dsn}"',
        "[spool]",
        f'directory = "{path}/spool"',
        "[tests]",
        f"crash_points = {str(crash_points).lower()}",
    ]
    config.write_text("\n".join(lines) + "\n")
    return config


@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_process_with_the_variable_does_not_start_in_production(
    command: str, database: TestDatabase, tmp_path: Path
) -> None:
    ended = start(command, write(tmp_path, database, crash_points=False), Step.JOB_CLAIMED)
    assert ended.returncode == 2
    assert ended.stderr.strip() == NOT_ALLOWED


async def test_the_permission_is_refused_where_a_route_is_real(database: TestDatabase, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database.owner_dsn)
    await connection.execute(
        "insert into route (kind, transport, name, settings, credentials, test, active)"
        " values ('actes', 'https', 'Préfecture', '{}', 'prefecture', false, true)"
    )
    await connection.close()
    ended = start("work", write(tmp_path, database, crash_points=True))
    assert ended.returncode == 2
    assert "crash_points" in ended.stderr
    assert "(Préfecture)" in ended.stderr
