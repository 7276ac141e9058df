"""Ready-made envelopes over the wire: their numbers; exact bytes."""

from tdt.domain.calendar import paris_date
from tests.wire import test_actes_api as actes
from tests.wire.stack import Stack

SERIAL = "/modules/actes/actes_transac_get_env_serial.php"

ready = actes.ready


async def test_a_number_is_taken_each_time_and_deposits_take_from_the_same(ready: Stack) -> None:
    client = ready.client()
    assert [(await client.get(SERIAL)).body for _ in range(2)] == [b"OK\n1\n", b"OK\n2\n"]
    acte = await actes.create(ready, actes.form())
    assert (await client.post(f"{SERIAL}?api=1", [("api", "1")])).body == b"OK\n4\n"
    name = await actes.fetchval(
        ready,
        "select e.name from acte_envelope e join acte_transaction t on t.envelope_id = e.id where t.id = $1",
        acte,
    )
    assert name == f"TACT--123456782--{paris_date(ready.deps.now()):%Y%m%d}-3.xml"
    assert (await ready.client("other").get(SERIAL)).body == b"OK\n1\n"


async def test_a_day_has_9999_numbers(ready: Stack) -> None:
    client = ready.client()
    await client.get(SERIAL)
    await actes.fetchval(ready, "update acte_envelope_serial set last = 9998 returning last")
    assert (await client.get(SERIAL)).body == b"OK\n9999\n"
    for _ in range(2):
        assert (await client.get(SERIAL)).body == "KO\nErreur récupération numéro de série\n".encode("latin-1")
    await actes.fetchval(ready, "update acte_envelope_serial set day = day - 1 returning last")
    assert (await client.get(SERIAL)).body == b"OK\n1\n"


async def test_who_may_not_prepare_gets_none(ready: Stack) -> None:
    await actes.fetchval(ready, "update account_permission set permission = 'TT' where module = 'actes' returning 1")
    assert (await ready.client().get(SERIAL)).body == "KO\nAccès refusé".encode("latin-1")
    assert await actes.fetchval(ready, "select count(*) from acte_envelope_serial") == 0
