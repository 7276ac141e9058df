"""Every flow of the reference, when it is there, from its deposit to the DGFiP or to the words of its refusal."""

from tdt.flows import helios_send
from tests.faults.plant import Plant
from tests.unit.helios.test_shared_samples import FLOWS, NOT_ANSWERED, SIGNED, find


async def test_each_behaves_as_its_table_says(works: Plant) -> None:
    told = {start: await carry(works, start) for start in FLOWS if start not in SIGNED}
    assert told == {start: expected(start) for start in told}


async def carry(works: Plant, start: str) -> tuple[list[int], str]:
    """Its life, and why it ended in error; one at a time, for many bear the same name."""
    number = await works.submit_pes(find(start).read_bytes())
    await helios_send.analyse(works.deps, number)
    if await works.helios_status(number) == 2:
        await helios_send.transmit(works.deps, number)
    query = "select message from helios_workflow where transaction_id = $1 and status = -1"
    words = str(await works.value(query, number) or "")
    async with works.deps.transaction("system") as connection:
        await connection.execute("delete from helios_nomfic")
    return await works.helios_life(number), words.removeprefix(f"Transaction {number} : ")


def expected(start: str) -> tuple[list[int], str]:
    if not FLOWS[start]:
        return [1, 2, 24 if start in NOT_ANSWERED else 3], ""
    # the label of a sending is looked at when it leaves
    return [1, 2, -1] if "IdPost" in FLOWS[start] else [1, -1], FLOWS[start]
