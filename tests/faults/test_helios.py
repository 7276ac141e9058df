"""The crash rule of HELIOS, and what comes back from the DGFiP twice, for two, or in pieces."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.config import Helios
from tdt.documents.inbox import Inbox
from tdt.domain.errors import Permanent, Temporary, Uncertain
from tdt.domain.ids import HeliosId
from tdt.domain.routes import RouteKind
from tdt.flows import helios_receive, helios_send
from tests.dgfip_flows import large_flow
from tests.dgfip_flows import sample as pes
from tests.faults.plant import WINDOW, Plant, acquit, plant
from tests.postgres import TestDatabase

SECOND = timedelta(seconds=1)


def sent(works: Plant) -> dict[str, bytes]:
    """What the DGFiP has."""
    return {path.name: path.read_bytes() for path in works.ftp.sent.iterdir()}


def stores(works: Plant) -> int:
    """How many times a file was sent."""
    return sum(command.startswith("STOR") for command in works.ftp.commands)


async def lost(works: Plant) -> HeliosId:
    """A flow that the DGFiP has whole, whose sending nobody wrote down: the connection went with the last reply."""
    flow = await works.queued_pes(pes())
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.vanish_at_the_end = False
    assert list(sent(works).values()) == [pes()]
    # as after a kill: the result was never recorded
    async with works.deps.transaction("system") as connection:
        await connection.execute("update attempt set outcome = null, ended_at = null, detail = ''")
    return flow


async def test_nothing_is_sent_again_before_the_window_then_the_file_seen_there_is_the_proof(works: Plant) -> None:
    flow = await lost(works)
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert stores(works) == 1
    assert await works.helios_life(flow) == [1, 2, 3]


async def test_without_proof_the_same_bytes_under_the_same_name(works: Plant) -> None:
    flow = await lost(works)
    before = sent(works)
    for path in works.ftp.sent.iterdir():
        path.unlink()  # the gateway has taken it away
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert sent(works) == before
    assert stores(works) == 2
    assert await works.outcomes() == [None, "accepted"]
    assert await works.ingest_file(acquit()) == ("handled", works.people["A"].user.authority_id)
    assert await works.outcomes() == ["settled", "accepted"]


async def test_an_acquit_settles_it(works: Plant) -> None:
    flow = await lost(works)
    assert (await works.ingest_file(acquit()))[0] == "handled"
    assert await works.helios_life(flow) == [1, 2, 3, 8]
    assert await works.outcomes() == ["settled"]
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert stores(works) == 1
    assert await works.helios_life(flow) == [1, 2, 3, 8]


async def test_hold_waits_for_an_operator(database: TestDatabase, tmp_path: Path) -> None:
    async with plant(database, tmp_path, helios=Helios(on_uncertain="hold")) as works:
        flow = await lost(works)
        works.elapse(WINDOW + SECOND)
        with pytest.raises(Permanent) as caught:
            await helios_send.transmit(works.deps, flow)
        assert caught.value.code == "ENVOI_INCERTAIN"
        assert stores(works) == 1


async def test_cut_at_90_percent_then_sent_again_whole(works: Plant) -> None:
    data = b"".join(large_flow(2_000_000, 4))
    flow = await works.queued_pes(data)
    works.ftp.behaviour.cut_upload_after = len(data) * 9 // 10
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    [(name, part)] = sent(works).items()
    assert len(part) < len(data)
    works.ftp.behaviour.cut_upload_after = None
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert sent(works) == {name: data}
    assert await works.helios_life(flow) == [1, 2, 3]


async def test_two_workers_at_once_send_once(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    ended = await asyncio.gather(*(helios_send.transmit(works.deps, flow) for _ in range(4)), return_exceptions=True)
    assert stores(works) == 1
    assert {type(error) for error in ended} <= {type(None), Uncertain}
    assert await works.helios_life(flow) == [1, 2, 3]


async def test_one_couple_analysed_by_two_workers_passes_once(works: Plant) -> None:
    flows = [await works.submit_pes(pes(number=str(number))) for number in (1, 2)]
    await asyncio.gather(*(helios_send.analyse(works.deps, flow) for flow in flows))
    assert sorted([await works.helios_status(flow) for flow in flows]) == [-1, 2]


async def test_an_acquit_twice(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)
    mine = works.people["A"].user.authority_id
    assert await works.ingest_file(acquit()) == ("handled", mine)
    assert await works.ingest_file(acquit(), "OTHER-NAME.xml") == ("ignored", mine)
    assert await works.ingest_file(acquit(note="autre")) == ("set_aside", mine)
    assert await works.helios_life(flow) == [1, 2, 3, 8, 8]  # told in its history, which does not move


async def test_an_acquit_for_two_collectivites_of_one_nomfic(works: Plant) -> None:
    """Without CodCol nobody can say whose it is, not even once one of the two has its own."""
    first = await works.queued_pes(pes(), "A")
    second = await works.queued_pes(pes(number="13").replace(b'<CodCol V="012"/>', b'<CodCol V="013"/>'), "B")
    for flow in (first, second):
        await helios_send.transmit(works.deps, flow)
    assert await works.ingest_file(acquit(cod_col=None)) == ("set_aside", None)
    assert await works.ingest_file(acquit(cod_col="012")) == ("handled", works.people["A"].user.authority_id)
    assert await works.helios_status(second) == 3
    assert await works.ingest_file(acquit(cod_col="013")) == ("handled", works.people["B"].user.authority_id)


async def test_the_twin_of_an_acquit_without_codcol_goes_to_nobody_else(works: Plant) -> None:
    first = await works.queued_pes(pes(), "A")
    await helios_send.transmit(works.deps, first)
    assert await works.ingest_file(acquit(cod_col=None)) == ("handled", works.people["A"].user.authority_id)
    second = await works.queued_pes(pes(number="13").replace(b'<CodCol V="012"/>', b'<CodCol V="013"/>'), "B")
    await helios_send.transmit(works.deps, second)
    assert await works.ingest_file(acquit(cod_col=None), "AGAIN") == ("ignored", works.people["A"].user.authority_id)
    assert await works.helios_status(second) == 3


async def test_two_acquits_at_once_in_two_workers(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)
    received = [await works.deliver(acquit(), RouteKind.HELIOS, "ACK") for _ in range(2)]
    ended = await asyncio.gather(*(helios_receive.ingest(works.deps, one) for one in received), return_exceptions=True)
    for one, error in zip(received, ended, strict=True):
        if error is not None:  # the runner's second try
            await helios_receive.ingest(works.deps, one)
    assert await works.helios_life(flow) == [1, 2, 3, 8]
    assert sorted([(await works.handling(one))[0] for one in received]) == ["handled", "ignored"]


# --- reception, killed while it downloads


async def interrupted(inbox: Inbox, name: str, data: bytes, taken: int) -> None:
    """What a kill leaves: the first bytes, under the name that tells the whole size."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data[:taken]
        raise Temporary("killed here")

    with pytest.raises(Temporary):
        await inbox.fetch(name, len(data), chunks())


async def collect(works: Plant) -> int:
    return await helios_receive.collect(works.deps, works.routes[RouteKind.HELIOS], helios_receive.Memory())


@pytest.mark.parametrize("left_there", [True, False])
@pytest.mark.parametrize("whole_here", [True, False])
async def test_killed_while_downloading(works: Plant, whole_here: bool, left_there: bool) -> None:
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)
    data, name = acquit(), "ACK été~1%.xml"
    route = works.routes[RouteKind.HELIOS]
    inbox = Inbox(works.deps.spool.directory / "receiving" / str(route.id))
    await interrupted(inbox, name, data, len(data) if whole_here else len(data) - 10)
    (works.deps.spool.directory / "receiving" / str(route.id) / ".nfs0001").touch()  # not ours
    if left_there:
        (works.ftp.received / name.encode("latin-1").decode("latin-1")).write_bytes(data)
    await collect(works)
    await collect(works)
    assert inbox.list_left() == []
    rows = await works.fetch("select id, name from received")
    assert [row["name"] for row in rows][:1] == [name] or left_there
    for row in rows:
        await helios_receive.ingest(works.deps, row["id"])
    states = sorted(row["state"] for row in await works.fetch("select state from received"))
    if whole_here or left_there:
        assert "handled" in states
        assert await works.helios_life(flow) == [1, 2, 3, 8]
    else:
        assert states == ["set_aside"]  # kept, for an operator to ask for it again
        assert await works.helios_status(flow) == 3


async def test_a_file_that_was_stored_and_not_removed_is_stored_once(works: Plant) -> None:
    works.ftp.behaviour.gateway = False
    (works.ftp.received / "ACK").write_bytes(acquit())
    assert await collect(works) == 1
    (works.ftp.received / "ACK").write_bytes(acquit())
    assert await collect(works) == 0
    assert await works.value("select count(*) from received") == 1
    assert works.spooled() == []
