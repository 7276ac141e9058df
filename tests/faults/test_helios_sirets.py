"""The SIRETs that flows bear: learnt, or proposed to the operator, who accepts or refuses; the flow leaves anyway."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tdt.domain.ids import HeliosId
from tests.commands import Terminal, open_terminal
from tests.dgfip_flows import sample as pes
from tests.faults.plant import OTHER_SIREN, SIREN, Plant

OWN, FOREIGN, GRANTED = f"{SIREN}00010", f"{OTHER_SIREN}00019", "73282932000074"


@pytest.fixture
def terminal(works: Plant, tmp_path: Path) -> Terminal:
    folder = tmp_path / "terminal"
    folder.mkdir()
    return open_terminal(works.database, folder)


async def run(terminal: Terminal, *words: object, code: int = 0) -> str:
    return await asyncio.to_thread(terminal.run, "admin", "sirets", *words, code=code)


async def rows(terminal: Terminal, *words: object) -> Any:
    return await asyncio.to_thread(terminal.rows, "admin", "sirets", *words)


async def bring(works: Plant, siret: str, number: int, who: str = "A") -> HeliosId:
    """A flow that bears this SIRET, accepted."""
    data = pes(f"FLUX-{number}", str(number)).replace(OWN.encode(), siret.encode())
    return await works.queued_pes(data, who)


async def held(works: Plant) -> list[tuple[str, str]]:
    query = "select a.name, s.siret from authority_siret s join authority a on a.id = s.authority_id order by 1, 2"
    return [(row["name"], row["siret"]) for row in await works.fetch(query)]


async def trace(works: Plant, subject: str) -> list[dict[str, Any]]:
    found = await works.fetch("select data from audit where tag like 'cli:' || $1 || ':%' order by id", subject)
    return [row["data"] if isinstance(row["data"], dict) else json.loads(row["data"]) for row in found]


async def test_its_own_is_learnt_without_a_word(works: Plant, terminal: Terminal) -> None:
    await bring(works, OWN, 1)
    await bring(works, OWN, 2)
    assert await held(works) == [("A", OWN)]
    assert await rows(terminal, "proposals", "list") == []


async def test_a_short_one_is_nobodys(works: Plant, terminal: Terminal) -> None:
    await bring(works, SIREN, 1)
    assert await held(works) == []
    assert await rows(terminal, "proposals", "list", "--all") == []


async def test_anothers_is_proposed_counted_and_refused(works: Plant, terminal: Terminal) -> None:
    flows = [await bring(works, FOREIGN, number) for number in (1, 2, 3)]
    assert await held(works) == []
    [one] = await rows(terminal, "proposals", "list")
    a, b = (works.people[name].user.authority_id for name in ("A", "B"))
    assert (one["siret"], one["authority"], one["held_by"], one["state"]) == (FOREIGN, a, [b], "waiting")
    assert (one["flows"], one["first_flow"], one["last_flow"]) == (3, f"helios:{flows[0]}", f"helios:{flows[2]}")
    assert one["first_at"] <= one["last_at"]
    refusal = await run(terminal, "proposals", "accept", one["id"], code=1)
    assert f"est à une autre collectivité (n° {b})" in refusal
    await run(terminal, "proposals", "refuse", one["id"])
    await bring(works, FOREIGN, 4)
    assert await rows(terminal, "proposals", "list") == []
    [decided] = await rows(terminal, "proposals", "list", "--all")
    assert (decided["state"], decided["flows"]) == ("refused", 4)
    assert "déjà" in await run(terminal, "proposals", "refuse", one["id"], code=1)
    assert await held(works) == []
    [refused] = await trace(works, "siret_proposal")
    assert (refused["before"]["state"], refused["after"]["state"]) == ("waiting", "refused")


async def test_accepted_it_is_the_collectivites(works: Plant, terminal: Terminal) -> None:
    await bring(works, GRANTED, 1)
    [one] = await rows(terminal, "proposals", "list")
    assert one["held_by"] == []
    await run(terminal, "proposals", "accept", one["id"])
    assert await held(works) == [("A", GRANTED)]
    await bring(works, GRANTED, 2)
    assert await rows(terminal, "proposals", "list") == []
    assert "déjà" in await run(terminal, "proposals", "accept", one["id"], code=1)
    assert "n'existe pas" in await run(terminal, "proposals", "accept", 999, code=1)
    [accepted] = await trace(works, "siret_proposal")
    assert accepted["after"] == {"state": "accepted", "siret": GRANTED, "flows": 1}
    assert accepted["operator"]


async def test_shared_with_its_holder_when_the_operator_insists(works: Plant, terminal: Terminal) -> None:
    await bring(works, FOREIGN, 1, "B")
    await bring(works, FOREIGN, 2, "A")
    [one] = await rows(terminal, "proposals", "list")
    await run(terminal, "proposals", "accept", one["id"], "--shared")
    assert await held(works) == [("A", FOREIGN), ("B", FOREIGN)]


async def test_one_given_by_hand_waits_no_more(works: Plant, terminal: Terminal) -> None:
    await bring(works, GRANTED, 1)
    a = works.people["A"].user.authority_id
    await asyncio.to_thread(terminal.run, "admin", "authorities", "siret", "add", a, GRANTED)
    assert await rows(terminal, "proposals", "list") == []


async def test_those_of_a_siren_granted_are_learnt(works: Plant, terminal: Terminal) -> None:
    a, b = (works.people[name].user.authority_id for name in ("A", "B"))
    siren = GRANTED[:9]
    await run(terminal, "granted", "add", a, siren)
    assert await rows(terminal, "granted", "list") == [{"siren": siren, "authority": a}]
    assert f"(n° {a})" in await run(terminal, "granted", "add", b, siren, code=1)
    assert f"(n° {a})" in await run(terminal, "granted", "add", b, SIREN, code=1)
    assert "n'est pas un SIREN" in await run(terminal, "granted", "add", a, "123456789", code=1)
    await bring(works, GRANTED, 1, "A")
    # of the other one it is proposed: it is not its own
    await bring(works, GRANTED[:9] + "00082", 2, "B")
    assert await held(works) == [("A", GRANTED)]
    [one] = await rows(terminal, "proposals", "list")
    assert (one["authority"], one["held_by"]) == (b, [a])
    await run(terminal, "granted", "remove", a, siren)
    assert "pas accordé" in await run(terminal, "granted", "remove", a, siren, code=1)
    await bring(works, GRANTED[:9] + "00090", 3, "A")
    assert await held(works) == [("A", GRANTED)]
    assert [one["siret"] for one in await rows(terminal, "proposals", "list")] == [f"{siren}00082", f"{siren}00090"]
    changes = [(one["before"]["siren"], one["after"]["siren"]) for one in await trace(works, "siren")]
    assert changes == [(None, siren), (siren, None)]


async def test_a_group_that_may_open_a_siren_grants_it_to_nobody(works: Plant, terminal: Terminal) -> None:
    """Else a member of the group would attract the returns of one that has not sent anything yet."""
    a = works.people["A"].user.authority_id
    group = await asyncio.to_thread(
        terminal.rows, "admin", "groups", "create", "--name", "Agglo", "--siren", GRANTED[:9]
    )
    await asyncio.to_thread(terminal.run, "admin", "authorities", "move", a, "--group", group["id"])
    await bring(works, GRANTED, 1)
    assert await held(works) == []
    assert len(await rows(terminal, "proposals", "list")) == 1
