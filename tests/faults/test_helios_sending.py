"""How a flow leaves: its number, its labels, its zip, its hour, its place among the others."""

import asyncio
import importlib
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tdt.config import Mail
from tdt.db.windows import Leaving, forecast_departure
from tdt.deps import Deps
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Held, Permanent, Temporary, Uncertain
from tdt.domain.ids import AuthorityId, ContentId, HeliosId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import HOUR, Forecast, Window, hour_of
from tdt.flows import helios_send, helios_view, restores, routes, transmission
from tdt.flows.helios_send import reading
from tests.dgfip_flows import large_flow
from tests.dgfip_flows import sample as pes
from tests.faults.plant import SIREN, WINDOW, Plant, acquit, plant, until
from tests.faults.test_workers import working
from tests.postgres import TestDatabase

OPERATOR = Actor(Source.CLI, None, "exploitant")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def way(works: Plant) -> RouteId:
    return works.routes[RouteKind.HELIOS].id


async def setting(works: Plant, **settings: object) -> None:
    await routes.modify(works.deps, OPERATOR, way(works), settings=settings)


async def flows(works: Plant, count: int) -> list[HeliosId]:
    """Flows at 2."""
    return [await works.queued_pes(pes(f"FLUX-{number}", str(number), f"PJ{number}")) for number in range(count)]


def sent(works: Plant) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in works.ftp.sent.iterdir()}


def stores(works: Plant) -> list[str]:
    """The names of the files sent, in their order."""
    return [line.rpartition("/")[2] for line in works.ftp.commands if line.startswith("STOR")]


# --- numbers


async def test_a_number_is_given_once_whoever_asks_and_whatever_the_clock(works: Plant) -> None:
    """Workers together, at midnight, at the change of the hour, with a clock that goes back."""
    autumn = datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC)  # 2:59:59 in Paris, one second before it is 2:00:00 again
    midnight = datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)
    for instant in (autumn, autumn + 2 * SECOND, midnight, midnight + SECOND, autumn):
        works.clock.fixed = instant
        some = [
            await works.queued_pes(pes(f"{instant:%d%H%M%S}{len(sent(works))}{number}", f"{len(sent(works))}{number}"))
            for number in range(4)
        ]
        await asyncio.gather(*(helios_send.transmit(works.deps, one) for one in some))
    names = sorted(sent(works))
    days = {"261025": 16, "261026": 4}
    assert names == [f"PESALR2_{SIREN}_{day}_{n:03d}.xml" for day, most in days.items() for n in range(1, most + 1)]
    assert sorted(stores(works)) == names


async def test_a_number_taken_by_what_was_rolled_back_is_given_to_the_next_one(works: Plant) -> None:
    """Nothing had left under it: the number and the name are written together, before the first byte."""
    first, second = await flows(works, 2)
    works.ftp.behaviour.site_reply = "500 not now"
    with pytest.raises(Temporary):
        await helios_send.transmit(works.deps, first)
    assert await works.value("select last from helios_daily_number") == 1
    works.ftp.behaviour.site_reply = "200 ok"
    await helios_send.transmit(works.deps, second)
    await helios_send.transmit(works.deps, first)
    assert [name[-7:-4] for name in stores(works)] == ["002", "001"]


# --- labels


async def test_the_application_named_is_that_of_the_route(works: Plant) -> None:
    first, second, third = await flows(works, 3)
    await helios_send.transmit(works.deps, first)
    await works.fetch("update route set test = true")
    await helios_send.transmit(works.deps, second)
    await setting(works, p_appli="AUTRE")
    await helios_send.transmit(works.deps, third)
    named = [line for line in works.ftp.commands if line.startswith("site P_APPLI")]
    assert named == ["site P_APPLI GHELPES2", "site P_APPLI THELPES2", "site P_APPLI AUTRE"]


async def left_without_proof(works: Plant) -> HeliosId:
    """A flow whose sending is in doubt, and of which nothing is seen at the gateway."""
    [flow] = await flows(works, 1)
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.vanish_at_the_end = False
    for path in works.ftp.sent.iterdir():
        path.unlink()
    return flow


async def test_labels_of_what_may_have_arrived_do_not_change(works: Plant) -> None:
    flow = await left_without_proof(works)
    await works.fetch("update authority set p_dest = 'MHPCE11'")
    await setting(works, p_appli="AUTRE", zip=True)
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert [line for line in works.ftp.commands if line.startswith("site ")] == [
        "site P_DEST VHPCE31",
        "site P_APPLI GHELPES2",
        "site P_MSG PES#012#034001#00",
    ] * 2
    assert sent(works) == {stores(works)[0]: pes("FLUX-0", "0", "PJ0")}


async def test_what_surely_did_not_arrive_takes_the_labels_of_the_day(works: Plant) -> None:
    [flow] = await flows(works, 1)
    works.ftp.behaviour.stor_refusal = "553 unknown destination"
    with pytest.raises(Temporary):
        await helios_send.transmit(works.deps, flow)
    [told] = [row["detail"] for row in await works.fetch("select detail from attempt")]
    assert "553" in told and "unknown destination" in told  # the operator reads what the gateway said
    works.ftp.behaviour.stor_refusal = ""
    await works.fetch("update authority set p_dest = 'MHPCE11'")
    await helios_send.transmit(works.deps, flow)
    assert [line for line in works.ftp.commands if "P_DEST" in line] == ["site P_DEST VHPCE31", "site P_DEST MHPCE11"]


# --- what the other end has


async def test_a_file_shorter_there_is_sent_once_more_then_left_to_the_operator(works: Plant) -> None:
    [flow] = await flows(works, 1)
    works.ftp.behaviour.keeps_only = 10
    with pytest.raises(Uncertain) as first:
        await helios_send.transmit(works.deps, flow)
    assert first.value.code == "TAILLE_DIFFERENTE"
    works.elapse(WINDOW + SECOND)
    with pytest.raises(Permanent) as second:
        await helios_send.transmit(works.deps, flow)
    assert second.value.code == "TAILLE_DIFFERENTE"
    assert await works.outcomes() == ["uncertain", "uncertain"]
    assert len(set(stores(works))) == 1
    assert await works.helios_status(flow) == 2


async def test_the_words_of_the_server_stay_with_the_attempt(works: Plant) -> None:
    [flow] = await flows(works, 1)
    works.ftp.behaviour.final_reply = "250 Bien pris, merci"
    await helios_send.transmit(works.deps, flow)
    assert await works.value("select detail from attempt") == "250 Bien pris, merci"


# --- zip


async def test_a_zip_holds_the_flow_and_is_made_once(works: Plant) -> None:
    await setting(works, zip=True)
    [flow] = await flows(works, 1)
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.vanish_at_the_end = False
    [(name, first)] = sent(works).items()
    assert name == (await works.value("select encode(sha1, 'hex') from helios_transaction")) + ".zip"
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        [inside] = archive.namelist()
        assert inside == await works.value("select transmitted_name from helios_transaction")
        assert archive.read(inside) == pes("FLUX-0", "0", "PJ0")
    (works.ftp.sent / name).unlink()
    await setting(works, zip=False)
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert sent(works) == {name: first}, "a resend is identical whatever the route says since"
    assert await works.ingest_file(acquit("FLUX-0")) == ("handled", works.people["A"].user.authority_id)


async def test_a_restored_base_gives_out_no_name_before_it_is_confirmed(works: Plant) -> None:
    """The same daily number was another flow's before the restoration."""
    await setting(works, zip=True)
    [flow] = await flows(works, 1)
    async with works.deps.transaction("system") as connection:
        await connection.execute("update lineage set timeline = timeline + 1")
    with pytest.raises(Held) as held:
        await helios_send.transmit(works.deps, flow)
    assert held.value.code == "BASE_RESTAUREE"
    assert await works.value("select transmitted_name from helios_transaction") is None
    await restores.confirm(works.deps, OPERATOR, "comparé")
    await helios_send.transmit(works.deps, flow)
    last = await works.value("select last from helios_daily_number")
    assert len(sent(works)) == 1 and last > restores.SKIPPED_NAMES


async def test_a_zip_seen_there_whole_is_the_proof(works: Plant) -> None:
    await setting(works, zip=True)
    [flow] = await flows(works, 1)
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.vanish_at_the_end = False
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert len(stores(works)) == 1
    assert await works.helios_life(flow) == [1, 2, 3]


# --- hours


async def limit(works: Plant, rate: int, **changes: object) -> int:
    window = Window(rate, **({"starts_at": LONG_AGO} | changes))  # type: ignore[arg-type]
    return await transmission.add_window(works.deps, OPERATOR, way(works), window)


async def departure(works: Plant, flow: HeliosId) -> Forecast | None:
    async with works.deps.transaction("system") as connection:
        return await forecast_departure(connection, Leaving(RouteKind.HELIOS, flow), works.deps.now())


def mid_hour(works: Plant) -> None:
    """Far from the end of an hour, whatever the time of the test; attempts are dated by Postgres, in the same hour."""
    works.clock.fixed = hour_of(datetime.now(UTC)) + timedelta(minutes=30)


async def test_an_hour_takes_no_more_than_it_may_whoever_sends(works: Plant) -> None:
    mid_hour(works)
    some = await flows(works, 6)
    size = len(pes("FLUX-0", "0", "PJ0"))
    await limit(works, size * 2 + 10)
    ended = await asyncio.gather(*(helios_send.transmit(works.deps, one) for one in some), return_exceptions=True)
    held = [error for error in ended if error is not None]
    assert len(stores(works)) == 2
    assert {type(error) for error in held} == {Held}
    assert isinstance(held[0], Held)
    assert held[0].code == "FENETRE_TRANSMISSION"
    waiting = next(flow for flow, error in zip(some, ended, strict=True) if error is not None)
    why = f"Le débit est limité à {size * 2 + 10} octets par heure : l'envoi attend son tour."
    told = await works.fetch("select message from helios_workflow where transaction_id = $1 order by id", waiting)
    assert [row["message"] for row in told][2:] == [why]
    assert await departure(works, waiting) == Forecast(hour_of(works.deps.now()) + HOUR, why)
    life = await helios_view.view(works.deps, OPERATOR, waiting)
    shown = life["departure"]
    assert isinstance(shown, dict)
    assert shown["reason"] == why
    works.clock.fixed = works.deps.now() + HOUR
    await helios_send.transmit(works.deps, waiting)
    assert (await helios_view.view(works.deps, OPERATOR, waiting))["departure"] is None


async def test_the_dgfip_is_away_for_a_time_and_what_waits_leaves_when_it_is_back(works: Plant) -> None:
    window = await limit(works, 0, reason="maintenance annoncée")
    flow = await works.submit_pes(pes())

    async def waits() -> bool:
        found = await works.value("select last_error from job where kind = 'helios.transmit'")
        return str(found).startswith("FENETRE_TRANSMISSION")

    async def gone() -> bool:
        return await works.helios_status(flow) == 3

    async with working(works):
        await until(waits, "the flow waits")
        why = "La DGFiP ne prend rien en ce moment (maintenance annoncée) : l'envoi attend."
        assert await departure(works, flow) == Forecast(None, why)
        assert stores(works) == []
        await transmission.remove_window(works.deps, OPERATOR, window)
        await until(gone, "it leaves as soon as the window is removed")


async def test_nothing_leaves_by_a_closed_route(works: Plant) -> None:
    [flow] = await flows(works, 1)
    await routes.modify(works.deps, OPERATOR, way(works), active=False)
    with pytest.raises(Held) as held:
        await helios_send.transmit(works.deps, flow)
    assert held.value.message == "La route est fermée : l'envoi attend sa réouverture."
    assert works.ftp.commands == []
    await routes.modify(works.deps, OPERATOR, way(works), active=True)
    await helios_send.transmit(works.deps, flow)
    assert await works.helios_life(flow) == [1, 2, 2, 3]


# --- how many at once


@asynccontextmanager
async def slow_sending(works: Plant, flow: HeliosId) -> AsyncIterator[None]:
    """As if another worker were sending this flow: its job runs, its attempt has no outcome."""
    await works.fetch(
        "update job set state = 'running', worker = 'autre', started_at = now() where kind = $1 and object_id = $2",
        JobKind.HELIOS_TRANSMIT,
        flow,
    )
    await works.fetch("insert into worker (name) values ('autre')")
    await works.fetch(
        """insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, clause, address)
        select authority_id, route_id, 'helios_transaction', id, 'x', ''::bytea, 1, '', 'main'
        from helios_transaction where id = $1""",
        flow,
    )
    yield
    await works.fetch("update attempt set outcome = 'accepted' where object_id = $1", flow)


async def test_as_many_at_once_as_the_route_takes(works: Plant) -> None:
    first, second, third = await flows(works, 3)
    await setting(works, senders=1)
    async with slow_sending(works, first):
        with pytest.raises(Held) as held:
            await helios_send.transmit(works.deps, second)
        assert held.value.code == "ENVOIS_SIMULTANES"
        again = held.value.details["retry_at"]
        assert isinstance(again, datetime)
        assert again >= works.deps.now() + timedelta(seconds=20)
        await works.fetch(
            "update job set last_error = $2, run_at = now() + interval '1 hour' where kind = $3 and object_id = $1",
            second,
            f"{held.value.code} : {held.value.message}",
            JobKind.HELIOS_TRANSMIT,
        )
        found = await departure(works, second)
        assert found == Forecast(None, held.value.message)
    await helios_send.transmit(works.deps, third)
    due = await works.value(
        "select run_at <= now() from job where kind = $2 and object_id = $1", second, JobKind.HELIOS_TRANSMIT
    )
    assert due, "the one that waits is called when a place is free"
    await helios_send.transmit(works.deps, second)


async def test_workers_together_send_one_at_a_time(works: Plant) -> None:
    some = [await works.submit_pes(pes(f"FLUX-{number}", str(number), f"PJ{number}")) for number in range(8)]
    await setting(works, senders=1)

    async def all_gone() -> bool:
        return all([await works.helios_status(one) == 3 for one in some])

    async with working(works), working(works):
        await until(all_gone, "all leave", 30)
    of_sendings = ("site P_DEST", "STOR", "SIZE entree")
    turns = [line.partition(" ")[0] for line in works.ftp.commands if line.startswith(of_sendings)]
    assert turns == ["site", "STOR", "SIZE"] * 8, "never two together"
    assert len(stores(works)) == 8


# --- a worker taken for dead


@asynccontextmanager
async def stuck(works: Plant, flow: HeliosId) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that waits for the greeting of the gateway until the block ends; it then gets all that it wants."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await go.wait()
        answer, request = await asyncio.open_connection("127.0.0.1", works.ftp.port)
        await asyncio.gather(relay(reader, request), relay(answer, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        await setting(works, port=listening.sockets[0].getsockname()[1])
        sending = asyncio.create_task(helios_send.transmit(works.deps, flow))
        async with asyncio.timeout(20):
            await reached.wait()
        await setting(works, port=works.ftp.port)
        yield sending
        go.set()
        await asyncio.wait([sending])


async def test_a_worker_taken_for_dead_that_reaches_the_gateway_at_last_sends_nothing(works: Plant) -> None:
    [flow] = await flows(works, 1)
    async with stuck(works, flow) as first:
        works.elapse(2 * WINDOW)
        await helios_send.transmit(works.deps, flow)
        assert len(stores(works)) == 1
    assert isinstance(first.exception(), Temporary)
    assert len(stores(works)) == 1
    outcomes = await works.fetch("select outcome from attempt order by id")
    assert [row["outcome"] for row in outcomes] == ["failed", "accepted"]


async def test_what_is_put_in_error_meanwhile_does_not_leave(works: Plant) -> None:
    [flow] = await flows(works, 1)
    async with stuck(works, flow) as sending:
        works.elapse(2 * WINDOW)
        await works.value("update helios_transaction set status = -1 where id = $1 returning id", flow)
    assert isinstance(sending.exception(), Temporary)
    assert stores(works) == []


async def test_what_may_have_arrived_is_not_refused_for_what_is_missing_since(works: Plant) -> None:
    [flow] = await flows(works, 1)
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.vanish_at_the_end = False
    await works.fetch("update authority set p_dest = ''")
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert await works.helios_life(flow) == [1, 2, 3]


async def test_what_waits_for_its_turn_is_not_read_at_each_look(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds may wait, of 500 MB each, and each is looked at every few minutes."""
    first, second = await flows(works, 2)
    await setting(works, senders=1)
    read = list[ContentId]()
    read_sha1 = reading.read_sha1

    async def counting(deps: Deps, authority: AuthorityId, content: ContentId) -> bytes:
        read.append(content)
        return await read_sha1(deps, authority, content)

    monkeypatch.setattr(importlib.import_module("tdt.flows.helios_send.sendable"), "read_sha1", counting)
    async with slow_sending(works, first):
        for _ in range(3):
            with pytest.raises(Held):
                await helios_send.transmit(works.deps, second)
    await helios_send.transmit(works.deps, second)
    assert read == [await works.value("select content_id from helios_transaction where id = $1", second)]


async def test_bytes_that_are_not_those_of_the_deposit_do_not_leave(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await works.fetch(
        "update content set data = data || ' '::bytea where id = (select content_id from helios_transaction)"
    )
    await helios_send.transmit(works.deps, flow)
    assert await works.helios_life(flow) == [1, 2, -1]
    assert "a été altéré" in await works.value("select message from helios_workflow order by id desc limit 1")
    assert sent(works) == {}


async def test_bytes_that_change_between_two_tries_do_not_leave(works: Plant) -> None:
    altered = "update content set data = data || ' '::bytea where id in (select content_id from helios_transaction)"
    [flow] = await flows(works, 1)
    works.ftp.behaviour.stor_refusal = "553 not now"
    with pytest.raises(Temporary):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.stor_refusal = ""
    await works.fetch(altered)
    await helios_send.transmit(works.deps, flow)
    assert await works.helios_life(flow) == [1, 2, -1]
    assert "a été altéré" in await works.value("select message from helios_workflow order by id desc limit 1")
    assert await works.outcomes() == ["failed", "failed"]
    assert sent(works) == {}


@pytest.mark.parametrize("when", ["posted", "waiting", "tried"])
async def test_operators_are_told_of_bytes_that_changed(database: TestDatabase, tmp_path: Path, when: str) -> None:
    mail = Mail(host="127.0.0.1", sender="tdt@example.fr", operators=["a@example.fr"])
    async with plant(database, tmp_path, mail=mail) as works:
        flow = await works.submit_pes(pes()) if when == "posted" else await works.queued_pes(pes())
        if when == "tried":
            works.ftp.behaviour.stor_refusal = "553 not now"
            with pytest.raises(Temporary):
                await helios_send.transmit(works.deps, flow)
            works.ftp.behaviour.stor_refusal = ""
        await works.fetch(
            "update content set data = data || ' '::bytea where id in (select content_id from helios_transaction)"
        )
        await (helios_send.analyse if when == "posted" else helios_send.transmit)(works.deps, flow)
        assert (await works.helios_life(flow))[-1] == -1
        [told] = await works.fetch("select recipient, body from notice")
        assert told["recipient"] == "a@example.fr"
        assert f"helios:{flow}" in told["body"] and "tdt admin helios repost" in told["body"]


async def test_bytes_that_change_once_they_may_have_left_are_for_the_operator(works: Plant) -> None:
    flow = await left_without_proof(works)
    await works.fetch("update content set data = data || ' '::bytea")
    works.elapse(WINDOW + SECOND)
    with pytest.raises(Permanent) as caught:
        await helios_send.transmit(works.deps, flow)
    assert caught.value.code == "PES_ALTERE"
    assert await works.helios_life(flow) == [1, 2]
    assert sent(works) == {}


@pytest.mark.parametrize("rename", [False, True])
async def test_bytes_that_change_once_they_were_looked_at_never_leave_whole(
    works: Plant, monkeypatch: pytest.MonkeyPatch, rename: bool
) -> None:
    flow = await works.queued_pes(b"".join(large_flow(3_000_000, 3)))
    await setting(works, rename=rename)
    module = importlib.import_module("tdt.flows.helios_send.transmit")
    look = module._check_bytes
    name = await works.value("select spool_name from content where id in (select content_id from helios_transaction)")
    path = works.deps.spool.directory / name

    async def then_change(deps: Deps, started: object) -> None:
        await look(deps, started)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)

    monkeypatch.setattr(module, "_check_bytes", then_change)
    with pytest.raises(Temporary if rename else Uncertain):
        await helios_send.transmit(works.deps, flow)
    assert all(len(data) < path.stat().st_size for data in sent(works).values())
    monkeypatch.setattr(module, "_check_bytes", look)
    works.elapse(WINDOW + SECOND)
    if rename:  # beside its name, it was surely not delivered
        await helios_send.transmit(works.deps, flow)
        assert (await works.helios_life(flow), sent(works)) == ([1, 2, -1], {})
    else:
        with pytest.raises(Permanent) as caught:
            await helios_send.transmit(works.deps, flow)
        assert caught.value.code == "PES_ALTERE"


async def test_without_p_dest_nothing_leaves(works: Plant) -> None:
    [flow] = await flows(works, 1)
    await works.fetch("update authority set p_dest = ''")
    await helios_send.transmit(works.deps, flow)
    text = f"Transaction {flow} : les propriétés Helios FTP ne sont pas configurées correctement"
    told = await works.value("select message from helios_workflow where status = -1")
    assert (told, works.ftp.commands) == (text, [])
