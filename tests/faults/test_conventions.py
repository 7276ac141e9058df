"""Conventions at work: what they hold waits in state 2, told once, and leaves by itself."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tdt.config import Conventions
from tdt.db.conventions import count_held, list_held, wake_held
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Avenant, Convention, Suspension
from tdt.domain.errors import Held, Refused, Uncertain
from tdt.domain.ids import AuthorityId
from tdt.domain.jobs import JobKind
from tdt.flows import actes_send, conventions, helios_send
from tdt.workers.handlers import HANDLERS
from tests.dgfip_flows import sample as pes
from tests.faults.plant import WINDOW, Plant, plant, until
from tests.faults.test_helios import lost, stores
from tests.faults.test_workers import working
from tests.postgres import TestDatabase

OPERATOR = Actor(Source.CLI, None, "exploitant")
DAY = timedelta(days=1)


def town(works: Plant, who: str = "A") -> AuthorityId:
    authority = works.people[who].authority
    assert authority is not None
    return authority.id


def today(works: Plant) -> date:
    return paris_date(works.deps.now())


async def sign(works: Plant, module: Module = Module.ACTES, **changes: object) -> int:
    """A convention of A that ended yesterday, unless it is said otherwise."""
    start = today(works) - timedelta(days=300)
    signed = Convention(0, town(works), module, "C-1", start, start, today(works) - DAY)
    return await conventions.create(works.deps, OPERATOR, replace(signed, **changes))  # type: ignore[arg-type]


async def extend(works: Plant, convention: int) -> None:
    ends_on = today(works) + timedelta(days=365)
    await conventions.modify(works.deps, OPERATOR, convention, lambda current: replace(current, ends_on=ends_on))


async def messages(works: Plant, table: str, number: int) -> list[tuple[int, str]]:
    rows = await works.fetch(f"select status, message from {table} where transaction_id = $1 order by id", number)
    return [(row["status"], row["message"]) for row in rows]


async def held(works: Plant) -> dict[str, int]:
    async with works.deps.transaction("system") as connection:
        return await count_held(connection)


async def test_an_acte_and_a_flow_wait_in_state_2_and_leave_when_their_convention_is_extended(works: Plant) -> None:
    acts, flows = await sign(works), await sign(works, Module.HELIOS)
    acte, flow = await works.submit_acte(), await works.submit_pes(pes())
    other = await works.submit_acte("AUTRE", "B")
    async with working(works):
        both = {"actes.transmit": 1, "helios.transmit": 1}

        async def both_held() -> bool:
            return await held(works) == both

        await until(both_held, "both held", 15)
        assert [await works.acte_status(acte), await works.helios_status(flow)] == [2, 2]

        async def other_gone() -> bool:
            return await works.acte_status(other) == 3

        await until(other_gone, "another collectivité is not concerned", 10)
        clause = f"Convention C-1 : elle s'est terminée le {today(works) - DAY:%d/%m/%Y}."
        assert (await messages(works, "acte_workflow", acte))[-1] == (2, clause)
        assert (await messages(works, "helios_workflow", flow))[-1] == (2, clause)
        async with works.deps.transaction("system") as connection:
            assert {one.why for one in await list_held(connection)} == {f"CONVENTION_RETENUE : {clause}"}
            # looked at again and still held: told once, and no failure
            first = await connection.fetchval("select max(started_at) from job where kind = 'actes.transmit'")
            assert await wake_held(connection, town(works), Module.ACTES) == 1

        async def looked_again() -> bool:
            again = "select max(started_at) > $1 from job where kind = 'actes.transmit'"
            return await works.value(again, first) and await held(works) == both

        await until(looked_again, "looked at again", 10)
        assert await works.value("select max(attempts) from job") == 0
        assert [status for status, _ in await messages(works, "acte_workflow", acte)].count(2) == 2
        await extend(works, acts)
        await extend(works, flows)

        async def gone() -> bool:
            return [await works.acte_status(acte), await works.helios_status(flow)] == [3, 3]

        await until(gone, "both transmitted", 10)
    rows = await works.fetch("select clause from attempt where authority_id = $1", town(works))
    assert [row["clause"] for row in rows] == [
        f"Convention C-1 : en vigueur jusqu'au {today(works) + timedelta(days=365):%d/%m/%Y}."
    ] * 2
    notes = await works.fetch("select data from event where from_status = 2 and to_status = 2")
    assert [json.loads(row["data"]) if isinstance(row["data"], str) else row["data"] for row in notes] == [
        {"message": clause}
    ] * 2


async def test_a_change_that_comes_while_the_flow_is_being_judged_is_not_missed(works: Plant) -> None:
    convention = await sign(works)
    acte, envelope = await works.packaged_acte()
    judged, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(deps: object, number: object) -> None:
        try:
            await actes_send.transmit(works.deps, envelope)
        except Held:
            judged.set()
            await go_on.wait()
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HANDLERS, JobKind.ACTES_TRANSMIT, slowly)
        async with working(works):
            await asyncio.wait_for(judged.wait(), 10)
            await extend(works, convention)
            patch.undo()
            go_on.set()

            async def gone() -> bool:
                return await works.acte_status(acte) == 3

            await until(gone, "transmitted", 10)


async def transmit(works: Plant) -> str:
    """Try to send a new acte; gives the clause that holds it, or nothing."""
    number = f"N{await works.value('select count(*) from acte_transaction')}"
    _, envelope = await works.packaged_acte(number)
    try:
        await actes_send.transmit(works.deps, envelope)
    except Held as error:
        return error.message
    return ""


async def test_before_the_start_on_the_last_day_and_after_it(works: Plant) -> None:
    start, end = date(2026, 4, 1), date(2026, 8, 31)
    await sign(works, starts_on=start, ends_on=end)
    for instant, clause in (
        (datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC), "elle ne commence que le 01/04/2026."),
        (datetime(2026, 3, 31, 22, 0, tzinfo=UTC), ""),
        (datetime(2026, 8, 31, 21, 59, 59, tzinfo=UTC), ""),
        (datetime(2026, 8, 31, 22, 0, tzinfo=UTC), "elle s'est terminée le 31/08/2026."),
    ):
        works.clock.fixed = instant
        assert (await transmit(works)).removeprefix("Convention C-1 : ") == clause, instant


async def test_the_domains_of_an_acte_and_of_a_flow(works: Plant) -> None:
    later = today(works) + timedelta(days=300)
    convention = await sign(works, ends_on=later, domains=frozenset({"2"}))
    assert await transmit(works) == "Convention C-1 : elle ne couvre pas la nature 1."
    await conventions.amend(
        works.deps, OPERATOR, convention, Avenant(0, "A-1", today(works), today(works), domains=frozenset({"1"}))
    )
    assert await transmit(works) == ""
    await sign(works, Module.HELIOS, ends_on=later, domains=frozenset({"PES_Facture"}))
    flow = await works.queued_pes(pes())
    [domains] = [row["domains"] for row in await works.fetch("select domains from helios_transaction")]
    assert domains
    with pytest.raises(Held) as error:
        await helios_send.transmit(works.deps, flow)
    assert error.value.message == f"Convention C-1 : elle ne couvre pas le domaine {', '.join(domains)}."
    assert await works.value("select transmitted_name from helios_transaction where id = $1", flow) is None
    assert await works.value("select count(*) from attempt where object_kind = 'helios_transaction'") == 0


async def test_a_suspension_holds_until_it_is_lifted(works: Plant) -> None:
    await sign(works, ends_on=None)
    stop = Suspension(0, Module.ACTES, today(works) - DAY, None, "Incident à la mairie")
    suspension = await conventions.suspend(works.deps, OPERATOR, town(works), stop)
    assert await transmit(works) == "Télétransmission suspendue : Incident à la mairie"
    await conventions.lift(works.deps, OPERATOR, suspension)
    assert await transmit(works) == ""
    # one that began today never was, but for the audit
    suspension = await conventions.suspend(works.deps, OPERATOR, town(works), replace(stop, starts_on=today(works)))
    assert await transmit(works) != ""
    await conventions.lift(works.deps, OPERATOR, suspension)
    assert await transmit(works) == ""
    with pytest.raises(Refused, match="déjà terminée"):
        await conventions.lift(works.deps, OPERATOR, suspension)
    tags = await works.fetch("select tag from audit where tag like 'cli:suspension%' order by id")
    assert [row["tag"] for row in tags] == ["cli:suspension:create", "cli:suspension:lift"] * 2


async def test_an_avenant_changes_the_operator_at_midnight(database: TestDatabase, tmp_path: Path) -> None:
    ours: dict[str, Any] = {"conventions": Conventions(operators=["Nous"])}
    async with plant(database, tmp_path, **ours) as works:
        convention = await sign(works, starts_on=date(2026, 1, 1), ends_on=None, operator="nous")
        change = Avenant(0, "A-1", date(2026, 6, 1), date(2026, 7, 15), operator="Eux")
        await conventions.amend(works.deps, OPERATOR, convention, change)
        works.clock.fixed = datetime(2026, 7, 14, 21, 59, 59, tzinfo=UTC)
        assert await transmit(works) == ""
        works.clock.fixed = datetime(2026, 7, 14, 22, 0, tzinfo=UTC)
        assert await transmit(works) == "Convention C-1 : elle désigne un autre opérateur, « Eux »."


async def test_without_any_convention_a_warning_or_a_wait(works: Plant) -> None:
    assert await transmit(works) == ""
    clause = await works.value("select clause from attempt")
    assert clause == "Aucune convention de télétransmission n'est enregistrée : envoi sans vérification."
    config = msgspec.structs.replace(works.deps.config, conventions=Conventions())
    strict = replace(works, deps=replace(works.deps, config=config))
    assert await transmit(strict) == "Aucune convention de télétransmission n'est enregistrée."


async def test_a_flow_seen_at_the_dgfip_is_settled_though_its_convention_holds(works: Plant) -> None:
    convention = await sign(works, Module.HELIOS, ends_on=None)
    arrived, missing = await lost(works), await works.queued_pes(pes("FLUX-ESSAI-2"))
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, missing)
    works.ftp.behaviour.vanish_at_the_end = False
    (works.ftp.sent / await works.value("select name from attempt where object_id = $1", missing)).unlink()
    await conventions.modify(
        works.deps, OPERATOR, convention, lambda current: replace(current, ends_on=today(works) - DAY)
    )
    works.elapse(WINDOW + timedelta(seconds=1))
    before = stores(works)
    await helios_send.transmit(works.deps, arrived)
    assert await works.helios_life(arrived) == [1, 2, 3]
    with pytest.raises(Held):
        await helios_send.transmit(works.deps, missing)
    assert await works.helios_life(missing) == [1, 2, 2]
    assert stores(works) == before
    outcomes = await works.fetch("select outcome from attempt order by object_id")
    assert [row["outcome"] for row in outcomes] == ["settled", "uncertain"]
