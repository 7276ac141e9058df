"""Random histories of PES: deposits, workers and their crashes, acquits, moves by hand, in any order.

Three flows: two of collectivité A, one of B that bears the NomFic of the first under another CodCol. After each event
the same things must hold (`Checks`); what an acquit does is told exactly (`expected_acquit`).
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tdt.domain.authorities import Permission, Principal, Role
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import may_move
from tdt.domain.ids import HeliosId
from tdt.domain.routes import RouteKind
from tdt.flows import helios_confirm, helios_moves, helios_sae, helios_send, helios_signing, helios_submit
from tests.dgfip_flows import sample as pes
from tests.faults.balancing import Days
from tests.faults.histories import NIGHTLY, OPERATOR, PLAYED, TOWNS, Stage, acting_as, check_lives, play, stage
from tests.faults.models import HELIOS, Model
from tests.faults.plant import WINDOW, Plant, acquit
from tests.servers import Behaviour

__all__ = ["stage"]

SLOTS = (("A", 0, "012"), ("A", 1, "012"), ("B", 0, "013"))
"""Collectivité, number of the NomFic, CodCol."""
WEATHER = {
    "accept": Behaviour(),
    "refuse": Behaviour(stor_refusal="550 no"),
    "cut": Behaviour(cut_upload_after=500),
    "vanish": Behaviour(vanish_at_the_end=True),
}

ARCHIVING = (9, 10, 11, 19, 20, 23)
SIGNATURE = b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="s"/>'

slots = st.sampled_from([0, 0, 0, 1, 2])
"""The first one most often, as in `test_acte_histories.py`."""
events = st.one_of(
    st.tuples(st.just("submit"), slots),
    st.tuples(st.just("analyse"), slots),
    st.tuples(st.just("transmit"), slots, st.sampled_from(["accept", "accept", "accept", *WEATHER])),
    st.tuples(st.just("crash"), slots),
    st.tuples(st.just("wait"), slots),
    st.tuples(st.just("acquit"), slots, st.sampled_from(["ok", "mixed", "without"])),
    st.tuples(st.just("stray"), slots),
    st.tuples(st.just("set_aside"), slots),
    st.tuples(st.just("resend"), slots),
    st.tuples(st.just("set_error"), slots),
    st.tuples(st.just("repost"), slots, st.booleans()),
    st.tuples(st.just("release"), slots),
    st.tuples(st.just("declare"), slots),
    st.tuples(st.sampled_from(["to_sign", "to_post", "confirm", "give_up", "plan"]), slots),
    st.tuples(st.just("sign"), slots, st.booleans()),
    st.tuples(st.sampled_from(["accept", "refuse", "retour", "broken"]), slots),
    st.tuples(st.sampled_from(["tell", "tell", "tell"]), slots, st.sampled_from([9, 10, 11, 19, 20, 23])),
)


def leaving(slot: int, mode: str = "accept") -> list[tuple[Any, ...]]:
    return [("submit", slot), ("analyse", slot), ("transmit", slot, mode)]


KNOWN = [*leaving(0), ("acquit", 0, "ok"), ("tell", 0, 19)]
beginnings = st.sampled_from(
    [
        [("to_sign", 0), ("to_post", 2)],
        [("to_post", 0)],
        [("broken", 0), ("analyse", 0)],
        [("retour", 0), *leaving(0)[1:]],
        KNOWN,
        [*KNOWN, ("tell", 0, 9)],
        [*KNOWN, ("tell", 0, 9), ("tell", 0, 11)],
        [*KNOWN, ("tell", 0, 20)],
        [*KNOWN, ("tell", 0, 23)],
        [*leaving(0), ("accept", 0)],
        [*leaving(0), ("refuse", 0)],
        [*leaving(0), ("set_error", 0)],
        leaving(0),
        leaving(0) + leaving(2),
        leaving(0, "vanish") + leaving(2, "cut"),
        leaving(1, "refuse") + leaving(2),
    ]
)
histories = st.tuples(beginnings, st.lists(events, min_size=1, max_size=12)).map(lambda both: [*both[0], *both[1]])


@dataclass(slots=True)
class History:
    """One example being played, in a database where others were: its flows bear names of its own."""

    works: Plant
    serial: int
    flows: dict[int, HeliosId] = field(default_factory=dict)
    first: int = 0
    model: Model = field(default_factory=lambda: Model(HELIOS))
    module: str = "helios"

    def nomfic(self, slot: int) -> str:
        return f"H{self.serial}-{SLOTS[slot][1]}"

    def data(self, slot: int) -> bytes:
        column = SLOTS[slot][2].encode()
        return pes(self.nomfic(slot)).replace(b'<CodCol V="012"/>', b'<CodCol V="' + column + b'"/>')

    async def play(self, event: tuple[Any, ...]) -> None:
        try:
            await play(self, event, SLOTS[event[1]][0])
        finally:
            self.works.ftp.behaviour = self._weather("accept")

    async def snapshot(self, town: str) -> list[Any]:
        """Everything of a collectivité that an event of another must not change."""
        return await self.works.fetch(
            """select t.id, t.status, t.acquit_content_id, t.transmitted_name, count(w.*),
                (select count(*) from received r where r.authority_id = a.id)
            from helios_transaction t join authority a on a.id = t.authority_id
            left join helios_workflow w on w.transaction_id = t.id
            where a.siren = $1 group by t.id, a.id order by t.id""",
            TOWNS[town],
        )

    # --- clients and workers

    async def do_submit(self, slot: int) -> None:
        self.flows[slot] = await self.works.submit_pes(self.data(slot), SLOTS[slot][0])

    async def do_retour(self, slot: int) -> None:
        """A flow that nobody answers to."""
        data = self.data(slot).replace(b"PES_Aller", b"PES_ACQUIT_RETOUR")
        self.flows[slot] = await self.works.submit_pes(data, SLOTS[slot][0])

    async def do_broken(self, slot: int) -> None:
        """A flow that is not well-formed."""
        self.flows[slot] = await self.works.submit_pes(self.data(slot)[:-9], SLOTS[slot][0])

    async def do_to_sign(self, slot: int) -> None:
        await self._submit_waiting(slot, self.works.people[SLOTS[slot][0]], must_signed=True)

    async def do_sign(self, slot: int, transmits: bool) -> None:
        """Its signature, put in by who may transmit it too, or may not."""
        if slot in self.flows:
            who = self.works.people[SLOTS[slot][0]] if transmits else self._software(slot)
            signed = await self.works.body(self.data(slot).replace(b"</n:", SIGNATURE + b"</n:"))
            await helios_signing.sign(self.works.deps, who, self.flows[slot], signed)

    async def do_to_post(self, slot: int) -> None:
        await self._submit_waiting(slot, self._software(slot))

    def _software(self, slot: int) -> Principal:
        """Whose permission is to deposit, not to transmit."""
        who = self.works.people[SLOTS[slot][0]]
        rights = dict.fromkeys(who.user.permissions, Permission.CS)
        return replace(who, user=replace(who.user, permissions=rights))

    async def _submit_waiting(self, slot: int, who: Principal, must_signed: bool = False) -> None:
        body = await self.works.body(self.data(slot))
        self.flows[slot] = await helios_submit.submit(self.works.deps, who, "flux.xml", body, must_signed)

    async def do_confirm(self, slot: int) -> None:
        if slot in self.flows:
            await helios_confirm.confirm(self.works.deps, self.works.people[SLOTS[slot][0]], self.flows[slot])

    async def do_give_up(self, slot: int) -> None:
        if slot in self.flows:
            await helios_signing.cancel(self.works.deps, self.works.people[SLOTS[slot][0]], self.flows[slot])

    async def do_plan(self, slot: int) -> None:
        if slot in self.flows:
            await helios_sae.plan(self.works.deps, self.works.people[SLOTS[slot][0]], [self.flows[slot]])

    async def do_tell(self, slot: int, target: int) -> None:
        if slot in self.flows:
            who = acting_as(Role.ARCH, self.works.people[SLOTS[slot][0]])
            await helios_sae.tell(self.works.deps, who, self.flows[slot], helios_sae.Told(target))

    async def do_analyse(self, slot: int) -> None:
        if slot in self.flows:
            await helios_send.analyse(self.works.deps, self.flows[slot])

    async def do_transmit(self, slot: int, mode: str) -> None:
        if slot in self.flows:
            self._set_weather(mode)
            await helios_send.transmit(self.works.deps, self.flows[slot])

    async def do_crash(self, slot: int) -> None:
        """The worker dies once the bytes have left: nothing was recorded of it."""
        if slot in self.flows and await self.works.helios_status(self.flows[slot]) == 2:
            try:
                await self.do_transmit(slot, "vanish")
            finally:
                query = (
                    "update attempt set outcome = null, ended_at = null where object_id = $1 and outcome = 'uncertain'"
                )
                await self.works.fetch(query, self.flows[slot])

    async def do_set_aside(self, slot: int) -> None:
        if slot in self.flows:
            await self.works.fetch("update job set state = 'dead' where object_id = $1", self.flows[slot])

    async def do_wait(self, _slot: int) -> None:
        self.works.elapse(WINDOW + timedelta(seconds=1))

    # --- the operator

    async def do_resend(self, slot: int) -> None:
        if slot in self.flows:
            await helios_moves.resend(self.works.deps, OPERATOR, self.flows[slot], "essai")

    async def do_set_error(self, slot: int) -> None:
        if slot in self.flows:
            await helios_moves.set_error(self.works.deps, OPERATOR, self.flows[slot], "essai")

    async def do_repost(self, slot: int, force: bool) -> None:
        if slot in self.flows:
            await helios_moves.repost(self.works.deps, OPERATOR, self.flows[slot], "essai", force)

    async def do_release(self, slot: int) -> None:
        if slot in self.flows:
            await helios_moves.release(self.works.deps, OPERATOR, self.flows[slot], "essai")

    async def do_declare(self, slot: int) -> None:
        if slot in self.flows:
            await helios_moves.declare_received(self.works.deps, OPERATOR, self.flows[slot], "essai")

    # --- the DGFiP

    async def do_acquit(self, slot: int, form: str) -> None:
        column = SLOTS[slot][2] if form != "without" else None
        concerned = await self.concerned(slot, column)
        if form == "without" and {row["siren"] for row in concerned} == {TOWNS["A" if slot == 2 else "B"]}:
            return  # it is rightly the other's, who alone has sent this NomFic
        answer = acquit(self.nomfic(slot), column, form)
        if form == "mixed":
            refused = b'<ElementACQUIT><EtatAck V="0"/></ElementACQUIT></ACQUIT>'
            answer = answer.replace(b"</ACQUIT>", refused)
        known = await self.works.value(
            """select count(*) from received r join content c on c.id = r.content_id
            where c.data = $1 and r.helios_id is not null and r.state <> 'ignored'""",
            answer,
        )
        state, _ = await self.works.ingest_file(answer)
        assert state in expected_acquit(concerned, bool(known)), (state, concerned, known)
        if state == "handled":
            assert await self.works.helios_status(concerned[0]["id"]) == 8

    async def do_accept(self, slot: int) -> None:
        """An acquit that says nothing of what became of the content."""
        whole = acquit(self.nomfic(slot), SLOTS[slot][2], "bare")
        start, end = whole.index(b"<ACQUIT>"), whole.index(b"</ACQUIT>") + len(b"</ACQUIT>")
        await self.works.ingest_file(whole[:start] + whole[end:])

    async def do_refuse(self, slot: int) -> None:
        """A PES_NonAcquit."""
        answer = acquit(self.nomfic(slot), SLOTS[slot][2], "refused")
        await self.works.ingest_file(answer.replace(b"n:PES_ACQUIT", b"n:PES_NonAcquit"))

    async def concerned(self, slot: int, column: str | None) -> list[Any]:
        """The flows that left, or may have, under the NomFic."""
        return await self.works.fetch(
            """select t.id, t.status, a.siren from helios_transaction t join authority a on a.id = t.authority_id
            where xml_nomfic = $1 and ($2::text is null or xml_cod_col = $2) and transmitted_name is not null""",
            self.nomfic(slot),
            column,
        )

    async def do_stray(self, slot: int) -> None:
        """An acquit of nobody: kept for the operator."""
        state, owner = await self.works.ingest_file(acquit(f"AUTRE-{self.serial}", SLOTS[slot][2]))
        assert (state, owner) == ("set_aside", None)

    def _set_weather(self, mode: str) -> None:
        self.works.ftp.behaviour = self._weather(mode)

    def _weather(self, mode: str) -> Behaviour:
        return replace(WEATHER[mode])


def expected_acquit(concerned: list[Any], known: bool) -> set[str]:
    """What becomes of an acquit: applied to the one flow that it answers, known when repeated, else for an operator."""
    if not concerned:
        return {"set_aside"}
    if len(concerned) > 1:
        return {"set_aside", "ignored"}
    if known:
        return {"ignored"}
    return {"set_aside"} if concerned[0]["status"] in (8, 24, *ARCHIVING) else {"handled"}


class Checks:
    """What holds after each event, whatever the history."""

    def __init__(self, works: Plant):
        self._works = works

    async def all(self) -> None:
        await check_lives(self._works, "helios", {1, 13, 14}, lambda a, b: may_move(HeliosStatus(a), HeliosStatus(b)))
        await self.answers()
        await self.names()
        await self.received()
        await self.at_the_dgfip()

    async def answers(self) -> None:
        """A flow is answered exactly when it has an acquit, which is its own and says its NomFic."""
        rows = await self._works.fetch(
            """select t.id, t.status, t.authority_id, t.xml_nomfic, c.data, c.authority_id as owner
            from helios_transaction t left join content c on c.id = t.acquit_content_id
            where t.status in (4, 6, 8) or t.acquit_content_id is not null"""
        )
        for row in rows:
            assert row["status"] in (4, 6, 8, *ARCHIVING) and row["data"] is not None, row
            assert f'<NomFic V="{row["xml_nomfic"]}"/>'.encode() in row["data"]
            assert row["owner"] == row["authority_id"]

    async def names(self) -> None:
        """One name, one content, one flow, and the other way round; an attempt is under the name of its flow."""
        query = """
            select 1 from attempt a join helios_transaction t on t.id = a.object_id
            where a.name <> t.transmitted_name or a.sha256 <> (select sha256 from content where id = t.content_id)
                or a.authority_id <> t.authority_id
            union all
            select 1 from helios_transaction where transmitted_name is not null
            group by transmitted_name having count(*) > 1
            union all
            select 1 from attempt group by name having count(distinct object_id) > 1 or count(distinct sha256) > 1"""
        assert await self._works.fetch(query) == []

    async def received(self) -> None:
        """Nothing is left unread; what was given to a flow is its collectivité's."""
        query = """
            select 1 from received r left join helios_transaction t on t.id = r.helios_id
            where r.state = 'new' or (r.state = 'handled' and r.authority_id is distinct from t.authority_id)
                or t.authority_id <> r.authority_id"""
        assert await self._works.fetch(query) == []

    async def at_the_dgfip(self) -> None:
        """What it has under a name is the flow of this name, or the beginning of it."""
        rows = await self._works.fetch(
            """select t.transmitted_name as name, c.data from helios_transaction t join content c on c.id = t.content_id
            where t.transmitted_name is not null"""
        )
        for row in rows:
            path = self._works.ftp.sent / row["name"]
            assert not path.exists() or row["data"].startswith(path.read_bytes())


async def doubled(works: Plant) -> list[Any]:
    """Flows accepted more often than the doubts about their sendings and the decisions of the operator explain."""
    return await works.fetch(
        """select object_id from attempt a where object_kind = 'helios_transaction' group by object_id
        having count(*) filter (where outcome = 'accepted') > 1
            + count(*) filter (where outcome is null or outcome in ('uncertain', 'settled'))
            + (select count(*) from audit u where u.object_id = a.object_id
                and u.tag in ('cli:helios:resend', 'cli:helios:repost', 'cli:helios:release'))"""
    )


def set_rule(works: Plant, hold: bool) -> None:
    """What is in doubt is sent again by itself, or waits for the operator."""
    config = works.deps.config
    helios = msgspec.structs.replace(config.helios, on_uncertain="hold" if hold else "resend")
    works.deps = replace(works.deps, config=msgspec.structs.replace(config, helios=helios))


@PLAYED
@given(history=histories, hold=st.booleans())
@example(
    history=[*leaving(0), ("set_error", 0), ("repost", 0, True), ("acquit", 0, "ok"), ("analyse", 0), ("resend", 0)],
    hold=False,
)
@example(
    history=[
        ("submit", 0),
        ("analyse", 0),
        ("crash", 0),
        ("wait", 0),
        ("transmit", 0, "accept"),
        ("set_aside", 0),
        ("release", 0),
        ("transmit", 0, "accept"),
        ("acquit", 0, "mixed"),
        ("acquit", 0, "mixed"),
        ("acquit", 0, "ok"),
    ],
    hold=True,
)
@example(history=[*leaving(0), *leaving(2), ("acquit", 0, "without"), ("acquit", 2, "ok"), ("resend", 0)], hold=False)
async def test_whatever_happens_to_a_pes_nothing_is_lost_doubled_or_mixed_up(
    stage: Stage, history: list[tuple[Any, ...]], hold: bool
) -> None:
    works = stage.works
    set_rule(works, hold)
    first = int(await works.value("select coalesce(max(id), 0) from helios_transaction"))
    playing, days = History(works, await stage.begin(), first=first), Days(works, RouteKind.HELIOS)
    for number, event in enumerate(history):
        await playing.play(event)
        if not NIGHTLY:
            await Checks(works).all()
            if number == len(history) // 2:
                await days.end()
    await Checks(works).all()
    assert await doubled(works) == []
    if not NIGHTLY:  # there the register of what is emptied stays
        await days.look_back()
        await days.end()
    stage.end(playing.model)
