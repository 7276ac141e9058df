"""The day in Paris, and two deposits at the same instant."""

import asyncio
from datetime import UTC, datetime

import pytest

from tdt.domain.errors import Refused
from tdt.flows import helios_send
from tests.dgfip_flows import sample as pes
from tests.faults.plant import OTHER_SIREN, SIREN, Plant

BEFORE = datetime(2026, 7, 14, 21, 59, 59, 999_999, tzinfo=UTC)
"""One microsecond before midnight in Paris, in summer."""
AFTER = datetime(2026, 7, 14, 22, 0, tzinfo=UTC)
WINTER = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)


async def names(works: Plant) -> list[str]:
    return [row["name"] for row in await works.fetch("select name from acte_envelope order by id")]


async def test_serials_start_again_at_midnight_in_paris(works: Plant) -> None:
    for instant, number in ((BEFORE, "N1"), (BEFORE, "N2"), (AFTER, "N3"), (AFTER, "N4"), (WINTER, "N5")):
        works.clock.fixed = instant
        await works.submit_acte(number)
    works.clock.fixed = AFTER
    await works.submit_acte("N1", "B")
    assert await names(works) == [
        f"TACT--{SIREN}--20260714-1.xml",
        f"TACT--{SIREN}--20260714-2.xml",
        f"TACT--{SIREN}--20260715-1.xml",
        f"TACT--{SIREN}--20260715-2.xml",
        f"TACT--{SIREN}--20270101-1.xml",
        f"TACT--{OTHER_SIREN}--20260715-1.xml",
    ]


async def test_the_names_of_flows_carry_the_day_of_paris_and_keep_it(works: Plant) -> None:
    found = []
    for instant, number in ((BEFORE, "1"), (AFTER, "2"), (WINTER, "3")):
        works.clock.fixed = instant
        flow = await works.queued_pes(pes(f"FLUX-{number}", number))
        if instant is BEFORE:
            works.ftp.behaviour.stor_refusal = "552 no room"
            with pytest.raises(Exception, match="DGFiP"):
                await helios_send.transmit(works.deps, flow)
            works.ftp.behaviour.stor_refusal = ""
            works.clock.fixed = AFTER  # sent after midnight, named before
        await helios_send.transmit(works.deps, flow)
        found.append(await works.value("select transmitted_name from helios_transaction where id = $1", flow))
    assert found == [
        f"PESALR2_{SIREN}_260714_001.xml",
        f"PESALR2_{SIREN}_260715_001.xml",
        f"PESALR2_{SIREN}_270101_001.xml",
    ]
    assert sorted(path.name for path in works.ftp.sent.iterdir()) == sorted(found)


async def test_one_number_posted_twice_at_once(works: Plant) -> None:
    ended = await asyncio.gather(*(works.submit_acte("N1") for _ in range(4)), return_exceptions=True)
    refused = [error for error in ended if isinstance(error, BaseException)]
    assert len(refused) == 3
    with pytest.raises(Refused) as afterwards:
        await works.submit_acte("N1")
    for error in refused:
        assert isinstance(error, Refused)
        assert error.message == afterwards.value.message
    assert await works.value("select count(*) from acte_transaction") == 1
    assert await works.value("select last from acte_envelope_serial") == 1
    await works.submit_acte("N1", "B")  # another collectivité numbers as it likes


async def test_one_flow_posted_twice_at_once(works: Plant) -> None:
    ended = await asyncio.gather(
        *(works.submit_pes(pes(), who) for who in ("A", "B", "A", "B")), return_exceptions=True
    )
    refused = [error for error in ended if isinstance(error, BaseException)]
    assert [str(error) for error in refused] == ["doublon détecté. Ce fichier a déjà été posté."] * 3
    assert await works.value("select count(*) from helios_transaction") == 1
    assert await works.value("select count(*) from job") == 1
