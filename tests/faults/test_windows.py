"""Transmission windows at work: an hour never takes more than it may, what waits leaves in its turn and says when."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tdt.db.routes import list_routes
from tdt.db.windows import Leaving, forecast_departure
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Held, Refused, Temporary
from tdt.domain.ids import ActeId, EnvelopeId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import HOUR, Forecast, Window, hour_of
from tdt.flows import actes_send, routes, transmission
from tests.faults.plant import Plant, until
from tests.faults.test_workers import working

OPERATOR = Actor(Source.CLI, None, "exploitant")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
STATES = "select object_id, last_error from job where kind = 'actes.transmit' order by object_id"


def way(works: Plant) -> RouteId:
    return works.routes[RouteKind.ACTES].id


async def limit(works: Plant, rate: int, **changes: object) -> int:
    window = Window(rate, **({"starts_at": LONG_AGO} | changes))  # type: ignore[arg-type]
    return await transmission.add_window(works.deps, OPERATOR, way(works), window)


async def size_of(works: Plant, envelope: EnvelopeId) -> int:
    query = "select size from content c join acte_envelope e on e.content_id = c.id where e.id = $1"
    return int(await works.value(query, envelope))


async def departure(works: Plant, envelope: EnvelopeId) -> Forecast | None:
    async with works.deps.transaction("system") as connection:
        return await forecast_departure(connection, Leaving(RouteKind.ACTES, envelope), works.deps.now())


async def mid_hour(works: Plant) -> None:
    """Far from the end of an hour, whatever the time of the test; attempts are dated by Postgres, in the same hour."""
    now = datetime.now(UTC)
    works.clock.fixed = hour_of(now) + timedelta(minutes=30)


async def postponed(works: Plant, envelope: EnvelopeId) -> Held:
    with pytest.raises(Held) as held:
        await actes_send.transmit(works.deps, envelope)
    return held.value


async def test_what_the_hour_does_not_take_waits_for_the_next_one(works: Plant) -> None:
    await mid_hour(works)
    first, second = await works.packaged_acte("UN"), await works.packaged_acte("DEUX")
    size = await size_of(works, first[1])
    await limit(works, size + 10)
    await actes_send.transmit(works.deps, first[1])
    held = await postponed(works, second[1])
    assert held.code == "FENETRE_TRANSMISSION"
    assert held.details["retry_at"] == hour_of(works.deps.now()) + HOUR
    await postponed(works, second[1])
    lines = await works.fetch(
        "select status, message from acte_workflow where transaction_id = $1 order by id", second[0]
    )
    waits = f"Le débit est limité à {size + 10} octets par heure : l'envoi attend son tour."
    assert [(row["status"], row["message"]) for row in lines][2:] == [(2, waits)], "told once"
    assert [name for name, _ in works.prefecture.parcels] == [await archive(works, first[1])]
    assert await works.outcomes() == ["accepted"]
    works.clock.fixed = works.deps.now() + HOUR
    await actes_send.transmit(works.deps, second[1])
    assert await works.acte_status(second[0]) == 3


async def archive(works: Plant, envelope: EnvelopeId) -> str:
    return str(await works.value("select archive_name from acte_envelope where id = $1", envelope))


async def test_workers_together_do_not_go_over_the_limit(works: Plant) -> None:
    await mid_hour(works)
    envelopes = [(await works.packaged_acte(f"N{number}"))[1] for number in range(6)]
    sizes = [await size_of(works, one) for one in envelopes]
    rate = max(sizes) * 3
    await limit(works, rate)
    results = await asyncio.gather(*(actes_send.transmit(works.deps, one) for one in envelopes), return_exceptions=True)
    sent = [size for size, result in zip(sizes, results, strict=True) if result is None]
    assert all(result is None or isinstance(result, Held) for result in results)
    assert 3 <= len(sent) <= 4 and sum(sent) <= rate
    assert sum(len(data) for _, data in works.prefecture.parcels) == sum(sent)


async def test_an_archive_larger_than_the_limit_leaves_alone_in_its_hour(works: Plant) -> None:
    await mid_hour(works)
    first, second = (await works.packaged_acte("UN"))[1], (await works.packaged_acte("DEUX"))[1]
    await limit(works, 10)
    await actes_send.transmit(works.deps, first)
    await postponed(works, second)
    works.clock.fixed = works.deps.now() + HOUR
    await actes_send.transmit(works.deps, second)
    assert len(works.prefecture.parcels) == 2


async def test_what_surely_did_not_leave_does_not_count(works: Plant) -> None:
    await mid_hour(works)
    _, envelope = await works.packaged_acte()
    await limit(works, await size_of(works, envelope))
    port = works.prefecture.port
    await routes.modify(works.deps, OPERATOR, way(works), settings={"url": "https://localhost:1/"})
    for _ in range(3):
        with pytest.raises(Temporary):
            await actes_send.transmit(works.deps, envelope)
    await routes.modify(works.deps, OPERATOR, way(works), settings={"url": f"https://localhost:{port}/"})
    await actes_send.transmit(works.deps, envelope)
    assert await works.outcomes() == ["failed"] * 3 + ["accepted"]


async def test_what_a_refusal_answered_does_count(works: Plant) -> None:
    await mid_hour(works)
    _, envelope = await works.packaged_acte()
    await limit(works, await size_of(works, envelope))
    works.prefecture.mode = "refuse"
    with pytest.raises(Temporary):
        await actes_send.transmit(works.deps, envelope)
    assert (await postponed(works, envelope)).code == "FENETRE_TRANSMISSION"


async def test_the_order_of_deposit_is_kept_and_the_departure_is_told(works: Plant) -> None:
    await mid_hour(works)
    sent = [await works.packaged_acte(f"N{number}") for number in range(4)]
    size = max([await size_of(works, envelope) for _, envelope in sent])
    await limit(works, size)
    await actes_send.transmit(works.deps, sent[0][1])
    await remember(works, sent[1][1], await postponed(works, sent[1][1]))
    await remember(works, sent[2][1], await postponed(works, sent[2][1]))
    now = hour_of(works.deps.now())
    why = f"Le débit est limité à {size} octets par heure : l'envoi attend son tour."
    assert [await departure(works, envelope) for _, envelope in sent[1:]] == [
        Forecast(now + HOUR * hours, why) for hours in (1, 2, 3)
    ]
    works.clock.fixed = works.deps.now() + HOUR
    assert (await postponed(works, sent[3][1])).details["retry_at"] == now + 3 * HOUR, "it does not pass the others"
    await actes_send.transmit(works.deps, sent[1][1])
    assert await departure(works, EnvelopeId(10**9)) is None


async def remember(works: Plant, envelope: EnvelopeId, held: Held) -> None:
    """What the worker writes of a held job."""
    await works.fetch(
        "update job set last_error = $2, run_at = $3 where kind = 'actes.transmit' and object_id = $1",
        envelope,
        f"{held.code} : {held.message}",
        held.details["retry_at"],
    )


async def test_the_ministry_is_away_for_a_time_and_what_waits_leaves_when_it_is_back(works: Plant) -> None:
    window = await limit(works, 0, reason="maintenance annoncée")
    acte = await works.submit_acte()

    async def waits() -> bool:
        rows = await works.fetch(STATES)
        return bool(rows) and str(rows[0]["last_error"]).startswith("FENETRE_TRANSMISSION : ")

    async def gone() -> bool:
        return await works.acte_status(acte) == 3

    async with working(works):
        await until(waits, "the archive waits", 15)
        envelope = await works.envelope_of(acte)
        reason = "Le ministère ne prend rien en ce moment (maintenance annoncée) : l'envoi attend."
        assert await departure(works, envelope) == Forecast(None, reason)
        assert await works.value("select attempts from job where kind = 'actes.transmit'") == 0, "no failure"
        await transmission.remove_window(works.deps, OPERATOR, window)
        await until(gone, "it leaves as soon as the window is removed", 10)
    rows = await works.fetch("select tag, data from audit where tag like '%route:window%' order by id")
    assert [row["tag"] for row in rows] == ["cli:route:window-add", "cli:route:window-remove"]
    assert rows[0]["data"]["after"] == rows[1]["data"]["before"]
    assert (rows[0]["data"]["operator"], rows[0]["data"]["after"]["bytes_per_hour"]) == ("exploitant", 0)


async def test_nothing_leaves_through_a_closed_route(works: Plant) -> None:
    _, envelope = await works.packaged_acte()
    await routes.modify(works.deps, OPERATOR, way(works), active=False)
    held = await postponed(works, envelope)
    async with works.deps.transaction("system") as connection:
        shown = {one.id: (one.waiting, one.unanswered) for one in await list_routes(connection)}
    assert shown[way(works)] == (1, 0)
    assert held.message == "La route est fermée : l'envoi attend sa réouverture."
    await routes.modify(works.deps, OPERATOR, way(works), active=True)
    await actes_send.transmit(works.deps, envelope)


async def test_a_held_or_failed_sending_tells_its_reason(works: Plant) -> None:
    await mid_hour(works)
    acte = ActeId(await works.submit_acte())
    envelope = await works.envelope_of(acte)
    assert await departure(works, envelope) == Forecast(works.deps.now()), "before its archive is built"
    await actes_send.analyse(works.deps, acte)
    await actes_send.package(works.deps, envelope)
    for state, error, expected in (
        (
            "ready",
            "CONVENTION_RETENUE : Convention C-1 : elle s'est terminée.",
            "Convention C-1 : elle s'est terminée.",
        ),
        ("dead", "Boum", "L'envoi est mis de côté : l'exploitant doit intervenir."),
    ):
        query = "update job set state = $2, last_error = $3 where kind = $1"
        await works.fetch(query, JobKind.ACTES_TRANSMIT, state, error)
        assert await departure(works, envelope) == Forecast(None, expected)
    for error, expected in (
        ("INDISPONIBLE", "Le ministère est injoignable ou ne prend rien pour le moment : un nouvel essai est prévu."),
        (
            "INCERTAIN",
            "On ne sait pas encore si le ministère a reçu l'envoi : sa réponse est attendue d'abord.",
        ),
        ("OSError", "Le dernier essai n'a pas abouti : un nouvel essai est prévu."),
    ):
        await works.fetch("update job set state = 'ready', last_error = $1 where kind = 'actes.transmit'", error)
        found = await departure(works, envelope)
        assert found is not None and found.at is not None and found.reason == expected


@pytest.mark.parametrize(
    ("rate", "changes", "why"),
    [
        (-1, {}, "Le débit"),
        (1, {"from_hour": 8, "to_hour": 8}, "Les heures"),
        (1, {"days": frozenset({8})}, "Les jours"),
        (1, {"ends_at": LONG_AGO}, "La fin est avant"),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(
    works: Plant, rate: int, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        await limit(works, rate, **changes)
    with pytest.raises(Refused, match="n'existe pas"):
        await transmission.add_window(works.deps, OPERATOR, RouteId(999), Window(1, LONG_AGO))
    with pytest.raises(Refused, match="n'existe pas"):
        await transmission.remove_window(works.deps, OPERATOR, 999)
