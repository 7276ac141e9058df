"""`tdt flow` of a PES: all that an operator needs, and no more to a collectivité."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Refused
from tdt.flows import helios_alerts, helios_moves, helios_send, helios_view
from tests.commands import Terminal, open_terminal
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, acquit
from tests.faults.test_helios_moves import OPERATOR, set_aside, transmitted


@pytest.fixture
def terminal(works: Plant, tmp_path: Path) -> Terminal:
    folder = tmp_path / "terminal"
    folder.mkdir()
    return open_terminal(works.database, folder)


async def told(terminal: Terminal, flow: int) -> str:
    return await asyncio.to_thread(terminal.run, "flow", f"helios:{flow}")


async def seen(works: Plant, flow: int, who: str | None = None) -> Any:
    by = OPERATOR if who is None else Actor(Source.API, works.people[who])
    return await helios_view.view(works.deps, by, flow)  # type: ignore[arg-type]


async def test_what_is_waited_for_by_whom_until_when(works: Plant, terminal: Terminal) -> None:
    flow = await transmitted(works)
    works.elapse(timedelta(days=7))
    await helios_alerts.tell(works.deps)
    text = await told(terminal, flow)
    for words in (
        "Attendu       la DGFiP : rendre l'acquit, en général en quelques heures les jours ouvrés (depuis le ",
        ", alerte le ",
        "En-tête       CodCol 012, CodBud 00, IdPost 034001, IdColl 12345678200010",
        "Route         helios (n° 2), ftp_gateway",
        "Alertes\n",
        "sans acquit, depuis le ",
        "accepté  PESALR2_",
    ):
        assert words in text, (words, text)
    life = await seen(works, flow)
    since, alert = life["expected"]["since"], life["expected"]["alert_at"]
    assert since == life["status"]["since"] < alert
    await helios_moves.resend(works.deps, OPERATOR, flow, "la trésorerie n'a rien")
    # a note is no new state
    before = (await seen(works, flow))["status"]["since"]
    await set_aside(works, flow)
    await helios_moves.release(works.deps, OPERATOR, flow, "essai")
    life = await seen(works, flow)
    assert (life["status"]["code"], life["status"]["since"]) == (2, before)
    assert life["expected"]["what"] == "transmettre à la DGFiP"
    moved = [step["by"] for step in life["workflow"] if step["by"]["kind"] == "operator"]
    assert moved == [{"kind": "operator", "name": "essai"}] * 2
    theirs = [step["by"] for step in (await seen(works, flow, "A"))["workflow"]]
    assert {"kind": "operator"} in theirs and {"kind": "operator", "name": "essai"} not in theirs
    assert "[l'exploitant, essai]" in await told(terminal, flow)


async def test_a_pes_in_error_tells_cause_who_and_remedy(works: Plant, terminal: Terminal) -> None:
    flow = await works.submit_pes(pes().replace(b"ISO-8859-1", b"UTF-8"))
    await helios_send.analyse(works.deps, flow)
    text = await told(terminal, flow)
    assert "[PES_ENCODAGE]" in text
    assert "À faire par   la collectivité" in text
    assert "Remède        produire le flux en ISO-8859-1" in text
    assert (await seen(works, flow))["expected"] is None


async def test_what_came_for_it_is_listed(works: Plant, terminal: Terminal) -> None:
    flow = await transmitted(works)
    await works.ingest_file(acquit(), "ACK-1.xml")
    await works.ingest_file(acquit(note="autre"), "ACK-2.xml")
    text = await told(terminal, flow)
    assert "PES_ACQUIT ACK-1.xml" in text and "octets, appliqué" in text
    assert "ACK-2.xml" in text and "DANS LA BOÎTE DE L'EXPLOITANT" in text
    life = await seen(works, flow)
    assert [(one["name"], one["state"]) for one in life["received"]] == [
        ("ACK-1.xml", "handled"),
        ("ACK-2.xml", "set_aside"),
    ]
    assert {step["by"]["kind"] for step in life["workflow"] if step["status"] == 8} == {"state"}


async def test_work_set_aside(works: Plant, terminal: Terminal) -> None:
    flow = await works.queued_pes(pes())
    await set_aside(works, flow)
    text = await told(terminal, flow)
    assert "Attendu       l'exploitant de la plate-forme : reprendre ce traitement, mis de côté" in text
    assert "MIS DE CÔTÉ" in text and "ENVOI_INCERTAIN" in text
    # what only informs is set aside without anybody having to act for the flow to go on
    await works.fetch("update job set state = 'ready' where kind <> 'helios.schema'")
    assert (await seen(works, flow))["expected"]["what"] == "transmettre à la DGFiP"


async def test_a_collectivite_sees_its_own_and_nothing_of_the_platform(works: Plant) -> None:
    flow = await transmitted(works)
    works.elapse(timedelta(days=7))
    await helios_alerts.tell(works.deps)
    await works.ingest_file(acquit(), "ACK-1.xml")
    mine = await seen(works, flow, "A")
    assert (mine["status"]["code"], mine["nomfic"]) == (8, "FLUX-ESSAI-1")
    assert "alerts" not in mine and "first_copy" not in mine
    assert "detail" not in mine["received"][0]
    assert all("last_error" not in one for one in mine["pending"])
    for who, number in (("B", flow), ("A", 999)):
        with pytest.raises(Refused) as caught:
            await seen(works, number, who)
        assert caught.value.message == "Numéro de transaction invalide."
