"""A mail of many megabytes is read alone; one that is larger than anything sent goes to the operator's box."""

import pytest

from tdt.domain.actes import mail as mail_module
from tdt.domain.errors import Temporary
from tdt.flows import actes_receive, actes_send
from tdt.flows.actes_receive import large
from tests.faults.plant import Plant, ar_mail, letter_mail


async def test_one_large_mail_at_a_time(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    received = await works.deliver(letter_mail("2-1", pdf=b"%PDF-1.4\n" + bytes(3 << 20)))
    with large.alone(large.LARGE + 1, works.deps.now()):
        with pytest.raises(Temporary) as caught:
            await actes_receive.ingest(works.deps, received)
        assert "retry_at" in caught.value.details
        assert (await works.handling(received))[0] == "new"
        assert (await works.ingest(ar_mail()))[0] == "handled"  # the others do not wait
    await actes_receive.ingest(works.deps, received)
    assert (await works.handling(received))[0] == "handled"
    size = await works.value(
        "select max(size) from acte_file f join acte_transaction t on t.id = f.transaction_id where t.type = 2"
    )
    assert size == 9 + (3 << 20)
    assert await works.acte_life(acte) == [1, 2, 3, 4]


async def test_too_large_to_be_read_is_kept(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mail_module, large):
        monkeypatch.setattr(module, "MAIL_LIMIT", 1 << 20)
    raw = letter_mail("2-1", pdf=b"%PDF-1.4\n" + bytes(3 << 20))
    received = await works.deliver(raw)
    await actes_receive.ingest(works.deps, received)
    assert await works.handling(received) == ("set_aside", None)
    detail = await works.value("select detail from received where id = $1", received)
    assert detail == f"courriel de {len(raw)} octets, trop volumineux"
