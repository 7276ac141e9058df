"""What an operator does to a PES by hand, against workers and the DGFiP: never a blind resend, nothing lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.config import Helios
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Conflict, Forbidden, Permanent, Refused, Uncertain
from tdt.domain.ids import HeliosId
from tdt.flows import helios_moves, helios_send, helios_submit
from tests.dgfip_flows import sample as pes
from tests.faults.plant import WINDOW, Plant, acquit, plant
from tests.faults.test_helios import lost, sent, stores
from tests.postgres import TestDatabase

OPERATOR = Actor(Source.CLI, None, "essai")
SECOND = timedelta(seconds=1)


async def transmitted(works: Plant, data: bytes = b"") -> HeliosId:
    flow = await works.queued_pes(data or pes())
    await helios_send.transmit(works.deps, flow)
    assert await works.helios_status(flow) == 3
    return flow


async def last_words(works: Plant, flow: HeliosId) -> str:
    query = "select message from helios_workflow where transaction_id = $1 order by id desc limit 1"
    return str(await works.value(query, flow))


async def traces(works: Plant) -> list[tuple[str, dict[str, object], dict[str, object]]]:
    rows = await works.fetch("select tag, data from audit where tag like 'cli:helios:%' order by id")
    return [(row["tag"], row["data"]["before"], row["data"]["after"]) for row in rows]


async def jobs(works: Plant, flow: HeliosId) -> list[tuple[str, str]]:
    query = "select kind, state from job where object_id = $1 and kind in ('helios.analyse', 'helios.transmit')"
    rows = await works.fetch(query, flow)
    return [(row["kind"], row["state"]) for row in rows]


async def set_aside(works: Plant, flow: HeliosId) -> None:
    """As the runner does with what is permanent."""
    query = (
        "update job set state = 'dead', last_error = 'ENVOI_INCERTAIN' where object_id = $1 and kind like 'helios.%'"
    )
    await works.fetch(query, flow)


async def test_a_resend_is_the_same_bytes_under_the_same_name(works: Plant) -> None:
    flow = await transmitted(works)
    await works.fetch("delete from job")
    before = sent(works)
    words = await helios_moves.resend(works.deps, OPERATOR, flow, "la trésorerie n'a rien")
    assert words == await last_words(works, flow)
    assert await jobs(works, flow) == [("helios.transmit", "ready")]
    # asked for twice: the second one sees that the flow is on its way
    with pytest.raises(Refused) as caught:
        await helios_moves.resend(works.deps, OPERATOR, flow, "encore")
    assert caught.value.code == "PES_RENVOI_REFUSE"
    await helios_send.transmit(works.deps, flow)
    assert (sent(works), stores(works)) == (before, 2)
    assert await works.helios_life(flow) == [1, 2, 3, 2, 3]
    [(tag, old, new)] = await traces(works)
    assert (tag, old) == ("cli:helios:resend", {"status": 3, "reason": None})
    assert new == {"status": 2, "reason": "la trésorerie n'a rien"}


async def test_an_acquit_that_comes_before_or_while_it_is_sent_again_counts(works: Plant) -> None:
    flow = await transmitted(works)
    await helios_moves.resend(works.deps, OPERATOR, flow, "essai")
    assert (await works.ingest_file(acquit()))[0] == "handled"
    await helios_send.transmit(works.deps, flow)  # the job that is left
    assert (await works.helios_life(flow), stores(works)) == ([1, 2, 3, 2, 3, 8], 1)
    for move in (helios_moves.resend, helios_moves.set_error, helios_moves.release):
        with pytest.raises(Refused):
            await move(works.deps, OPERATOR, flow, "trop tard")
    assert await works.helios_status(flow) == 8


async def test_nothing_is_moved_while_a_sending_may_be_running(works: Plant) -> None:
    flow = await lost(works)  # its attempt has no outcome: a worker may be at it
    for move in (helios_moves.set_error, helios_moves.release, helios_moves.declare_received):
        with pytest.raises(Refused, match="en cours"):
            await move(works.deps, OPERATOR, flow, "essai")
    works.elapse(WINDOW + SECOND)
    await works.fetch("update job set state = 'running' where object_id = $1 and kind = 'helios.transmit'", flow)
    with pytest.raises(Refused, match="en cours"):
        await helios_moves.set_error(works.deps, OPERATOR, flow, "essai")


async def test_given_up_then_answered_all_the_same(works: Plant) -> None:
    flow = await transmitted(works)
    words = await helios_moves.set_error(works.deps, OPERATOR, flow, "perdu par la passerelle")
    assert words == await last_words(works, flow)
    assert words == "Transaction passée manuellement en erreur - perdu par la passerelle"
    assert await jobs(works, flow) == []
    assert (await works.ingest_file(acquit()))[0] == "handled"
    assert await works.helios_life(flow) == [1, 2, 3, -1, 8]


async def test_posted_again_the_couple_is_its_own(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await helios_moves.set_error(works.deps, OPERATOR, flow, "P_DEST à corriger")
    assert await helios_moves.repost(works.deps, OPERATOR, flow, "corrigé") == (
        f"La transaction {flow} est de nouveau à l'état posté."
    )
    [row] = await works.fetch("select xml_nomfic, xml_cod_col, xml_cod_bud, xml_id_post from helios_transaction")
    assert set(dict(row).values()) == {None}
    assert await works.value("select count(*) from helios_nomfic") == 0
    await helios_send.analyse(works.deps, flow)
    await helios_send.transmit(works.deps, flow)
    assert (await works.ingest_file(acquit()))[0] == "handled"
    assert await works.helios_life(flow) == [1, 2, -1, 1, 2, 3, 8]
    told = (await traces(works))[1]
    assert told[0] == "cli:helios:repost"
    assert (told[1]["nomfic"], told[2]["nomfic"]) == ("FLUX-ESSAI-1", None)


async def test_posted_again_after_another_took_the_couple(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await helios_moves.set_error(works.deps, OPERATOR, flow, "essai")
    await helios_moves.repost(works.deps, OPERATOR, flow, "essai")
    await works.queued_pes(pes(number="13"))
    await helios_send.analyse(works.deps, flow)
    assert await last_words(works, flow) == f"Transaction {flow} : ce fichier existe déjà sur la plateforme"


async def test_what_the_dgfip_may_have_is_posted_again_by_force_only(works: Plant) -> None:
    flow = await transmitted(works)
    await helios_moves.set_error(works.deps, OPERATOR, flow, "sans acquit")
    with pytest.raises(Refused) as caught:
        await helios_moves.repost(works.deps, OPERATOR, flow, "essai")
    assert caught.value.code == "PES_PEUT_ETRE_ENVOYE"
    await helios_moves.repost(works.deps, OPERATOR, flow, "la trésorerie l'a demandé", force=True)
    # the acquit of the first sending still finds it, whatever its state
    assert await works.value("select xml_nomfic from helios_transaction") == "FLUX-ESSAI-1"
    await helios_send.analyse(works.deps, flow)
    before = sent(works)
    await helios_send.transmit(works.deps, flow)
    assert (sent(works), stores(works)) == (before, 2)
    assert await works.helios_life(flow) == [1, 2, 3, -1, 1, 2, 3]


async def test_what_nobody_confirmed_does_not_leave_by_a_repost(works: Plant) -> None:
    body = await works.body(pes())
    flow = await helios_submit.submit(works.deps, works.people["A"], "flux.xml", body, must_signed=True)
    await helios_moves.set_error(works.deps, OPERATOR, flow, "abandon")
    with pytest.raises(Refused, match="jamais signée ni confirmée"):
        await helios_moves.repost(works.deps, OPERATOR, flow, "essai")
    await helios_moves.repost(works.deps, OPERATOR, flow, "l'agent l'a confirmé par écrit", force=True)
    assert await works.helios_life(flow) == [13, -1, 1]


async def test_two_operators_at_once(works: Plant) -> None:
    flow = await transmitted(works)
    asked = [helios_moves.resend(works.deps, OPERATOR, flow, f"essai {number}") for number in range(3)]
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["Refused", "Refused", "str"]
    assert await jobs(works, flow) == [("helios.transmit", "ready")]


async def held(works: Plant) -> HeliosId:
    """A flow whose sending is uncertain, and which waits for the operator."""
    flow = await lost(works)
    works.elapse(WINDOW + SECOND)
    with pytest.raises(Permanent):
        await helios_send.transmit(works.deps, flow)
    await set_aside(works, flow)
    return flow


async def test_what_is_held_is_released_and_sent_again(database: TestDatabase, tmp_path: Path) -> None:
    async with plant(database, tmp_path, helios=Helios(on_uncertain="hold")) as works:
        flow = await held(works)
        for path in works.ftp.sent.iterdir():
            path.unlink()
        await helios_moves.release(works.deps, OPERATOR, flow, "rien à la trésorerie")
        assert await jobs(works, flow) == [("helios.transmit", "ready")]
        works.ftp.behaviour.vanish_at_the_end = True
        with pytest.raises(Uncertain):
            await helios_send.transmit(works.deps, flow)
        works.ftp.behaviour.vanish_at_the_end = False
        assert stores(works) == 2
        # the decision was about the tries of before: this new one is held too
        works.elapse(WINDOW + SECOND)
        with pytest.raises(Permanent):
            await helios_send.transmit(works.deps, flow)
        await set_aside(works, flow)
        await helios_moves.declare_received(works.deps, OPERATOR, flow, "vu par la trésorerie")
        assert await works.outcomes() == ["settled", "settled"]
        assert await works.helios_life(flow) == [1, 2, 2, 3]
        assert await jobs(works, flow) == []
        assert (await works.ingest_file(acquit()))[0] == "handled"


async def test_a_resend_decides_about_what_was_in_doubt_too(database: TestDatabase, tmp_path: Path) -> None:
    async with plant(database, tmp_path, helios=Helios(on_uncertain="hold")) as works:
        flow = await held(works)
        await helios_moves.declare_received(works.deps, OPERATOR, flow, "la trésorerie le dit")
        await works.fetch("update attempt set outcome = 'uncertain'")
        for path in works.ftp.sent.iterdir():
            path.unlink()
        await helios_moves.resend(works.deps, OPERATOR, flow, "elle s'est trompée")
        await helios_send.transmit(works.deps, flow)
        assert (stores(works), await works.helios_status(flow)) == (2, 3)


async def test_only_a_super_administrator_or_an_operator_moves_a_flow(works: Plant) -> None:
    flow = await transmitted(works)
    by = Actor(Source.API, works.people["A"])
    with pytest.raises(Forbidden):
        await helios_moves.set_error(works.deps, by, flow, "essai")
    with pytest.raises(Refused, match="n'existe pas"):
        await helios_moves.set_error(works.deps, OPERATOR, HeliosId(999), "essai")
    with pytest.raises(Refused, match="raison"):
        await helios_moves.resend(works.deps, OPERATOR, flow, " ")


Move = Callable[[Plant, HeliosId], Awaitable[object]]


async def _resend(works: Plant, flow: HeliosId) -> object:
    return await helios_moves.resend(works.deps, OPERATOR, flow, "essai")


async def _give_up(works: Plant, flow: HeliosId) -> object:
    return await helios_moves.set_error(works.deps, OPERATOR, flow, "essai")


@pytest.mark.parametrize("move", [_resend, _give_up])
async def test_an_acquit_at_the_same_instant(works: Plant, move: Move) -> None:
    """Whichever comes first, the acquit is applied: a conflict is tried again by the runner."""
    for number in range(3):
        name = f"COURSE-{number}"
        flow = await transmitted(works, pes(name, str(number + 20)))
        ended = await asyncio.gather(works.ingest_file(acquit(name)), move(works, flow), return_exceptions=True)
        assert {type(one) for one in ended} <= {tuple, str, Refused, Conflict}
        if isinstance(ended[0], Conflict):
            [row] = await works.fetch("select id from received where state = 'new'")
            await works.read_again(row["id"])
        assert await works.helios_status(flow) == 8
        assert await works.value("select count(*) from received where state <> 'handled'") == 0


@pytest.mark.parametrize("move", [_give_up])
async def test_a_worker_at_the_same_instant(works: Plant, move: Move) -> None:
    """Either the flow left, and stays transmitted, or it was given up, and no byte left."""
    for number in range(4):
        flow = await works.queued_pes(pes(f"COURSE-{number}", str(number + 20)))
        before = stores(works)
        await asyncio.gather(helios_send.transmit(works.deps, flow), move(works, flow), return_exceptions=True)
        status = await works.helios_status(flow)
        left = stores(works) - before
        assert (status, left) in ((3, 1), (-1, 0), (-1, 1))
        if (status, left) == (-1, 1):  # given up once it had left
            assert await works.helios_life(flow) == [1, 2, 3, -1]


async def test_an_acquit_that_comes_while_a_flow_is_posted_again_by_force(works: Plant) -> None:
    flow = await transmitted(works)
    await helios_moves.set_error(works.deps, OPERATOR, flow, "sans acquit")
    await helios_moves.repost(works.deps, OPERATOR, flow, "essai", force=True)
    assert (await works.ingest_file(acquit()))[0] == "handled"
    await helios_send.analyse(works.deps, flow)
    await helios_send.transmit(works.deps, flow)
    assert (await works.helios_life(flow), stores(works)) == ([1, 2, 3, -1, 1, 2, 3, 8], 1)
