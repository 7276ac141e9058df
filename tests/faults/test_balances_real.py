"""Balances of what the flows did over several civil days: never a false imbalance, and what is tampered named."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from tdt.db.pool import Connection
from tdt.domain.actes.model import ActeStatus, PostedFile
from tdt.domain.actes.replies import Reply
from tdt.domain.authorities import Role
from tdt.domain.balance import Side
from tdt.domain.errors import Temporary, Uncertain
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import ActeId, EnvelopeId, HeliosId, ReceivedId, RouteId
from tdt.domain.routes import RouteKind
from tdt.flows import (
    actes_closing,
    actes_moves,
    actes_receive,
    actes_sae,
    actes_send,
    actes_submit,
    balances,
    helios_moves,
    helios_receive,
    helios_sae,
    helios_send,
    received,
)
from tdt.flows.balances import reckon as reckoning
from tdt.flows.balances.reckon import Day, reckon_all
from tests.dgfip_flows import sample as pes
from tests.faults.balancing import make_balances, pass_the_night, town
from tests.faults.plant import (
    SIREN,
    WINDOW,
    Plant,
    acquit,
    anomaly_mail,
    ar_mail,
    letter_mail,
    reply_ar_mail,
    until_blocked,
)
from tests.faults.test_acte_unanswered import MONTH
from tests.faults.test_helios_moves import OPERATOR
from tests.pdf_files import PDF
from tests.servers import Behaviour


async def check_night(works: Plant, days: int = 1, who: str | None = None) -> list[balances.Made]:
    """The day ends, its balances are made, and all is right with them; so does a full recount say."""
    await pass_the_night(works)
    made = await make_balances(works, who)
    assert [one.imbalances for one in made] == [()] * len(made)
    towns = [town(works, name) for name in ([who] if who else works.people)]
    assert [sum(one.authority == town for one in made) for town in towns] == [days] * len(towns)
    for one in made:
        assert await balances.recount(works.deps, one.authority, one.day) == []
    return made


async def closing(works: Plant, module: RouteKind, who: str = "A") -> dict[str, int]:
    """The figures of the last balance of a collectivité."""
    query = """select convert_from(document, 'UTF8')::jsonb -> 'closing' as closing from balance
        where authority_id = $1 and module = $2 order by day desc limit 1"""
    figures = await works.value(query, town(works, who), module)
    return {name: number for name, number in figures.items() if number}


# --- acts


def unique(number: str) -> str:
    return f"034-{SIREN}-20260309-{number}-DE"


async def leave(works: Plant, acte: ActeId, mode: str = "accept") -> None:
    """The steps of a sending; that the préfecture refuses or is cut off is part of the play."""
    works.prefecture.mode = mode
    envelope = await works.envelope_of(acte)
    await actes_send.analyse(works.deps, acte)
    await actes_send.package(works.deps, envelope)
    try:
        await actes_send.transmit(works.deps, envelope)
    except (Temporary, Uncertain):
        assert mode != "accept"
    works.prefecture.mode = "accept"


async def letter_about(works: Plant, acte: ActeId, code: str) -> ActeId:
    """A letter comes about an act, and its AR leaves."""
    act = await works.value("select unique_id from acte_transaction where id = $1", acte)
    await works.ingest(letter_mail(code, act))
    letter = ActeId(await works.value("select max(id) from acte_transaction where related_id = $1", acte))
    await actes_send.acknowledge(works.deps, letter)
    made = await works.value("select id from acte_envelope where acknowledges_id = $1", letter)
    if made is not None:
        await actes_send.transmit(works.deps, EnvelopeId(made))
    return letter


async def reply(works: Plant, letter: ActeId, choice: str) -> ActeId:
    form = Reply(choice, "99_DE", PostedFile("réponse.pdf", len(PDF), PDF[:4096]))
    body = await works.body(PDF)
    made = await actes_submit.reply(works.deps, works.people["A"], letter, form, [body])
    await leave(works, made)
    return made


async def test_acts_balance_day_after_day(works: Plant) -> None:
    me = works.people["A"]
    actes = {
        number: await works.submit_acte(number) for number in ("W", "AR", "ANO", "LET", "CUT", "REF", "OLD", "BOX")
    }
    other = await works.submit_acte("AR", "B")
    for number, mode in {"AR": "accept", "LET": "accept", "CUT": "cut", "REF": "refuse", "BOX": "accept"}.items():
        await leave(works, actes[number], mode)
    await works.ingest(ar_mail(number="AR"))
    await works.ingest(ar_mail(number="AR"))
    await check_night(works)
    first = await closing(works, RouteKind.ACTES)
    assert (first["deposited"], first["acknowledged"], first["awaited"]) == (8, 1, 2)

    # the second day: what was held leaves, what left is answered; one is sent again after the doubt
    for number in ("ANO", "OLD"):
        await leave(works, actes[number])
    await leave(works, other)
    await works.ingest(anomaly_mail("007", number="ANO"))
    await works.ingest(ar_mail(number="LET"))
    works.elapse(WINDOW * 2)
    await leave(works, actes["CUT"])
    await leave(works, actes["REF"])
    cancelling = await actes_submit.cancel(works.deps, me, actes["AR"])
    await leave(works, cancelling)
    letters = [await letter_about(works, actes["LET"], code) for code in ("2-1", "3-1", "4-1", "5-1")]
    request = await actes_submit.request_classification(works.deps, me)
    await leave(works, request)
    await check_night(works, who="A")

    # the third: what answers the answers; the AR of a mail that an operator gives; one refused, sent again
    await works.ingest(reply_ar_mail("6-2", unique("AR")))
    for letter, choice in zip(letters[1:3], ("4", "3"), strict=True):
        await reply(works, letter, choice)
    await works.ingest(reply_ar_mail("3-5", unique("LET")))
    again = await actes_submit.resend(works.deps, OPERATOR, actes["ANO"])
    await leave(works, again.id)
    await check_night(works, who="A")

    # the fourth: closed without answer, its AR after all, archived; another's days are made at once, two were missed
    await works.ingest(ar_mail(number="ANO"))
    await works.ingest(ar_mail(number="CUT"))
    box = await works.deliver(ar_mail(number="AILLEURS"))
    await actes_receive.ingest(works.deps, box)
    await received.assign(works.deps, OPERATOR, box, town(works, "A"), unique("BOX"))
    await actes_receive.ingest(works.deps, box)
    works.elapse(MONTH)
    assert await actes_closing.close_unanswered(works.deps) > 0
    await works.ingest(ar_mail(number="OLD"))
    archivist = replace(me, user=replace(me.user, role=Role.ARCH))
    await actes_closing.close(works.deps, me, [actes["BOX"]], ActeStatus.EN_ATTENTE_SAE)
    for status in (ActeStatus.ENVOYE_AU_SAE, ActeStatus.ARCHIVE_PAR_LE_SAE):
        await actes_sae.tell_status(works.deps, archivist, actes["BOX"], status)
    await check_night(works, days=3, who="B")
    last = await make_balances(works, "A")
    assert [one.imbalances for one in last] == [()]
    assert (await closing(works, RouteKind.ACTES, "B"))["anomalies"] == 1  # nobody answered it


# --- PES


async def send_pes(works: Plant, flow: HeliosId, behaviour: Behaviour | None = None) -> None:
    works.ftp.behaviour = behaviour or Behaviour()
    try:
        await helios_send.transmit(works.deps, flow)
    except (Temporary, Uncertain):
        assert behaviour is not None
    works.ftp.behaviour = Behaviour()


NO_ACK = b'<n:PES_NonACQUIT xmlns:n="urn:essai"><Enveloppe><Parametres><NomFic V="NON"/></Parametres></Enveloppe>'
MIXED = b'<ElementACQUIT><EtatAck V="0"/></ElementACQUIT></ACQUIT>'


async def test_pes_balance_day_after_day(works: Plant) -> None:
    names = ("OK", "KO", "MIX", "NON", "LOST", "ERR", "BOX", "LAST")
    flows = {name: await works.queued_pes(pes(name)) for name in names}
    await works.submit_pes(pes("POSTED"))
    for name in ("OK", "KO", "MIX", "NON"):
        await send_pes(works, flows[name])
    await send_pes(works, flows["LOST"], Behaviour(vanish_at_the_end=True))
    assert (await works.ingest_file(acquit("OK")))[0] == "handled"
    await works.ingest_file(acquit("OK"))
    await check_night(works)
    first = await closing(works, RouteKind.HELIOS)
    assert (first["deposited"], first["acknowledged"], first["awaited"], first["held"]) == (9, 1, 3, 5)

    # the second day: refused, in part, not at all; another acquit, preferred by an operator
    await works.ingest_file(acquit("KO").replace(b'EtatAck V="1"', b'EtatAck V="0"'))
    await works.ingest_file(acquit("MIX").replace(b"</ACQUIT>", MIXED))
    await works.ingest_file(NO_ACK + b"</n:PES_NonACQUIT>")
    second = await works.deliver(acquit("OK", note="2"), RouteKind.HELIOS, "SECOND.xml")
    await helios_receive.ingest(works.deps, second)
    works.elapse(WINDOW * 2)
    await send_pes(works, flows["LOST"])
    await helios_moves.set_error(works.deps, OPERATOR, flows["ERR"], "essai")
    await send_pes(works, flows["BOX"])
    await check_night(works)

    # the third: what an operator decides, what is sent again
    await received.assign_to_flow(works.deps, OPERATOR, second, flows["OK"])
    await helios_receive.ingest(works.deps, second)
    stray = await works.deliver(acquit("BOX", "099"), RouteKind.HELIOS, "AILLEURS.xml")
    await helios_receive.ingest(works.deps, stray)
    await received.assign_to_flow(works.deps, OPERATOR, ReceivedId(stray), flows["BOX"])
    await helios_receive.ingest(works.deps, stray)
    await helios_moves.resend(works.deps, OPERATOR, flows["LOST"], "essai")
    await send_pes(works, flows["LOST"])
    await helios_moves.repost(works.deps, OPERATOR, flows["ERR"], "essai")
    await check_night(works)

    # the fourth: archived, and given up once it had left, and answered all the same
    archivist = works.people["A"]
    for status in (HeliosStatus.EN_ATTENTE_SAE, HeliosStatus.ENVOYE_AU_SAE, HeliosStatus.ACCEPTE_PAR_LE_SAE):
        await helios_sae.tell(works.deps, archivist, flows["OK"], helios_sae.Told(status))
    await helios_sae.tell(works.deps, archivist, flows["KO"], helios_sae.Told(HeliosStatus.EN_ATTENTE_SAE))
    await helios_send.analyse(works.deps, flows["ERR"])
    await send_pes(works, flows["ERR"])
    await send_pes(works, flows["LAST"])
    await helios_moves.set_error(works.deps, OPERATOR, flows["LAST"], "essai")
    await check_night(works)
    await works.ingest_file(acquit("LAST"))
    await works.ingest_file(acquit("ERR"))
    await check_night(works)
    last = await closing(works, RouteKind.HELIOS)
    assert (last["deposited"], last["held"]) == (9, 1), last


# --- tampering, several workers


LIES = {
    "ETAT_NON_CONSIGNE": "update acte_transaction set status = -1 where id = $1",
    "ACQUITTEE_SANS_REPONSE": """
        delete from received
        where split_part(detail, ' ;', 1) = (select unique_id from acte_transaction where id = $1)""",
    "TRANSMISE_SANS_ENVOI": """
        delete from attempt where object_id = (select envelope_id from acte_transaction where id = $1)""",
}


async def test_an_ar_that_began_before_its_act_had_left_is_balanced(works: Plant) -> None:
    """The mail is held so that its transaction begins first, and waits for the one that tells of the sending."""
    acte, envelope = await works.packaged_acte()
    mail = await works.deliver(ar_mail())
    owner = await asyncpg.connect(works.database.owner_dsn)
    try:
        async with owner.transaction():
            await owner.execute("select from received where id = $1 for update", mail)
            reading = asyncio.create_task(actes_receive.ingest(works.deps, mail))
            await until_blocked(owner, "the reading of the mail")
            await actes_send.transmit(works.deps, envelope)
        await reading
    finally:
        await owner.close()
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    told = await works.fetch("select to_status, at from event where object_kind = 'acte_transaction' order by at")
    assert [row["to_status"] for row in told] == [1, 2, 4, 3], "the ledger has them in the order of their transactions"
    await check_night(works)
    assert (await closing(works, RouteKind.ACTES))["acknowledged"] == 1


@pytest.mark.parametrize("proof", ["anomaly", "letter", "ar"])
async def test_what_answers_an_archive_that_was_refused_proves_that_it_came(
    works: Plant, proof: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The préfecture refused it, and looked at it all the same; later nights need not count everything again."""
    acte = await works.submit_acte()
    await leave(works, acte, "refuse")
    if proof == "anomaly":
        await actes_moves.give_up(works.deps, OPERATOR, acte)
    mail, life, bucket = {
        "anomaly": (anomaly_mail("007"), [1, 2, -1, 3, -1], "anomalies"),
        "letter": (letter_mail("3-1", unique("2026_017")), [1, 2, 3], "awaited"),
        "ar": (ar_mail(), [1, 2, 3, 4], "acknowledged"),
    }[proof]
    await works.ingest(mail)
    assert await works.acte_life(acte) == life
    assert await works.outcomes() == ["settled"]
    assert "malgré" in await works.value("select detail from attempt")
    await check_night(works, who="A")
    assert (await closing(works, RouteKind.ACTES))[bucket] == 1

    async def from_the_beginning(connection: Connection, day: Day) -> dict[RouteId, Side]:
        assert day.module is not RouteKind.ACTES, "everything was counted again"
        return await reckon_all(connection, day)

    monkeypatch.setattr(reckoning, "reckon_all", from_the_beginning)
    for _ in range(2):
        await check_night(works, who="A")


async def test_what_a_hand_does_to_real_acts_is_named(works: Plant) -> None:
    actes = {code: await works.submit_acte(f"N{number}") for number, code in enumerate(LIES)}
    for number, acte in enumerate(actes.values()):
        await leave(works, acte)
        await works.ingest(ar_mail(number=f"N{number}"))
    owner = await asyncpg.connect(works.database.owner_dsn)
    try:
        for code, query in LIES.items():
            await owner.execute(query, actes[code])
    finally:
        await owner.close()
    await pass_the_night(works)
    wrong = [one for made in await make_balances(works) for one in made.imbalances]
    named = {(fault.flow, fault.code) for one in wrong for fault in one.side.faults}
    assert named == {(acte, code) for code, acte in actes.items()}


async def test_two_workers_make_each_missed_day_once(works: Plant) -> None:
    missed = 3
    await works.submit_acte("N1")
    await pass_the_night(works)
    await make_balances(works)
    for number in range(missed):
        await works.submit_acte(f"M{number}")
        await pass_the_night(works)

    async def worker() -> None:
        for _ in range(50):
            try:
                await make_balances(works)
                return
            except Temporary:  # the other one was faster: once more, as the worker does
                continue
        raise AssertionError("it never ends")

    await asyncio.gather(worker(), worker())
    rows = await works.fetch(
        "select day, count(*) as made, bool_and(balanced) as right from balance"
        " where authority_id = $1 and module = 'actes' group by day order by day",
        town(works, "A"),
    )
    assert [(row["made"], row["right"]) for row in rows] == [(1, True)] * (missed + 1)
    assert (await closing(works, RouteKind.ACTES))["held"] == missed + 1
