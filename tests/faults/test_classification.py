"""The classification of a collectivité: which one is in force, when it is asked for again, what never replaces it."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from tdt.config import Actes, Conventions
from tdt.db import actes as db
from tdt.db.classifications import insert_classification, list_kept
from tdt.db.content import insert_small
from tdt.domain.actes.classification import parse_classification, read_data
from tdt.domain.calendar import PARIS, paris_date
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId, AuthorityId
from tdt.domain.jobs import JobKind
from tdt.flows import actes_send, actes_submit, classification
from tests.faults.plant import Plant, acte_mail, plant
from tests.faults.plant import classification as sampled
from tests.postgres import TestDatabase
from tests.unit.actes.mails import raw_mail, sample

HELD = date(2026, 3, 1)
"""The one that the collectivités of the plant hold."""
NEWER = date(2026, 5, 4)
REQUESTS = "select count(*) from acte_transaction where type = 7"


def mail(day: date, data: bytes | None = None, siren: str = "123456782") -> bytes:
    """A 7-2 of this date, or of these bytes."""
    content = data or sampled()[1].replace(b"2026-03-01", str(day).encode())
    return raw_mail((f"034-{siren}----7-2_1.xml", content))


def told(day: date, root: str = "ARActe", content: str = "", number: str = "2026_017") -> bytes:
    """An answer to the act of the plant, with the classification in force."""
    attributes = ""
    if root == "ARActe":
        attributes = f'actes:IDActe="034-123456782-20260309-{number}-DE" actes:DateReception="2026-03-10"'
    after = f"<actes:ClassificationDateVersionEnCours>{day}</actes:ClassificationDateVersionEnCours>"
    return acte_mail(root, attributes, content + after, number=number)


def town(works: Plant, who: str = "A") -> AuthorityId:
    authority = works.people[who].authority
    assert authority is not None
    return authority.id


async def in_force(works: Plant) -> date | None:
    async with works.deps.transaction(town(works)) as connection:
        held = await db.last_classification(connection, town(works))
    return held.date if held is not None else None


async def transmitted(works: Plant) -> ActeId:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    return acte


async def jobs(works: Plant, kind: JobKind) -> list[int]:
    return [
        row["object_id"] for row in await works.fetch("select object_id from job where kind = $1 order by id", kind)
    ]


async def test_the_newest_by_its_date_is_in_force_and_the_last_received_breaks_ties(works: Plant) -> None:
    assert (await works.ingest(mail(NEWER)))[0] == "handled"
    assert await in_force(works) == NEWER
    assert (await works.ingest(mail(date(2025, 1, 1))))[0] == "handled"
    assert await in_force(works) == NEWER, "an older one that comes later is kept, not in force"
    again = sampled()[1].replace(b"2026-03-01", str(NEWER).encode()).replace(b"Culture", b"Cultures")
    await works.ingest(mail(NEWER, again))
    async with works.deps.transaction(town(works)) as connection:
        held = await db.last_classification(connection, town(works))
        kept = await list_kept(connection, town(works))
        assert held is not None
        assert held.xml == again, "byte for byte"
    assert [(one.date, one.in_force) for one in kept] == [
        (NEWER, True), (NEWER, False), (HELD, False), (date(2025, 1, 1), False),
    ]  # fmt: skip
    assert kept[0].natures is not None and kept[0].matieres is not None
    assert read_data(kept[0].date, kept[0].natures, kept[0].matieres) == parse_classification(again)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data[: len(data) // 2], "illisible"),
        (lambda data: data.replace(b"NatureActe", b"Natures"), "aucune nature"),
        (lambda data: data.replace(b"actes:Matiere1", b"actes:Matiere9"), "aucune matière"),
        (lambda data: data.replace(b"2026-03-01", b"2999-01-01"), "un jour à venir"),
    ],
)
async def test_one_that_cannot_serve_never_replaces_a_good_one(works: Plant, change: object, why: str) -> None:
    request = await actes_submit.request_classification(works.deps, works.people["A"])
    await actes_send.analyse(works.deps, request)
    envelope = await works.envelope_of(request)
    await actes_send.package(works.deps, envelope)
    await actes_send.transmit(works.deps, envelope)
    data = change(sampled()[1])  # type: ignore[operator]
    assert (await works.ingest(mail(NEWER, data)))[0] == "set_aside"
    assert await in_force(works) == HELD
    assert await works.value("select count(*) from acte_classification where authority_id = $1", town(works)) == 1
    if why != "illisible":
        last = await works.value("select message from acte_workflow order by id desc limit 1")
        assert why in last and "Celle en vigueur est gardée" in last
        assert await works.acte_life(request) == [1, 2, 3, -1]
    await works.submit_acte("ENCORE")


async def test_what_was_held_before_is_read_as_data_and_a_bad_one_is_never_in_force_again(works: Plant) -> None:
    async with works.deps.transaction("system") as connection:
        bad = sampled()[1].replace(b"NatureActe", b"Natures").replace(b"2026-03-01", b"2026-04-01")
        content = await insert_small(connection, town(works), bad)
        await insert_classification(connection, town(works), date(2026, 4, 1), content)
    assert await in_force(works) == date(2026, 4, 1)
    assert await classification.read_as_data(works.deps) == 3  # those of A and B, and the bad one
    assert await in_force(works) == HELD
    async with works.deps.transaction(town(works)) as connection:
        bad_one, good = await list_kept(connection, town(works))
    assert bad_one.unusable is not None and bad_one.natures is None
    assert good.natures is not None and good.matieres is not None
    assert read_data(good.date, good.natures, good.matieres) == parse_classification(sampled()[1])
    assert await classification.read_as_data(works.deps) == 0


async def test_an_ar_that_tells_a_newer_date_has_it_asked_for_once(works: Plant) -> None:
    await transmitted(works)
    assert (await works.ingest(told(NEWER)))[0] == "handled"
    assert await jobs(works, JobKind.ACTES_CLASSIFICATION) == [town(works)]
    await actes_submit.renew_classification(works.deps, town(works))
    await actes_submit.renew_classification(works.deps, town(works))
    [row] = await works.fetch("select status, account_id, classification_date from acte_transaction where type = 7")
    assert (row["status"], row["account_id"], row["classification_date"]) == (1, None, HELD)
    tags = await works.fetch("select tag from audit where tag like 'system:classification%'")
    assert [one["tag"] for one in tags] == ["system:classification:newer"]


@pytest.mark.parametrize("day", [HELD, date(2020, 1, 1), date(2999, 1, 1)])
async def test_an_ar_that_tells_nothing_newer_asks_nothing(works: Plant, day: date) -> None:
    await transmitted(works)
    assert (await works.ingest(told(day)))[0] == "handled"
    assert await jobs(works, JobKind.ACTES_CLASSIFICATION) == []


async def test_a_date_told_again_is_not_asked_for_again(works: Plant) -> None:
    await transmitted(works)
    await works.ingest(told(NEWER))
    second, envelope = await works.packaged_acte("SECOND")
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(told(NEWER, number="SECOND"))
    assert await works.acte_status(second) == 4
    assert len(await jobs(works, JobKind.ACTES_CLASSIFICATION)) == 1


async def test_an_act_refused_for_its_classification_says_what_to_do_and_has_it_asked_for(works: Plant) -> None:
    acte = await transmitted(works)
    content = (
        "<actes:Nature>002</actes:Nature><actes:Detail>ODT-VERIF-01 : Votre acte a été transmis avec une date de "
        "classification qui n'est pas à jour</actes:Detail>"
    )
    assert (await works.ingest(told(NEWER, "AnomalieActe", content)))[0] == "handled"
    assert await works.acte_status(acte) == -1
    message = await works.value("select message from acte_workflow where transaction_id = $1 and status = -1", acte)
    assert message.startswith("Anomalie signalee par le MI : 002 - ODT-VERIF-01 : Votre acte a été transmis")
    assert "La classification du 01/03/2026 utilisée n'est plus à jour (celle du 04/05/2026 est en vigueur)" in message
    assert "renvoyez l'acte" in message
    assert await jobs(works, JobKind.ACTES_CLASSIFICATION) == [town(works)]


async def at(works: Plant, hour: int) -> None:
    """It is this hour of today in Paris."""
    day = paris_date(datetime.now(UTC))
    works.clock.fixed = datetime(day.year, day.month, day.day, hour, 30, tzinfo=PARIS)


async def test_the_daily_requests_are_planned_once_for_each_day_spread_over_the_hour(works: Plant) -> None:
    await at(works, 3)
    assert await classification.plan_daily(works.deps) == 0
    await at(works, 4)
    assert sum(await asyncio.gather(*(classification.plan_daily(works.deps) for _ in range(4)))) == 2
    assert await classification.plan_daily(works.deps) == 0
    rows = await works.fetch("select object_id, run_at from job where kind = 'actes.daily_classification'")
    assert sorted(row["object_id"] for row in rows) == sorted([town(works), town(works, "B")])
    assert all(timedelta(0) <= row["run_at"] - works.deps.now() < timedelta(hours=1) for row in rows)
    assert len({row["run_at"] for row in rows}) == 2
    works.clock.fixed = works.deps.now() + timedelta(days=1)
    assert await classification.plan_daily(works.deps) == 2


async def test_the_daily_request_is_made_once_even_by_two_workers_and_not_when_somebody_asked(works: Plant) -> None:
    mine, other = town(works), town(works, "B")
    await asyncio.gather(*(actes_submit.renew_classification_daily(works.deps, mine) for _ in range(2)))
    assert await works.value(REQUESTS) == 1
    assert await works.value("select tag from audit where tag like 'system:%'") == "system:classification:daily"
    await works.fetch("update acte_transaction set status = 4 where type = 7")
    await actes_submit.renew_classification_daily(works.deps, mine)
    assert await works.value(REQUESTS) == 1
    await actes_submit.request_classification(works.deps, works.people["B"])
    await actes_submit.renew_classification_daily(works.deps, other)
    assert await works.value(REQUESTS) == 2


async def test_what_the_server_asks_by_itself_leaves_and_is_answered(works: Plant) -> None:
    """Nobody deposited it: its envelope speaks for the collectivité alone."""
    await actes_submit.renew_classification_daily(works.deps, town(works))
    request = ActeId(await works.value("select id from acte_transaction where type = 7"))
    envelope = await works.envelope_of(request)
    await actes_send.analyse(works.deps, request)
    await actes_send.package(works.deps, envelope)
    await actes_send.transmit(works.deps, envelope)
    [(name, _)] = works.prefecture.parcels
    assert name == await works.value("select archive_name from acte_envelope where id = $1", envelope)
    assert (await works.ingest(mail(NEWER)))[0] == "handled"
    assert await works.acte_life(request) == [1, 2, 3, 4]
    assert await in_force(works) == NEWER


async def test_a_request_of_long_ago_without_answer_does_not_stand_in_the_way(works: Plant) -> None:
    await actes_submit.request_classification(works.deps, works.people["A"])
    await works.fetch(
        "update acte_transaction set status = 3, submitted_at = now() - interval '25 hours' where type = 7"
    )
    await works.fetch("update acte_transaction set submitted_at = submitted_at - interval '1 day' where type = 7")
    await actes_submit.renew_classification(works.deps, town(works))
    assert await works.value(REQUESTS) == 2


@pytest.mark.parametrize(
    "change",
    [
        "update authority set closes_on = '2026-01-01' where id = $1",
        "update route set active = false where $1 > 0",
        "delete from authority_route where authority_id = $1",
    ],
)
async def test_nothing_is_asked_for_one_that_sends_nothing(works: Plant, change: str) -> None:
    await works.fetch(change, town(works))
    await at(works, 5)
    await classification.plan_daily(works.deps)
    assert town(works) not in await jobs(works, JobKind.ACTES_DAILY_CLASSIFICATION)
    await actes_submit.renew_classification(works.deps, town(works))
    assert await works.value(REQUESTS) == 0


async def test_nothing_is_asked_without_a_convention(database: TestDatabase, tmp_path: object) -> None:
    async with plant(database, tmp_path, conventions=Conventions(required=True)) as works:  # type: ignore[arg-type]
        await actes_submit.renew_classification_daily(works.deps, town(works))
        assert await works.value(REQUESTS) == 0


async def test_a_second_request_of_the_day_is_refused_where_it_is_set(works: Plant) -> None:
    await actes_submit.request_classification(works.deps, works.people["A"])
    await actes_submit.request_classification(works.deps, works.people["A"])
    settings = Actes(one_classification_request_a_day=True)
    strict = replace(works.deps, config=msgspec.structs.replace(works.deps.config, actes=settings))
    with pytest.raises(Refused, match=r"^La dernière demande de classification date de moins d'un jour\.$"):
        await actes_submit.request_classification(strict, works.people["A"])
    await actes_submit.request_classification(strict, works.people["B"])
    assert await works.value(REQUESTS) == 3


async def test_the_answer_without_change_leaves_the_one_in_force(works: Plant) -> None:
    assert (await works.ingest(sample("7-3-sans-changement.eml")))[0] == "handled"
    assert await in_force(works) == HELD
