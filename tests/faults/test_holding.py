"""What an operator holds does not leave, whoever is about to send it; what is released does; doubts are decided."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tdt.admin.flow_text import lines_of
from tdt.config import Actes
from tdt.db.uncertain import list_uncertain
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Held, Permanent, Refused, Temporary, Uncertain
from tdt.domain.holds import Target, read_target
from tdt.domain.ids import HeliosId
from tdt.flows import acte_releases, actes_moves, actes_send, actes_view, helios_send, helios_view, holding, uncertain
from tdt.remote.routes import Remotes
from tests.commands import open_terminal
from tests.dgfip_flows import sample as pes
from tests.faults.plant import WINDOW, Plant, plant
from tests.faults.test_conventions import messages, town
from tests.faults.test_helios import lost, stores
from tests.postgres import TestDatabase

OPERATOR = Actor(Source.CLI, None, "exploitant")
SECOND = timedelta(seconds=1)


async def hold(works: Plant, target: str, reason: str = "Incident") -> holding.Held:
    return await holding.hold(works.deps, OPERATOR, read_target(target), reason)


async def release(works: Plant, target: str, reason: str = "Réglé") -> holding.Held:
    return await holding.release(works.deps, OPERATOR, read_target(target), reason)


async def test_an_acte_is_held_until_it_is_released_and_its_collectivite_reads_why(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    _, other = await works.packaged_acte("2026_018")
    await hold(works, f"actes:{acte}", "Erreur de pièce")
    for _ in range(2):
        with pytest.raises(Held, match="Envoi retenu par l'exploitant : Erreur de pièce"):
            await actes_send.transmit(works.deps, envelope)
    assert (await actes_view.view(works.deps, OPERATOR, acte))[
        "held"
    ] == "Envoi retenu par l'exploitant : Erreur de pièce"
    await actes_send.transmit(works.deps, other)  # it alone
    assert len(works.prefecture.parcels) == 1
    told = (2, "Envoi retenu par l'exploitant : Erreur de pièce")
    assert (await messages(works, "acte_workflow", acte)).count(told) == 1
    with pytest.raises(Refused, match="déjà retenu"):
        await hold(works, f"actes:{acte}")
    await release(works, f"actes:{acte}", "pièce vue")
    (_, last) = (await messages(works, "acte_workflow", acte))[-1]
    assert last == "L'envoi n'est plus retenu par l'exploitant : pièce vue"
    await actes_send.transmit(works.deps, envelope)
    assert await works.acte_status(acte) == 3
    with pytest.raises(Refused, match="n'est pas retenu"):
        await release(works, f"actes:{acte}")
    with pytest.raises(Refused, match="déjà parti"):
        await hold(works, f"actes:{acte}")
    audit = await works.fetch("select tag, object_id, data from audit where tag like 'cli:flow:%' order by id")
    assert [(row["tag"], row["object_id"]) for row in audit] == [("cli:flow:hold", acte), ("cli:flow:release", acte)]
    assert audit[0]["data"]["after"]["reason"] == "Erreur de pièce"
    assert (audit[1]["data"]["before"]["held_for"], audit[1]["data"]["after"]["reason"]) == (
        "Erreur de pièce",
        "pièce vue",
    )


async def test_a_pes_is_held_and_what_waits_for_it_is_woken(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    await hold(works, f"helios:{flow}")
    with pytest.raises(Held):
        await helios_send.transmit(works.deps, flow)
    life = await helios_view.view(works.deps, OPERATOR, flow)
    assert life["held"] == "Envoi retenu par l'exploitant : Incident"
    assert "Retenu        Envoi retenu par" in "\n".join(lines_of({"flow": f"helios:{flow}", **life}))
    late = "update job set run_at = now() + interval '1 hour', last_error = 'CONVENTION_RETENUE : x' returning id"
    await works.fetch(late)
    await release(works, f"helios:{flow}")
    assert await works.value("select run_at <= now() from job where kind = 'helios.transmit'")
    await helios_send.transmit(works.deps, flow)
    assert (stores(works), await works.helios_status(flow)) == (1, 3)


async def test_a_collectivite_and_all_of_them_are_held_at_large(works: Plant) -> None:
    _, mine = await works.packaged_acte()
    _, other = await works.packaged_acte("AUTRE", "B")
    flow = await works.queued_pes(pes())
    assert len((await hold(works, f"authority:{town(works)}")).suspensions) == 2
    with pytest.raises(Held, match="Télétransmission suspendue : Incident"):
        await actes_send.transmit(works.deps, mine)
    with pytest.raises(Held):
        await helios_send.transmit(works.deps, flow)
    await hold(works, "actes", "Panne du ministère")
    with pytest.raises(Held, match="pour toutes les collectivités : Panne du ministère"):
        await actes_send.transmit(works.deps, other)
    await release(works, "actes")
    await actes_send.transmit(works.deps, other)
    with pytest.raises(Held):
        await actes_send.transmit(works.deps, mine)
    await release(works, f"authority:{town(works)}")
    await actes_send.transmit(works.deps, mine)
    await helios_send.transmit(works.deps, flow)
    assert (len(works.prefecture.parcels), stores(works)) == (2, 1)


async def test_what_is_held_while_its_sender_connects_does_not_leave(
    works: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender has begun: one flow cannot be held any more; all of a collectivité can, up to the first byte."""
    acte, envelope = await works.packaged_acte()
    flow = await works.queued_pes(pes())
    monkeypatch.setattr(Remotes, "send_archive", _meddling(works, f"actes:{acte}", Remotes.send_archive))
    with pytest.raises(Temporary):
        await actes_send.transmit(works.deps, envelope)
    assert (works.prefecture.parcels, await works.outcomes()) == ([], ["failed"])
    with pytest.raises(Held):
        await actes_send.transmit(works.deps, envelope)
    with pytest.raises(Held):
        await helios_send.transmit(works.deps, flow)
    monkeypatch.undo()
    await release(works, f"authority:{town(works)}")
    await actes_send.transmit(works.deps, envelope)
    assert (await works.acte_status(acte), len(works.prefecture.parcels)) == (3, 1)


def _meddling(works: Plant, target: str, send: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    async def meddle(*given: object) -> str:
        with pytest.raises(Refused, match="un envoi est en cours"):
            await hold(works, target)
        assert (await hold(works, f"authority:{town(works)}")).begun == 1
        return await send(*given)

    return meddle


async def test_what_cannot_be_held_is_refused(works: Plant) -> None:
    for target in ("12", "actes:", "route:3", "authority:x", ""):
        with pytest.raises(Refused, match="ne désigne rien"):
            read_target(target)
    for target in ("actes:999", "helios:999", "authority:999"):
        with pytest.raises(Refused, match="n'existe pas"):
            await hold(works, target)
    with pytest.raises(Refused, match="raison"):
        await hold(works, "actes", " ")
    assert str(read_target("helios:3")) == "helios:3" and read_target("actes") == Target(read_target("actes:1").module)


async def test_a_doubt_about_an_acte_is_seen_decided_and_sent_again_identically(
    database: TestDatabase, tmp_path: Path
) -> None:
    settings = Actes(on_uncertain="hold", return_addresses=["retours@tdt.test"])
    async with plant(database, tmp_path, actes=settings) as works:
        acte, envelope = await works.packaged_acte()
        await _cut(works, envelope)
        [line] = await uncertain.list_doubts(works.deps)
        assert (line.attempt.target, line.attempt.status) == (f"actes:{acte}", 2)
        assert line.decided_by.startswith("la preuve de son arrivée")
        assert line.decided_at == line.attempt.started_at + WINDOW
        with pytest.raises(Refused, match="se poursuit de lui-même"):
            await acte_releases.resend(works.deps, OPERATOR, acte, "essai")
        works.elapse(WINDOW + SECOND)
        with pytest.raises(Permanent):
            await actes_send.transmit(works.deps, envelope)
        dead = "update job set state = 'dead', code = 'ENVOI_INCERTAIN' where kind = 'actes.transmit' returning id"
        await works.fetch(dead)
        [line] = await uncertain.list_doubts(works.deps)
        assert "tdt release" in line.decided_by and line.decided_at is None
        words = await acte_releases.resend(works.deps, OPERATOR, acte, "le ministère n'a rien")
        assert (await messages(works, "acte_workflow", acte))[-1] == (2, words)
        jobs = await works.fetch("select kind, state from job where kind = 'actes.transmit'")
        assert [tuple(row) for row in jobs] == [("actes.transmit", "ready")]
        await actes_send.transmit(works.deps, envelope)
        same = await works.fetch("select name, sha256, count(*) as tries from attempt group by name, sha256")
        assert [row["tries"] for row in same] == [2]
        assert await works.acte_life(acte) == [1, 2, 2, 3]


async def _cut(works: Plant, envelope: int) -> None:
    """A sending whose answer never came."""
    works.prefecture.mode = "cut"
    with pytest.raises((Uncertain, Temporary)):
        await actes_send.transmit(works.deps, envelope)  # type: ignore[arg-type]
    works.prefecture.mode = "accept"
    await works.fetch("update attempt set outcome = 'uncertain', reached = true where outcome is not null returning id")


async def test_a_doubt_is_declared_settled_and_its_ar_is_awaited(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await _cut(works, envelope)
    with pytest.raises(Refused, match="raison"):
        await acte_releases.declare_received(works.deps, OPERATOR, acte, "")
    await acte_releases.declare_received(works.deps, OPERATOR, acte, "vu par le ministère")
    assert await works.outcomes() == ["settled"]
    assert await works.acte_life(acte) == [1, 2, 3]
    [row] = await works.fetch("select data from audit where tag = 'cli:acte:declare_received'")
    assert (row["data"]["before"], row["data"]["after"]["status"]) == ({"status": 2, "reason": None}, 3)
    assert await works.value("select count(*) from job where kind = 'actes.transmit'") == 0
    with pytest.raises(Refused, match="n'attend pas"):
        await acte_releases.resend(works.deps, OPERATOR, acte, "essai")
    sure, _ = await works.packaged_acte("2026_018")
    with pytest.raises(Refused, match="aucun de ses envois"):
        await acte_releases.declare_received(works.deps, OPERATOR, sure, "essai")


async def test_work_that_was_lost_is_taken_up_again_from_its_state(works: Plant) -> None:
    posted = await works.submit_acte()
    packaged, envelope = await works.packaged_acte("2026_018")
    await works.fetch("delete from job returning id")
    for acte in (posted, packaged):
        await acte_releases.resend(works.deps, OPERATOR, acte, "perdu")
    jobs = await works.fetch("select kind, object_id from job order by id")
    assert [tuple(row) for row in jobs] == [("actes.analyse", posted), ("actes.transmit", envelope)]


async def test_what_is_given_up_is_decided_by_the_state_alone(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await _cut(works, envelope)
    await actes_moves.give_up(works.deps, OPERATOR, acte)
    [line] = await uncertain.list_doubts(works.deps)
    assert line.decided_by.startswith("rien n'est plus envoyé")


async def test_the_commands_show_hold_release_and_decide(works: Plant, tmp_path: Path) -> None:
    flow = await lost(works)
    terminal = open_terminal(works.database, tmp_path)

    async def rows(*words: object) -> Any:
        return await asyncio.to_thread(terminal.rows, *words)

    async def run(*words: object, code: int = 0) -> str:
        return await asyncio.to_thread(lambda: terminal.run(*words, code=code))

    [doubt] = await rows("release")
    assert (doubt["flow"], doubt["status"]) == (f"helios:{flow}", 2) and doubt["age_seconds"] >= 0
    assert "raison" in await run("hold", "helios", code=1)
    assert "raison" in await run("release", "helios", code=1)
    done = await rows("hold", "helios", "--reason", "Panne")
    assert done["held"] and list(done["suspensions"]) == ["helios"]
    [shown] = await rows("hold")
    assert (shown["target"], shown["module"], shown["reason"]) == ("helios", "helios", "Panne")
    assert "un seul flux" in await run("release", "helios", "--settled", "--reason", "x", code=1)
    await rows("release", "helios", "--reason", "Réglé")
    assert await rows("hold") == []
    assert "--settled" in await run("release", f"helios:{flow}", "--reason", "x", code=1)
    await works.fetch("update attempt set outcome = 'uncertain', started_at = started_at returning id")
    settled = await rows("release", f"helios:{flow}", "--settled", "--reason", "vu par la trésorerie")
    assert settled["decided"] == "settled"
    assert await works.helios_status(HeliosId(flow)) == 3
    async with works.deps.transaction("system") as connection:
        assert await list_uncertain(connection) == []
