"""A PES uploaded beside its name, then renamed: refused, cut or contradicted at each step of the renaming."""

from datetime import timedelta

import pytest

from tdt.domain.errors import Permanent, Temporary, Uncertain
from tdt.domain.ids import HeliosId
from tdt.flows import helios_send
from tests.dgfip_flows import sample as pes
from tests.faults.plant import WINDOW, Plant, until
from tests.faults.test_helios_sending import sent, setting
from tests.faults.test_workers import working

SECOND = timedelta(seconds=1)
STEPS = ["rnfr_refusal", "rename_refusal"]


async def renamed(works: Plant) -> HeliosId:
    """A flow at 2, whose route renames."""
    flow = await works.queued_pes(pes())
    await setting(works, rename=True)
    return flow


async def name_of(works: Plant) -> str:
    return str(await works.value("select transmitted_name from helios_transaction"))


def stored(works: Plant) -> int:
    return sum(line.startswith("STOR") for line in works.ftp.commands)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("reply", ["550 Rename failed", "553 File name not allowed", "502 RNFR not implemented"])
async def test_what_is_refused_for_good_is_for_an_operator(works: Plant, step: str, reply: str) -> None:
    """Tried again it would be uploaded each time, for ever."""
    flow = await renamed(works)
    setattr(works.ftp.behaviour, step, reply)
    with pytest.raises(Permanent) as caught:
        await helios_send.transmit(works.deps, flow)
    assert caught.value.code == "RENOMMAGE_REFUSE"
    assert await works.outcomes() == ["failed"]
    assert reply in await works.value("select detail from attempt")
    assert (await works.helios_life(flow), sent(works)) == ([1, 2], {}), "nothing of it stays there"
    setattr(works.ftp.behaviour, step, "")
    await helios_send.transmit(works.deps, flow)
    assert sent(works) == {await name_of(works): pes()}
    assert await works.helios_life(flow) == [1, 2, 3]


async def test_it_is_set_aside_and_seen(works: Plant) -> None:
    await renamed(works)
    works.ftp.behaviour.rename_refusal = "553 Rename failed"
    async with working(works):

        async def is_aside() -> bool:
            found = "select count(*) from job where kind = 'helios.transmit' and state = 'dead'"
            return bool(await works.value(found))

        await until(is_aside, "set aside")
    assert await works.value("select code from job where state = 'dead'") == "RENOMMAGE_REFUSE"
    assert stored(works) == 1
    assert await works.value("select count(*) from breaker where opened_at is not null") == 0


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("reply", ["450 File busy", "451 Local error", "452 No room", "530 Not logged in"])
async def test_what_is_refused_for_now_is_tried_again(works: Plant, step: str, reply: str) -> None:
    flow = await renamed(works)
    setattr(works.ftp.behaviour, step, reply)
    for _ in range(2):
        with pytest.raises(Temporary):
            await helios_send.transmit(works.deps, flow)
    assert await works.outcomes() == ["failed", "failed"]
    assert sent(works) == {}
    setattr(works.ftp.behaviour, step, "")
    await helios_send.transmit(works.deps, flow)
    assert sent(works) == {await name_of(works): pes()}


@pytest.mark.parametrize("reply", ["421 closing", "200 Fine", ""])
@pytest.mark.parametrize("done", [True, False])
async def test_a_renaming_without_a_word_is_in_doubt(works: Plant, done: bool, reply: str) -> None:
    """Cut when it is asked for, or answered by what says nothing: done or not, nobody knows."""
    flow = await renamed(works)
    behaviour = works.ftp.behaviour
    behaviour.renames_all_the_same, behaviour.rename_refusal, behaviour.vanish_at_rename = done, reply, not reply
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    behaviour.renames_all_the_same, behaviour.rename_refusal, behaviour.vanish_at_rename = False, "", False
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    name = await name_of(works)
    assert list(sent(works)) == [name if done else f".{name}.part"]
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert sent(works) == {name: pes()}, "what was left beside is used again"
    assert stored(works) == (1 if done else 2), "what is there whole is not sent again"
    assert await works.helios_life(flow) == [1, 2, 3]


@pytest.mark.parametrize("reply", ["550 Rename failed", "451 Local error"])
async def test_a_refusal_that_what_is_there_contradicts_is_in_doubt(works: Plant, reply: str) -> None:
    flow = await renamed(works)
    behaviour = works.ftp.behaviour
    behaviour.renames_all_the_same, behaviour.rename_refusal = True, reply
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    behaviour.renames_all_the_same, behaviour.rename_refusal = False, ""
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert (sent(works), stored(works)) == ({await name_of(works): pes()}, 1)
    assert await works.outcomes() == ["uncertain", "accepted"]


async def test_another_file_of_its_name_and_size_is_no_proof_of_it(works: Plant) -> None:
    """A server that replaces nothing: whose file it is, is for an operator to say."""
    flow = await renamed(works)
    works.ftp.behaviour.rename_refusal = "450 File busy"
    with pytest.raises(Temporary):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.rename_refusal, works.ftp.behaviour.replaces = "", False
    other = b"x" * len(pes())
    (works.ftp.sent / await name_of(works)).write_bytes(other)
    with pytest.raises(Permanent) as caught:
        await helios_send.transmit(works.deps, flow)
    assert caught.value.code == "RENOMMAGE_REFUSE"
    assert sent(works) == {await name_of(works): other}
    assert await works.helios_status(flow) == 2


@pytest.mark.parametrize("replaces", [True, False])
async def test_what_a_cut_left_beside_is_used_again_or_removed(works: Plant, replaces: bool) -> None:
    flow = await renamed(works)
    works.ftp.behaviour.rename_refusal = "450 File busy"
    with pytest.raises(Temporary):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.rename_refusal, works.ftp.behaviour.replaces = "", replaces
    name = await name_of(works)
    (works.ftp.sent / f".{name}.part").write_bytes(pes() + b" longer")
    if not replaces:
        with pytest.raises(Temporary):
            await helios_send.transmit(works.deps, flow)
        assert sent(works) == {}
    await helios_send.transmit(works.deps, flow)
    assert sent(works) == {name: pes()}
