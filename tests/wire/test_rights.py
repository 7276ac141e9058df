"""The table of rights over HTTP: every endpoint, by every kind of caller, for what is whose; exact refusals.

An endpoint that names nothing of anybody is asked once for each caller: whose the object is does not come into it.
Nor does the right of a caller in another module: there the two that open the most, RW and GRANT, stand for the others,
which tests/unit/test_rights.py tries on the same door. Endpoints that it leaves out are asked by every caller.
"""

import asyncio
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tdt.config import Config
from tdt.domain.authorities import Module, Permission, Role
from tests.postgres import TestDatabase
from tests.rights import RELATIONS, Cell, Way, answer_bytes, expected, module_of, read_rules, read_ways
from tests.told import tell
from tests.wire.rights_world import Answer, Key, Session, World, run_world

RULES, WAYS = read_rules(), read_ways()
AT_ONCE = 4


def asked() -> Iterator[tuple[Way, str]]:
    """What every caller is tried with: each way to call, for each relation when something of somebody is named."""
    for way in WAYS:
        for relation in RELATIONS if way.placeholders else RELATIONS[:1]:
            yield way, relation


def is_asked(way: Way, key: Key) -> bool:
    """Whether this caller is tried with this way to call, or another one stands for it."""
    _, permission, module = key
    if way.object in ("HOUSE", "GROUP"):
        return True
    return module is (module_of(way.path) or Module.ACTES) or permission in (Permission.RW, Permission.GRANT)


def is_as_said(way: Way, outcome: str, answer: Answer, number: int) -> bool:
    if outcome == "ok":
        return re.match(way.ok, answer.line, re.DOTALL) is not None
    words = way.refused if outcome == "refused" else way.unknown
    return (answer.status, answer.told) in answer_bytes(words, number)


async def wrong_of(world: World, key: Key) -> tuple[int, list[str]]:
    """How many cells were asked of one caller, and which answers are not as the specification says."""
    caller, wrong, count = world.callers[key], [], 0
    async with Session(world, caller) as session:
        for way, relation in ((way, relation) for way, relation in asked() if is_asked(way, key)):
            objects = world.objects(caller, relation)
            answer = await session.ask(way, objects)
            outcome = expected(RULES, Cell(way.path, *key, relation))
            number = int(objects["retour" if "{retour}" in way.fields else "pes"])
            if not is_as_said(way, outcome, answer, number):
                wrong.append(f"{key} {relation} {way.path} {way.fields}: {outcome} expected, {answer.line[:200]!r}")
            count += 1
    return count, wrong


@pytest.mark.timeout(600)
async def test_every_endpoint_answers_every_caller_as_the_specification_says(
    config: Config, empty_database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = asyncio.Semaphore(AT_ONCE)
    async with run_world(config, empty_database, tmp_path, monkeypatch) as world:

        async def turn(key: Key) -> tuple[int, list[str]]:
            async with turns:
                return await wrong_of(world, key)

        keys = list(itertools.product(Role, Permission, Module))
        found = await asyncio.gather(*(turn(key) for key in keys))
    wrong = [line for _, lines in found for line in lines]
    assert "\n".join(wrong[:40]) == "", f"{len(wrong)} wrong"
    count = sum(number for number, _ in found)
    assert count > 5_000
    tell(f"rights: {count} cells, {len(RULES)} endpoints (HTTP)")
