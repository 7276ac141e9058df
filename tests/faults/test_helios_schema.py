"""The comparison with the schemas beside the sending: it tells, it never refuses nor delays, whatever fails."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tdt.config import Documents
from tdt.domain.audit import Actor, Source
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused, Temporary
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind
from tdt.flows import helios_send, schema_sets
from tdt.workers.lanes import INFORMATION_LANE, MAIN_LANE
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, acquit, plant, until
from tests.faults.test_workers import working
from tests.postgres import TestDatabase
from tests.schema_sets import small_set

OPERATOR = Actor(Source.CLI, None, "essai")
DAY = timedelta(days=1)


async def install(works: Plant, name: str, *natures: str, since: date | None = None) -> None:
    await schema_sets.add(works.deps, OPERATOR, name, small_set(*natures))
    await schema_sets.activate(works.deps, OPERATOR, name, since)


async def report(works: Plant, flow: HeliosId) -> tuple[str, Mapping[str, Any]]:
    [row] = await works.fetch(
        "select verdict, data from helios_report where transaction_id = $1 and aspect = 'schema'", flow
    )
    return row["verdict"], row["data"]


def today(works: Plant) -> date:
    return paris_date(works.deps.now())


async def test_a_flow_leaves_and_is_compared_apart(works: Plant) -> None:
    await install(works, "5.30")
    flow = await works.queued_pes(pes().replace(b'<NatPce V="01"/>', b'<NatPce V="99"/>'))
    kinds = await works.fetch("select kind from job where object_id = $1 and kind like 'helios.%' order by kind", flow)
    assert {row["kind"] for row in kinds} >= {"helios.schema", "helios.transmit"}
    assert JobKind.HELIOS_SCHEMA in INFORMATION_LANE and JobKind.HELIOS_SCHEMA not in MAIN_LANE
    await helios_send.transmit(works.deps, flow)
    await helios_send.check_schema(works.deps, flow)
    assert await works.helios_life(flow) == [1, 2, 3]
    verdict, data = await report(works, flow)
    assert (verdict, data["state"], data["conforms_to"], data["faults"]) == ("refused", "checked", [], 1)
    assert data["message"] == "Non conforme au schéma 5.30. Le Guichet XML refuserait tout le flux : 1 défaut."
    [finding] = data["findings"]
    assert (finding["code"], finding["where"], finding["found"]) == (
        "XSD_VALEUR", "dépense, bordereau 12 de 2026, pièce 345", "99",
    )  # fmt: skip


async def test_a_comparison_that_hangs_delays_no_sending(works: Plant, database: TestDatabase) -> None:
    """Workers as they run: the flow is gone before its schemas can be read, which are told of once they can."""
    await install(works, "5.30")
    locked = await asyncpg.connect(database.owner_dsn)
    try:
        await locked.execute("begin")
        await locked.execute("lock table schema_set in access exclusive mode")
        flow = await works.submit_pes(pes())
        async with working(works):
            await until(lambda: has_status(works, flow, 3), "sent")
            assert await works.value("select count(*) from helios_report where aspect = 'schema'") == 0
            await locked.execute("rollback")
            await until(lambda: is_reported(works), "compared")
    finally:
        await locked.close()
    assert (await report(works, flow))[0] == "passed"


async def has_status(works: Plant, flow: HeliosId, status: int) -> bool:
    return await works.helios_status(flow) == status


async def is_reported(works: Plant) -> bool:
    return bool(await works.value("select count(*) from helios_report where aspect = 'schema'"))


async def test_without_a_schema_all_works_and_it_is_said(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await helios_send.check_schema(works.deps, flow)
    verdict, data = await report(works, flow)
    assert (verdict, data["state"], data["sets"]) == ("not_applicable", "no_schema", [])
    assert data["message"].startswith("Aucun schéma de la DGFiP n'est en vigueur")
    # the rules need none
    broken = await works.queued_pes(pes("FLUX-ESSAI-2", "13", "U2").replace(b'.pdf"', b'"'))
    await helios_send.check_schema(works.deps, broken)
    verdict, data = await report(works, broken)
    assert (verdict, [one["code"] for one in data["findings"]]) == ("refused", ["GUICHET_PJ_NOM"])
    assert "Le Guichet XML refuserait une pièce jointe ou plus : 1 défaut." in data["message"]


async def test_versions_follow_each_other_live(works: Plant) -> None:
    """N and N−1 are taken together; each begins and ends on its day, for workers that nobody restarted."""
    await install(works, "5.29", "01")
    await install(works, "5.30", "01", "02", since=today(works) + 10 * DAY)
    flow = await works.queued_pes(pes().replace(b'<NatPce V="01"/>', b'<NatPce V="02"/>'))

    async def told() -> tuple[str, list[str], list[str]]:
        await helios_send.check_schema(works.deps, flow)
        verdict, data = await report(works, flow)
        return verdict, [one["name"] for one in data["sets"]], data["conforms_to"]

    assert await told() == ("refused", ["5.29"], [])
    works.elapse(10 * DAY)
    assert await told() == ("passed", ["5.30", "5.29"], ["5.30"])
    await schema_sets.deactivate(works.deps, OPERATOR, "5.29", today(works) + 5 * DAY)
    assert (await told())[1] == ["5.30", "5.29"]
    works.elapse(5 * DAY)
    assert await told() == ("passed", ["5.30"], ["5.30"])
    await schema_sets.remove(works.deps, OPERATOR, "5.29")
    assert await told() == ("passed", ["5.30"], ["5.30"])
    tags = await works.fetch("select tag, data from audit where tag like 'cli:schemas:%' order by id")
    assert [row["tag"].rpartition(":")[2] for row in tags] == [
        "add", "activate", "add", "activate", "deactivate", "remove",
    ]  # fmt: skip
    assert tags[4]["data"]["before"] != tags[4]["data"]["after"]


async def test_what_may_not_be_done_with_a_set(works: Plant) -> None:
    async def refusal(work: Any) -> str:
        with pytest.raises(Refused) as caught:
            await work
        return caught.value.message

    deps = works.deps
    await install(works, "5.30")
    assert "porte déjà ce nom" in await refusal(schema_sets.add(deps, OPERATOR, "5.30", small_set("02")))
    assert "déjà installés" in await refusal(schema_sets.add(deps, OPERATOR, "autre", small_set()))
    for name in ("", "a b", "../x", "x" * 41):
        assert "--name" in await refusal(schema_sets.add(deps, OPERATOR, name, small_set("03")))
    assert "aucun de ses schémas" in await refusal(
        schema_sets.add(deps, OPERATOR, "5.31", {"a.xsd": small_set()["essai/commun/types.xsd"]})
    )
    assert "déjà en vigueur" in await refusal(schema_sets.activate(deps, OPERATOR, "5.30", None))
    assert "en vigueur" in await refusal(schema_sets.remove(deps, OPERATOR, "5.30"))
    past = today(works) - DAY
    assert "dans le passé" in await refusal(schema_sets.activate(deps, OPERATOR, "5.30", past))
    assert "dans le passé" in await refusal(schema_sets.deactivate(deps, OPERATOR, "5.30", past))
    for work in (
        schema_sets.activate(deps, OPERATOR, "9.9", None),
        schema_sets.deactivate(deps, OPERATOR, "9.9", None),
        schema_sets.remove(deps, OPERATOR, "9.9"),
    ):
        assert "ne porte ce nom" in await refusal(work)
    await schema_sets.deactivate(deps, OPERATOR, "5.30", None)
    assert "n'est pas en vigueur" in await refusal(schema_sets.deactivate(deps, OPERATOR, "5.30", None))
    # once out of force, it may be put in force for a time
    await schema_sets.activate(deps, OPERATOR, "5.30", None, today(works) + DAY)
    assert await works.value("select count(*) from schema_period where valid_to = $1", today(works) + 2 * DAY) == 1


async def test_a_flow_that_kills_its_child_is_given_up_and_said(database: TestDatabase, tmp_path: Path) -> None:
    small = Documents(concurrency=1, memory_bytes=1 << 20, seconds=30)
    async with plant(database, tmp_path, documents=small) as works:
        works.clock.fixed = works.deps.now()
        flow = await works.queued_pes(pes())
        for number in (1, 2):
            with pytest.raises(Temporary) as caught:
                await helios_send.check_schema(works.deps, flow)
            assert caught.value.details["retry_at"] == works.deps.now() + number * timedelta(minutes=1)
            verdict, data = await report(works, flow)
            assert (verdict, data["tries"]) == ("pending", number)
        await helios_send.check_schema(works.deps, flow)
        verdict, data = await report(works, flow)
        assert (verdict, data["state"]) == ("not_applicable", "too_much")
        await helios_send.transmit(works.deps, flow)
        assert await works.helios_status(flow) == 3


async def test_a_bordereau_that_left_before_is_told(works: Plant) -> None:
    first = await works.queued_pes(pes())
    second = await works.queued_pes(pes("FLUX-ESSAI-2", unique="U2"))
    other = await works.queued_pes(pes("FLUX-ESSAI-3", "13", "U3"))

    async def told(flow: HeliosId) -> list[str]:
        await helios_send.check_schema(works.deps, flow)
        return [one["message"] for one in (await report(works, flow))[1]["findings"]]

    # it is still here: nothing says that it will be sent first
    assert await told(second) == []
    await helios_send.transmit(works.deps, first)
    [message] = await told(second)
    assert f"dans le flux helios:{first} (pas encore acquitté)" in message
    assert await told(other) == await told(first) == []
    # once refused it may come again under its number
    assert (await works.ingest_file(acquit().replace(b'EtatAck V="1"', b'EtatAck V="0"')))[0] == "handled"
    assert await works.value("select outcome from helios_verdict where transaction_id = $1", first) == "rejected"
    assert await told(second) == []
    await works.fetch("update helios_verdict set outcome = 'accepted' where transaction_id = $1", first)
    [message] = await told(second)
    assert f"dans le flux helios:{first} (accepté par la DGFiP)" in message


async def test_an_operator_has_it_compared_again(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await helios_send.check_schema(works.deps, flow)
    await install(works, "5.30")
    told = await helios_send.recheck_schema(works.deps, OPERATOR, flow)
    assert (told["verdict"], told["conforms_to"]) == ("passed", ["5.30"])
    [trace] = await works.fetch("select data from audit where tag = 'cli:helios:schema-check'")
    assert trace["data"]["before"]["verdict"] == "not_applicable"
    assert trace["data"]["after"]["message"] == "Conforme au schéma 5.30."
    with pytest.raises(Refused):
        await helios_send.recheck_schema(works.deps, OPERATOR, HeliosId(99_999))


async def test_a_flow_purged_meanwhile_leaves_nothing(works: Plant) -> None:
    await helios_send.check_schema(works.deps, HeliosId(99_999))
    flow = await works.queued_pes(pes())
    checks = [asyncio.create_task(helios_send.check_schema(works.deps, flow)) for _ in range(2)]
    await asyncio.gather(*checks)
    assert (await report(works, flow))[0] == "not_applicable"
