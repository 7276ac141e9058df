"""The next event of a flow, and when its lateness is told: at every status in which somebody must act."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tdt.config import Config
from tdt.domain.actes import explain as of_actes
from tdt.domain.helios import explain as of_helios
from tdt.domain.helios.alerts import alert_at
from tdt.domain.limits import ACTES, HELIOS, late_at
from tdt.flows import actes_send, helios_send
from tests.commands import Terminal, open_terminal
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant

NOW = datetime(2026, 3, 9, 10, tzinfo=UTC)


@pytest.fixture
def terminal(works: Plant, tmp_path: Path) -> Terminal:
    folder = tmp_path / "terminal"
    folder.mkdir()
    return open_terminal(works.database, folder)


def test_whatever_is_awaited_has_a_limit() -> None:
    config = Config()
    for status in of_actes.EXPECTED:
        assert late_at(ACTES[status], NOW, config.ages) is not None, status
    for pes_status in of_helios.EXPECTED:
        told = alert_at(pes_status, NOW, config.helios.alert_limits)
        assert told or late_at(HELIOS[pes_status], NOW, config.ages), pes_status


async def awaited(terminal: Terminal, name: str) -> tuple[str, bool]:
    """What is awaited, and whether since when and until when are told, in the text too."""
    life = await asyncio.to_thread(terminal.rows, "flow", name)
    text = await asyncio.to_thread(terminal.run, "flow", name)
    expected = life["expected"]
    said = f"Attendu       {expected['who']} : {expected['what']} (depuis le " in text and ", alerte le " in text
    return expected["what"], said and life["status"]["since"] == expected["since"] < expected["alert_at"]


async def test_an_acte_at_each_status_until_its_answer(works: Plant, terminal: Terminal) -> None:
    acte = await works.submit_acte()
    assert await awaited(terminal, f"actes:{acte}") == ("vérifier les fichiers", True)
    other, envelope = await works.packaged_acte("2026_018")
    assert await awaited(terminal, f"actes:{other}") == ("transmettre à la préfecture", True)
    await actes_send.transmit(works.deps, envelope)
    what, told = await awaited(terminal, f"actes:{other}")
    assert what.startswith("accuser réception") and told


async def test_a_pes_at_each_status_until_its_acquit(works: Plant, terminal: Terminal) -> None:
    flow = await works.submit_pes(pes())
    assert await awaited(terminal, f"helios:{flow}") == ("vérifier le flux", True)
    await helios_send.analyse(works.deps, flow)
    assert await awaited(terminal, f"helios:{flow}") == ("transmettre à la DGFiP", True)


async def test_what_decides_a_sending_in_doubt_is_told(works: Plant, terminal: Terminal) -> None:
    acte, envelope = await works.packaged_acte()
    async with works.deps.transaction("system") as connection:
        await connection.execute(
            """insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, started_at,
                ended_at, outcome) select authority_id, route_id, 'acte_envelope', id, 'x.tar.gz', '', 1, now(), now(),
                'uncertain' from acte_envelope where id = $1""",
            envelope,
        )
    life = await asyncio.to_thread(terminal.rows, "flow", f"actes:{acte}")
    [doubt] = life["doubts"]
    assert doubt["name"] == "x.tar.gz" and doubt["decided_by"]
    text = await asyncio.to_thread(terminal.run, "flow", f"actes:{acte}")
    assert f"x.tar.gz : ce qui le tranche : {doubt['decided_by']}" in text
