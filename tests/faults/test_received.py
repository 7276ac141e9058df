"""The operator's box: what nobody could be given waits with a proposed owner, and goes where an operator sends it."""

import asyncio
import importlib
import json

import pytest

from tdt.db import received as db
from tdt.db.routes import Received
from tdt.deps import Deps
from tdt.domain.actes.mail import parse_mail
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId, AuthorityId, ReceivedId
from tdt.flows import actes_receive, actes_send, helios_receive, received, received_reading
from tdt.workers.metrics import WorkerMetrics
from tests.faults.plant import OTHER_SIREN, SIREN, Plant, anomaly_mail, ar_mail, letter_mail
from tests.unit.actes.mails import envelope, raw_mail, sample, xml

ingest_module = importlib.import_module("tdt.flows.actes_receive.ingest")
BY = Actor(Source.CLI, None, "root")
ACT = f"034-{SIREN}-20260309-2026_017-DE"
ELSEWHERE = f"034-{SIREN}-20260309-AUTRE_1-DE"


def owner(works: Plant, who: str) -> AuthorityId:
    authority = works.people[who].user.authority_id
    assert authority is not None
    return authority


async def line(works: Plant, number: ReceivedId) -> db.BoxLine:
    return await received.get(works.deps, number)


async def boxed(works: Plant, raw: bytes) -> db.BoxLine:
    number = await works.deliver(raw)
    await actes_receive.ingest(works.deps, number)
    return await line(works, number)


async def sent(works: Plant, who: str = "A") -> ActeId:
    acte, envelope_id = await works.packaged_acte(who=who)
    await actes_send.transmit(works.deps, envelope_id)
    return acte


async def trace(works: Plant, tag: str) -> list[dict[str, object]]:
    rows = await works.fetch("select data from audit where tag = $1 order by id", tag)
    return [json.loads(one["data"]) if isinstance(one["data"], str) else one["data"] for one in rows]


async def test_an_owner_is_proposed_from_the_act_then_from_the_siren(works: Plant) -> None:
    mine = owner(works, "A")
    known = await boxed(works, letter_mail("2-1", act=ELSEWHERE))
    assert (known.state, known.authority_id, known.proposed_authority_id) == ("set_aside", None, mine)
    assert (known.proposed_siren, known.proposed_act) == (SIREN, ELSEWHERE)
    await sent(works)
    # the envelope names another collectivité than the act: the act is the surer clue
    torn = await boxed(works, letter_mail("2-1", siren=OTHER_SIREN))
    assert (torn.proposed_authority_id, torn.proposed_act) == (mine, ACT)
    # XML that cannot be read still names somebody
    damaged = raw_mail((f"{ACT}-1-2_1.xml", xml("ARActe", f'actes:IDActe="{ACT}"')[:-12]))
    assert (await boxed(works, damaged)).proposed_authority_id == mine
    only_envelope = raw_mail(("EACT--SPREF0343.xml", envelope("absent.xml", siren=OTHER_SIREN)))
    assert (await boxed(works, only_envelope)).proposed_authority_id == owner(works, "B")
    junk = await boxed(works, sample("indesirable.eml"))
    assert (junk.proposed_authority_id, junk.proposed_siren, junk.proposed_act) == (None, "", "")


async def test_a_mail_given_to_an_act_is_read_for_it(works: Plant) -> None:
    """The préfecture wrote another IDActe than ours: the operator knows which act is meant."""
    acte = await sent(works)
    mine = owner(works, "A")
    box = await boxed(works, ar_mail(number="2026_17"))
    assert box.state == "set_aside"
    await received.assign(works.deps, BY, box.id, mine, ACT)
    assert (await line(works, box.id)).state == "new"
    await actes_receive.ingest(works.deps, box.id)
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    done = await line(works, box.id)
    assert (done.state, done.authority_id, done.assigned, done.assigned_act) == ("handled", mine, True, ACT)
    [change] = await trace(works, "cli:received:assign")
    assert change["operator"] == "root"
    assert change["after"] == {"state": "new", "authority_id": mine, "assigned": True, "act": ACT}
    assert await works.value("select authority_id from content where id = $1", done.content_id) == mine
    with pytest.raises(Refused, match="à l'état « handled »"):
        await received.retry(works.deps, BY, box.id)


async def test_every_kind_of_answer_can_be_given_to_an_act(works: Plant) -> None:
    acte = await sent(works)
    mine = owner(works, "A")
    letter = await boxed(works, letter_mail("3-1", act=ELSEWHERE, siren=OTHER_SIREN))
    await received.assign(works.deps, BY, letter.id, mine, ACT)
    await actes_receive.ingest(works.deps, letter.id)
    assert (await line(works, letter.id)).state == "handled"
    assert await works.value("select count(*) from acte_transaction where related_id = $1 and type = 3", acte) == 1
    anomaly = await boxed(works, anomaly_mail("007", siren=OTHER_SIREN, number="X"))
    await received.assign(works.deps, BY, anomaly.id, mine, ACT)
    await actes_receive.ingest(works.deps, anomaly.id)
    assert await works.acte_life(acte) == [1, 2, 3, -1]
    name, data = "034-999999999----7-2_1.xml", parse_mail(sample("7-2-classification.eml")).attachments[1].data
    files = [("EACT--SPREF0343.xml", envelope(name, siren="999999999")), (name, data)]
    unknown = await boxed(works, raw_mail(*files))
    assert (unknown.state, unknown.authority_id) == ("set_aside", None)
    await received.assign(works.deps, BY, unknown.id, mine)
    await actes_receive.ingest(works.deps, unknown.id)
    assert (await line(works, unknown.id)).state == "handled"


async def test_what_is_given_to_a_collectivite_sees_nothing_of_the_others(works: Plant) -> None:
    acte = await sent(works)
    theirs = owner(works, "B")
    box = await boxed(works, sample("indesirable.eml"))
    await received.assign(works.deps, BY, box.id, theirs)
    await actes_receive.ingest(works.deps, box.id)
    assert ((await line(works, box.id)).state, (await line(works, box.id)).authority_id) == ("set_aside", theirs)
    # an AR for an act of A, given to B by mistake, moves nothing
    mistaken = await boxed(works, letter_mail("2-1", act=ELSEWHERE))
    await received.assign(works.deps, BY, mistaken.id, theirs)
    await actes_receive.ingest(works.deps, mistaken.id)
    assert (await line(works, mistaken.id)).state == "set_aside"
    assert await works.acte_life(acte) == [1, 2, 3]
    for authority, act, message in (
        (AuthorityId(999), "", "Aucune collectivité"),
        (theirs, ACT, "n'a pas d'acte"),
    ):
        with pytest.raises(Refused, match=message):
            await received.assign(works.deps, BY, mistaken.id, authority, act)


async def test_read_again_when_the_cause_has_gone(works: Plant) -> None:
    acte, envelope_id = await works.packaged_acte()
    box = await boxed(works, ar_mail())
    assert box.state == "set_aside"  # not sent yet
    await actes_send.transmit(works.deps, envelope_id)
    await received.retry(works.deps, BY, box.id)
    jobs = await works.value("select count(*) from job where kind = 'actes.ingest' and object_id = $1", box.id)
    assert jobs == 2  # that of the delivery, which no worker took in this test, and this one
    await asyncio.gather(*(actes_receive.ingest(works.deps, box.id) for _ in range(2)))
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    assert (await line(works, box.id)).state == "handled"
    [change] = await trace(works, "cli:received:retry")
    assert (change["before"], change["after"]) == ({"state": "set_aside"}, {"state": "new"})
    with pytest.raises(Refused, match="n'existe pas"):
        await received.retry(works.deps, BY, ReceivedId(999))


async def test_dismissed_is_kept_and_can_come_back(works: Plant) -> None:
    raw = sample("indesirable.eml")
    box = await boxed(works, raw)
    with pytest.raises(Refused, match="raison est obligatoire"):
        await received.dismiss(works.deps, BY, box.id, " ")
    with pytest.raises(Refused, match="pas été écartée comme douteuse"):
        await received.retry(works.deps, BY, box.id, authentic=True)
    await received.dismiss(works.deps, BY, box.id, "publicité")
    assert (await line(works, box.id)).state == "dismissed"
    assert b"".join([chunk async for chunk in received.stream(works.deps, box.id)]) == raw
    [change] = await trace(works, "cli:received:dismiss")
    assert change["after"] == {"state": "dismissed", "reason": "publicité"}
    await received.retry(works.deps, BY, box.id)
    await actes_receive.ingest(works.deps, box.id)
    assert (await line(works, box.id)).state == "set_aside"


async def test_a_retour_of_the_dgfip_is_given_to_a_collectivite(works: Plant) -> None:
    mine = owner(works, "A")
    data = b'<?xml version="1.0"?><n:PES_Retour xmlns:n="urn:x"><EnTetePES><IdColl V="1"/></EnTetePES></n:PES_Retour>'
    assert await works.ingest_file(data, "R.xml") == ("set_aside", None)
    number = ReceivedId(await works.value("select max(id) from received"))
    with pytest.raises(Refused, match="Seul un courriel"):
        await received.assign(works.deps, BY, number, mine, ACT)
    await received.assign(works.deps, BY, number, mine)
    await helios_receive.ingest(works.deps, number)
    assert await works.handling(number) == ("handled", mine)
    shown = await received_reading.describe(works.deps, await line(works, number))
    said = {"root": "PES_Retour", "namespace": "urn:x", "id_coll": "1", "children": ["EnTetePES"], "elements": 3}
    assert shown == {"said": said}


async def test_what_an_operator_is_shown_and_what_is_counted(works: Plant) -> None:
    box = await boxed(works, letter_mail("3-1", act=ELSEWHERE))
    shown = await received_reading.describe(works.deps, box)
    assert shown["from"] == "ne-pas-repondre@etat.test"
    assert shown["subject"] == "Accusé de réception"
    assert "unique_id=" + ELSEWHERE in str(shown["says"])
    assert len(shown["files"]) == 3  # type: ignore[arg-type]
    await works.ingest_file(b"<inconnu/>", "X.xml")
    assert await received.count_waiting(works.deps) == {
        ("actes", "unattributed"): 1,
        ("helios", "unattributed"): 1,
    }
    metrics = WorkerMetrics()
    metrics.show_waiting(await received.count_waiting(works.deps))
    assert b'tdt_received_waiting{kind="actes",reason="unattributed"} 1.0' in metrics.render()
    assert b'tdt_received_waiting{kind="actes",reason="forged"} 0.0' in metrics.render()


async def test_a_worker_taken_for_dead_does_not_undo_what_an_operator_decided(
    works: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read the mail before, and comes to its end after."""
    acte = await sent(works)
    mine = owner(works, "A")
    number = await works.deliver(ar_mail(number="2026_17"))
    reached, go = asyncio.Event(), asyncio.Event()

    load = ingest_module.load

    async def late(deps: Deps, read: Received, size: int) -> bytes:
        reached.set()
        await go.wait()
        raw: bytes = await load(deps, read, size)
        return raw

    monkeypatch.setattr(ingest_module, "load", late)
    first = asyncio.create_task(actes_receive.ingest(works.deps, number))
    await reached.wait()
    monkeypatch.setattr(ingest_module, "load", load)
    await actes_receive.ingest(works.deps, number)
    await received.assign(works.deps, BY, number, mine, ACT)
    go.set()
    await first
    waits = await line(works, number)
    assert (waits.state, waits.authority_id, waits.assigned) == ("new", mine, True)
    await actes_receive.ingest(works.deps, number)
    assert (await line(works, number)).state == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, 4]
