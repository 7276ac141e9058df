"""The books of a campaign: the balances of its days, made by the program once it is the next day, and every digest."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tdt.config_file import load
from tdt.deps import Deps, open_deps
from tdt.domain.audit import Actor, Source
from tdt.flows import balances
from tests.chaos.stack import Stack
from tests.chaos.verification import DAMAGED, UNBALANCED, Finding

OPERATOR = Actor(Source.CLI, None, "campagne")
DIFFERS = 3
"""How `tdt verify` ends when something stored is missing or altered."""


async def check_books(stack: Stack) -> tuple[list[Finding], int]:
    """What does not balance and what is not as it was stored; and how many balances were made. Nothing else runs."""
    config = stack.layout.directory / "serve-1.toml"
    async with open_deps(load(config)) as opened:
        deps = replace(opened, now=_tomorrow)
        wrong, made = [], 0
        async for one in _make(deps):
            made += one.balances
            for imbalance in one.imbalances:
                subject = f"{imbalance.name} {imbalance.module} {imbalance.day}"
                faults = [f"{fault.flow} {fault.code}" for fault in imbalance.side.faults]
                wrong.append(Finding(UNBALANCED, subject, f"{faults} {imbalance.side.equations}"))
        for authority in await balances.list_authorities(deps):
            for difference in await balances.recount(deps, authority, balances.is_due(deps)):
                wrong.append(Finding(UNBALANCED, f"{difference.module} {difference.flow}", difference.text))
    return [*wrong, *await _verify(config)], made


async def _make(deps: Deps) -> AsyncIterator[balances.Made]:
    while (made := await balances.make_next(deps, balances.Asked(OPERATOR))) is not None:
        yield made


def _tomorrow() -> datetime:
    """A day later, and some hours: the day of the campaign is over, whenever it was."""
    return datetime.now(UTC) + timedelta(hours=27)


async def _verify(config: Path) -> list[Finding]:
    command = [sys.executable, "-m", "tdt", "verify", "--config", str(config), "--rate", "0", "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode not in (0, DIFFERS):
        return [Finding(DAMAGED, "tdt verify", f"ended with {process.returncode}")]
    told: list[dict[str, Any]] = json.loads(out)["findings"] if process.returncode else []
    return [Finding(DAMAGED, f"{one['subject']}", f"{one['code']} {one['detail']}") for one in told]
