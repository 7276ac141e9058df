"""Random histories of clients, workers and the préfecture: whatever the order, nothing is lost, doubled or mixed up.

Three acts: two of collectivité A, one of B under the number of the first. After each event the same things must hold
(`Checks`); what an AR does is told exactly (`expected_ar`).
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tdt.domain.actes.model import ActeStatus, PostedFile
from tdt.domain.actes.replies import Reply
from tdt.domain.actes.status import may_move
from tdt.domain.authorities import Role
from tdt.domain.ids import ActeId, EnvelopeId
from tdt.domain.routes import RouteKind
from tdt.flows import (
    actes_closing,
    actes_confirm,
    actes_moves,
    actes_sae,
    actes_send,
    actes_signing,
    actes_submit,
)
from tests.faults.balancing import Days
from tests.faults.histories import NIGHTLY, OPERATOR, PLAYED, TOWNS, Stage, acting_as, check_lives, play, stage
from tests.faults.models import ACTES, Model
from tests.faults.plant import (
    WINDOW,
    Plant,
    anomaly_mail,
    ar_mail,
    envelope_anomaly_mail,
    letter_mail,
    reply_ar_mail,
)
from tests.pdf_files import PDF

__all__ = ["stage"]

SLOTS = (("A", 0), ("A", 1), ("B", 0))
FIRST = {1, 7, 17, 18, 21}

SENT_AGAIN = """
    select name, bool_or(outcome is null or outcome in ('uncertain', 'settled')) as in_doubt,
        count(*) filter (where outcome = 'failed' and reached) as refused,
        (
            select coalesce(max(moves), 0) from (
                select count(*) filter (where before = -1 and status in (1, 2) and answer is not null) as moves from (
                    select transaction_id, w.status, lag(w.status) over life as before,
                        lag(w.flux_content_id) over life as answer
                    from acte_workflow w join acte_transaction t on t.id = transaction_id
                    where t.envelope_id = object_id window life as (partition by transaction_id order by w.id)
                ) line group by transaction_id
            ) life
        ) as put_again
    from attempt group by name, object_id"""

slots = st.sampled_from([0, 0, 0, 1, 2])
"""The first one most often: what has lived long enough for rare moves is needed, as well as others beside it."""
modes = st.sampled_from(["accept", "accept", "refuse", "cut"])
events = st.one_of(
    st.tuples(st.just("submit"), slots),
    st.tuples(st.just("transmit"), slots, modes),
    st.tuples(st.just("ar"), slots),
    st.tuples(st.just("anomaly"), slots, st.sampled_from(["001", "002", "007"])),
    st.tuples(st.just("refuse_envelope"), slots),
    st.tuples(st.just("letter"), slots, st.sampled_from(["2-1", "3-1", "4-1", "5-1"]), st.sampled_from([19, 29])),
    st.tuples(st.just("acknowledge"), slots, modes),
    st.tuples(st.just("cancel"), slots, modes),
    st.tuples(st.just("cancelled"), slots),
    st.tuples(st.just("reply"), slots, st.sampled_from(["3", "4"]), modes),
    st.tuples(st.just("reply_ar"), slots, st.sampled_from(["3-5", "4-5"])),
    st.tuples(st.just("misdirect"), slots),
    st.tuples(st.just("wait"), slots),
    st.tuples(
        st.sampled_from(
            ["deposit", "prepare", "draft", "to_sign", "confirm", "unsigned", "give_up", "unanswered", "plan"]
        ),
        slots,
    ),
    st.tuples(st.just("put_again"), slots, st.sampled_from([1, 2])),
    st.tuples(st.just("close"), slots, st.sampled_from([5, 6])),
    st.tuples(st.sampled_from(["tell", "tell", "correct"]), slots, st.sampled_from([12, 13, 14, 19, 20])),
)
SENT: list[tuple[Any, ...]] = [("submit", 0), ("transmit", 0, "accept")]
KNOWN = [*SENT, ("ar", 0)]
ENDS: list[list[tuple[Any, ...]]] = [
    [("close", 0, 5)],
    [("close", 0, 6)],
    [("plan", 0)],
    [("tell", 0, 12)],
    [("tell", 0, 12), ("tell", 0, 14)],
    [("tell", 0, 13)],
    [("plan", 0), ("tell", 0, 20)],
]
# most histories of one length do little: begin with acts that left, or ended
beginnings = st.sampled_from(
    [
        [],
        SENT,
        [*KNOWN, ("submit", 2), ("transmit", 2, "accept"), ("ar", 2)],
        [("submit", 0), ("transmit", 0, "cut"), ("submit", 2), ("transmit", 2, "cut")],
        [*SENT, ("anomaly", 0, "007")],
        [("submit", 0), ("transmit", 0, "refuse"), ("give_up", 0)],
        *([*KNOWN, *ended] for ended in ENDS),
        *([*KNOWN, ("cancel", 0, "accept"), *ended, ("cancelled", 0)] for ended in ENDS),
        [*KNOWN, ("letter", 0, "3-1", 19), ("letter", 0, "4-1", 29)],
        [("to_sign", 0), ("draft", 2)],
        [("draft", 0)],
        [("deposit", 0)],
        [("deposit", 0), ("give_up", 0)],
    ]
)
histories = st.tuples(beginnings, st.lists(events, min_size=1, max_size=12)).map(lambda both: [*both[0], *both[1]])


@dataclass(slots=True)
class History:
    """One example being played, in a database where others were: its acts bear numbers of its own."""

    works: Plant
    serial: int
    acts: dict[int, ActeId] = field(default_factory=dict)
    first: int = 0
    model: Model = field(default_factory=lambda: Model(ACTES))
    module: str = "acte"

    def number(self, slot: int) -> str:
        return f"H{self.serial}_{SLOTS[slot][1]}"

    def siren(self, slot: int) -> str:
        return TOWNS[SLOTS[slot][0]]

    def unique_id(self, slot: int) -> str:
        return f"034-{self.siren(slot)}-20260309-{self.number(slot)}-DE"

    async def play(self, event: tuple[Any, ...]) -> None:
        """One event; that somebody refuses or must wait is part of the play."""
        self.works.prefecture.mode = "accept"
        try:
            await play(self, event, SLOTS[event[1]][0])
        finally:
            self.works.prefecture.mode = "accept"

    async def snapshot(self, town: str) -> list[Any]:
        """Everything of a collectivité that an event of another must not change."""
        return await self.works.fetch(
            """select t.id, t.status, count(w.*), (select count(*) from received r where r.authority_id = a.id)
            from acte_transaction t join authority a on a.id = t.authority_id
            left join acte_workflow w on w.transaction_id = t.id
            where a.siren = $1 group by t.id, t.status, a.id order by t.id""",
            TOWNS[town],
        )

    # --- clients

    async def do_submit(self, slot: int) -> None:
        acte = await self.works.submit_acte(self.number(slot), SLOTS[slot][0])
        self.acts[slot] = acte
        await self._prepare(acte)

    async def do_deposit(self, slot: int) -> None:
        self.acts[slot] = await self.works.submit_acte(self.number(slot), SLOTS[slot][0])

    async def do_prepare(self, slot: int) -> None:
        if slot in self.acts:
            await self._prepare(self.acts[slot])

    async def do_draft(self, slot: int) -> None:
        self.acts[slot] = await self.works.submit_acte(self.number(slot), SLOTS[slot][0], en_attente=True)

    async def do_to_sign(self, slot: int) -> None:
        self.acts[slot] = await self.works.submit_acte(self.number(slot), SLOTS[slot][0], must_signed=True)

    async def do_confirm(self, slot: int) -> None:
        if slot in self.acts:
            await actes_confirm.confirm(self.works.deps, self.works.people[SLOTS[slot][0]], self.acts[slot])
            await self._prepare(self.acts[slot])

    async def do_unsigned(self, slot: int) -> None:
        if slot in self.acts:
            who = self.works.people[SLOTS[slot][0]]
            await actes_signing.post_without_signature(self.works.deps, who, self.acts[slot])
            await self._prepare(self.acts[slot])

    async def do_close(self, slot: int, target: int) -> None:
        """The préfet's two months are over."""
        if slot in self.acts:
            who = acting_as(Role.ADM, self.works.people[SLOTS[slot][0]])
            self.works.elapse(timedelta(days=70))
            try:
                await actes_closing.close(self.works.deps, who, [self.acts[slot]], ActeStatus(target))
            finally:
                self.works.elapse(timedelta(days=-70))

    async def do_plan(self, slot: int) -> None:
        await self.do_close(slot, 19)

    # --- the archivist and the operator

    async def do_tell(self, slot: int, target: int) -> None:
        if slot in self.acts:
            who = acting_as(Role.ARCH, self.works.people[SLOTS[slot][0]])
            await actes_sae.tell_status(self.works.deps, who, self.acts[slot], target)

    async def do_correct(self, slot: int, target: int) -> None:
        if slot in self.acts:
            await actes_sae.correct_status(self.works.deps, OPERATOR, self.acts[slot], target)

    async def do_give_up(self, slot: int) -> None:
        if slot in self.acts:
            await actes_moves.give_up(self.works.deps, OPERATOR, self.acts[slot])

    async def do_put_again(self, slot: int, target: int) -> None:
        if slot in self.acts:
            await actes_moves.put_again(self.works.deps, OPERATOR, self.acts[slot], ActeStatus(target))
            await self._prepare(self.acts[slot])

    async def do_unanswered(self, slot: int) -> None:
        """This collectivité's act seems to have waited for a month."""
        if slot in self.acts:
            query = "update acte_workflow set at = at - interval '40 days' where transaction_id = $1 returning id"
            lines = [row["id"] for row in await self.works.fetch(query, self.acts[slot])]
            try:
                await actes_closing.close_unanswered(self.works.deps)
            finally:  # what it says of its sending must be true of its attempts, for the balance
                back = "update acte_workflow set at = at + interval '40 days' where id = any($1)"
                await self.works.fetch(back, lines)

    async def do_cancel(self, slot: int, mode: str) -> None:
        if slot in self.acts:
            made = await actes_submit.cancel(self.works.deps, self.works.people[SLOTS[slot][0]], self.acts[slot])
            await self._prepare(made)
            await self._send(made, mode)

    async def do_reply(self, slot: int, choice: str, mode: str) -> None:
        for letter in await self._letters(slot):
            form = Reply(choice, "99_DE", PostedFile("réponse.pdf", len(PDF), PDF[:4096]))
            who = self.works.people[SLOTS[slot][0]]
            made = await actes_submit.reply(self.works.deps, who, letter, form, [await self.works.body(PDF)])
            await self._prepare(made)
            await self._send(made, mode)

    # --- workers

    async def _prepare(self, transaction: ActeId) -> None:
        await actes_send.analyse(self.works.deps, transaction)
        await actes_send.package(self.works.deps, await self.works.envelope_of(transaction))

    async def _send(self, transaction: ActeId, mode: str) -> None:
        self.works.prefecture.mode = mode
        await actes_send.transmit(self.works.deps, await self.works.envelope_of(transaction))

    async def do_transmit(self, slot: int, mode: str) -> None:
        if slot in self.acts:
            await self._send(self.acts[slot], mode)

    async def do_acknowledge(self, slot: int, mode: str) -> None:
        for letter in await self._letters(slot):
            await actes_send.acknowledge(self.works.deps, letter)
            made = await self.works.value("select id from acte_envelope where acknowledges_id = $1", letter)
            self.works.prefecture.mode = mode
            if made is not None:
                await actes_send.transmit(self.works.deps, EnvelopeId(made))

    async def do_wait(self, _slot: int) -> None:
        self.works.elapse(WINDOW + timedelta(seconds=1))

    # --- the préfecture

    async def do_ar(self, slot: int) -> None:
        acte, before, tried = self.acts.get(slot), None, False
        if acte is not None:
            before = await self.works.acte_status(acte)
            tried = bool(await self._attempts(acte))
        state, _ = await self.works.ingest(ar_mail(self.siren(slot), self.number(slot)))
        assert state in expected_ar(before, tried), (state, before, tried)
        if acte is not None and state == "handled":
            assert await self.works.acte_status(acte) == 4
        elif acte is not None:
            assert await self.works.acte_status(acte) == before

    async def do_anomaly(self, slot: int, nature: str) -> None:
        await self.works.ingest(anomaly_mail(nature, self.siren(slot), self.number(slot)))

    async def do_refuse_envelope(self, slot: int) -> None:
        if slot in self.acts:
            envelope = await self.works.envelope_of(self.acts[slot])
            name = await self.works.value("select name from acte_envelope where id = $1", envelope)
            await self.works.ingest(envelope_anomaly_mail(name))

    async def do_letter(self, slot: int, code: str, serial: int) -> None:
        await self.works.ingest(letter_mail(code, self.unique_id(slot), self.siren(slot), serial))

    async def do_cancelled(self, slot: int) -> None:
        await self.works.ingest(reply_ar_mail("6-2", self.unique_id(slot), self.siren(slot)))

    async def do_reply_ar(self, slot: int, code: str) -> None:
        await self.works.ingest(reply_ar_mail(code, self.unique_id(slot), self.siren(slot)))

    async def do_misdirect(self, slot: int) -> None:
        """A letter about an act of one collectivité in an envelope for the other: given to nobody."""
        wrong = next(siren for siren in TOWNS.values() if siren != self.siren(slot))
        state, _ = await self.works.ingest(letter_mail("3-1", self.unique_id(slot), wrong, 39))
        assert state == "set_aside"

    # --- what there is

    async def _letters(self, slot: int) -> list[ActeId]:
        if slot not in self.acts:
            return []
        query = "select id from acte_transaction where related_id = $1 and type between 2 and 5 order by id"
        return [ActeId(row["id"]) for row in await self.works.fetch(query, self.acts[slot])]

    async def _attempts(self, acte: ActeId) -> list[Any]:
        query = "select outcome from attempt where object_kind = 'acte_envelope' and object_id = $1"
        return await self.works.fetch(query, await self.works.envelope_of(acte))


def expected_ar(before: int | None, tried: bool) -> set[str]:
    """What becomes of an AR: applied to an act that left or may have, known when repeated, else for an operator."""
    if before == 3 or (before == 2 and tried):
        return {"handled"}
    if before in (0, 4, 5, 6, 12, 13, 14, 19, 20):
        return {"ignored"}
    if before == -1 and tried:
        return {"handled", "set_aside"}  # given up by us, it is answered late; refused by the ministry, it is not
    return {"set_aside"}


class Checks:
    """What holds after each event, whatever the history."""

    def __init__(self, works: Plant, history: History):
        self._works, self._history = works, history

    async def all(self) -> None:
        await self.lives()
        await self.proofs()
        await self.tenants()
        await self.letters()
        self.parcels()
        assert await self._works.value("select count(*) from received where state = 'new'") == 0

    async def lives(self) -> None:
        """Each life begins at a first status, goes by allowed moves, and ends at the status of the transaction."""
        await check_lives(self._works, "acte", FIRST, lambda a, b: may_move(ActeStatus(a), ActeStatus(b)))

    async def proofs(self) -> None:
        """An act has had its AR exactly when it went by 4, and the AR is that of its IDActe, for ever."""
        rows = await self._works.fetch(
            """select t.unique_id, c.data from acte_workflow w join acte_transaction t on t.id = w.transaction_id
            left join content c on c.id = w.flux_content_id where w.status = 4 and t.type = 1"""
        )
        for row in rows:
            assert row["data"] is not None
            assert f'IDActe="{row["unique_id"]}"'.encode() in row["data"]

    async def tenants(self) -> None:
        """What a transaction shows is its collectivité's, and what was received for one is about one of its acts."""
        strays = await self._works.value(
            """select count(*) from acte_transaction t
            left join acte_file f on f.transaction_id = t.id left join content b on b.id = f.content_id
            left join acte_workflow w on w.transaction_id = t.id left join content c on c.id = w.flux_content_id
            left join acte_transaction r on r.id = t.related_id
            where b.authority_id <> t.authority_id or c.authority_id <> t.authority_id
                or r.authority_id <> t.authority_id or f.authority_id <> t.authority_id"""
        )
        assert strays == 0
        mixed = await self._works.value(
            """select count(*) from received r join authority a on a.id = r.authority_id
            join content c on c.id = r.content_id where position(convert_to(a.siren, 'UTF8') in c.data) = 0"""
        )
        assert mixed == 0

    async def letters(self) -> None:
        """A letter is one transaction, however often it came."""
        twice = await self._works.fetch(
            """select f.name from acte_file f join acte_transaction t on t.id = f.transaction_id
            where f.position = 0 and t.type between 2 and 5 and t.type_reponse is null
            group by t.authority_id, f.name having count(*) > 1"""
        )
        assert twice == []

    def parcels(self) -> None:
        """The préfecture never has two different archives under one name."""
        names = Counter(name for name, _ in set(self._works.prefecture.parcels))
        assert [name for name, count in names.items() if count > 1] == []


async def doubled(works: Plant) -> list[str]:
    """Archives that the préfecture took more than once although no sending of them was ever in doubt, nor was any of
    their acts put in line again by an operator, who may once the ministry has refused it."""
    came = Counter(name for name, _ in works.prefecture.parcels)
    for row in await works.fetch(SENT_AGAIN):
        came[row["name"]] = 0 if row["in_doubt"] else came[row["name"]] - row["refused"] - row["put_again"]
    return [name for name, count in came.items() if count > 1]


@PLAYED
@given(history=histories)
@example(history=[("to_sign", 0), ("ar", 0)])
@example(history=[("submit", 0), ("transmit", 0, "refuse"), ("transmit", 0, "refuse"), ("transmit", 0, "accept")])
@example(history=[*SENT, ("anomaly", 0, "007"), ("put_again", 0, 2), ("transmit", 0, "accept"), ("ar", 0)])
@example(history=[("submit", 0), ("transmit", 0, "cut"), ("wait", 0), ("transmit", 0, "refuse"), ("anomaly", 0, "001")])
@example(
    history=[
        ("submit", 0),
        ("transmit", 0, "accept"),
        ("ar", 0),
        ("letter", 0, "3-1", 19),
        ("acknowledge", 0, "accept"),
        ("reply", 0, "4", "accept"),
        ("reply_ar", 0, "3-5"),
        ("cancel", 0, "accept"),
        ("cancelled", 0),
        ("cancelled", 0),
        ("ar", 0),
    ]
)
@example(
    history=[
        ("submit", 0),
        ("transmit", 0, "cut"),
        ("wait", 0),
        ("transmit", 0, "accept"),
        ("anomaly", 0, "001"),
        ("ar", 0),
    ]
)
async def test_whatever_happens_nothing_is_lost_doubled_or_mixed_up(
    stage: Stage, history: list[tuple[Any, ...]]
) -> None:
    works = stage.works
    first = int(await works.value("select coalesce(max(id), 0) from acte_transaction"))
    playing, days = History(works, await stage.begin(), first=first), Days(works, RouteKind.ACTES)
    for number, event in enumerate(history):
        await playing.play(event)
        if not NIGHTLY:
            await Checks(works, playing).all()
            if number == len(history) // 2:
                await days.end()
    await Checks(works, playing).all()
    assert await doubled(works) == []
    if not NIGHTLY:  # there the register of what is emptied stays
        await days.look_back()
        await days.end()
    stage.end(playing.model)
