"""The background checks of a PES, in S2LOW's order: the antivirus first; what is refused keeps its true reason."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tdt.config import Antivirus, Helios
from tdt.db.helios_reports import Report, list_reports
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Permanent, Temporary
from tdt.domain.helios.reading_words import say_unreadable
from tdt.domain.ids import HeliosId
from tdt.flows import helios_send, helios_view
from tests.clamd import EICAR, FOUND_MARK, MARK, Clamd
from tests.commands import open_terminal
from tests.dgfip_flows import Slip, attachment, attachments, blocks, flow, large_flow
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, plant, until
from tests.faults.test_workers import working
from tests.postgres import TestDatabase

OPERATOR = Actor(Source.CLI, None, "essai")


@pytest.fixture
async def guarded(database: TestDatabase, tmp_path: Path, clamd: Clamd) -> AsyncIterator[Plant]:
    """The pipeline, with the antivirus."""
    async with plant(database, tmp_path, antivirus=Antivirus(address=clamd.address, timeout=20.0)) as running:
        yield running


async def reports(works: Plant, number: HeliosId) -> dict[str, Report]:
    async with works.deps.transaction("system") as connection:
        return {one.aspect: one for one in await list_reports(connection, number)}


async def message(works: Plant, number: HeliosId) -> str:
    query = "select message from helios_workflow where transaction_id = $1 order by id desc limit 1"
    return str(await works.value(query, number))


async def refused(works: Plant, data: bytes, who: str = "A") -> tuple[str, HeliosId]:
    """The words of the refusal."""
    number = await works.submit_pes(data, who)
    await helios_send.analyse(works.deps, number)
    assert await works.helios_life(number) == [1, -1]
    assert not await works.value("select count(*) from job where kind = 'helios.transmit' and object_id = $1", number)
    return await message(works, number), number


# --- the antivirus


async def test_a_clean_flow_goes_on_with_its_report(guarded: Plant) -> None:
    number = await guarded.queued_pes(pes())
    found = await reports(guarded, number)
    assert found["antivirus"].verdict == "passed"
    assert found["antivirus"].data["found"] == ""
    assert str(found["antivirus"].data["engine"]).startswith("ClamAV ")


@pytest.mark.parametrize(
    "data",
    [
        pes().replace(b"H4sIAAAA", MARK),
        # worse in every other way too: the antivirus speaks first
        b'<?xml version="1.0" encoding="UTF-8"?><a>' + MARK,
        EICAR,
    ],
    ids=["a flow", "not even a flow", "the test file"],
)
async def test_an_infected_flow_is_refused_before_anything_else(guarded: Plant, data: bytes) -> None:
    text, number = await refused(guarded, data)
    assert text == f"Transaction {number} : un virus a été detecté dans le fichier PES"
    found = await reports(guarded, number)
    assert list(found) == ["antivirus"]
    assert found["antivirus"].verdict == "refused"


async def test_what_was_found_is_in_the_report(guarded: Plant) -> None:
    _, number = await refused(guarded, b"".join(large_flow(1_000_000, 3)).replace(b"QUJDQUJDQUJDQUJDQUJDQ", MARK, 1))
    assert (await reports(guarded, number))["antivirus"].data["found"] == FOUND_MARK


async def test_a_flow_waits_for_an_antivirus_that_is_stopped_then_leaves(guarded: Plant, clamd: Clamd) -> None:
    clamd.stop()
    number = await guarded.submit_pes(pes())
    query = "select last_error = 'ANTIVIRUS_INDISPONIBLE' and state = 'ready' from job where kind = 'helios.analyse'"
    async with working(guarded):
        await until(lambda: has(guarded, query), "tried, and to be tried again")
        assert await guarded.helios_life(number) == [1]
        clamd.start()
        sent = f"select status = 3 from helios_transaction where id = {number}"
        await until(lambda: has(guarded, sent), "left once the antivirus is back")


async def has(works: Plant, query: str) -> bool:
    return bool(await works.value(query))


async def test_its_limits_are_for_the_operator_not_for_the_client(guarded: Plant) -> None:
    number = await guarded.submit_pes(b"".join(large_flow(6_000_000, 1)))
    with pytest.raises(Temporary) as caught:
        await helios_send.analyse(guarded.deps, number)
    assert caught.value.code == "ANTIVIRUS_LIMITE"
    assert await guarded.helios_life(number) == [1]


async def test_turned_to_an_error_while_it_is_looked_at_stays_one(guarded: Plant, clamd: Clamd) -> None:
    number = await guarded.submit_pes(pes())
    clamd.pause()
    looking = asyncio.create_task(helios_send.analyse(guarded.deps, number))
    try:
        async with guarded.deps.transaction("system") as connection:
            await connection.execute("update helios_transaction set status = -1 where id = $1", number)
    finally:
        clamd.resume()
    await looking
    assert await guarded.helios_status(number) == -1
    assert not await guarded.value("select count(*) from job where kind = 'helios.transmit'")


async def test_without_antivirus_nothing_is_looked_at(works: Plant) -> None:
    number = await works.queued_pes(pes().replace(b"H4sIAAAA", MARK))
    assert list(await reports(works, number)) == ["reading"]


# --- a body that is not there


@pytest.mark.parametrize("large", [False, True])
async def test_a_missing_body_is_the_operators_matter(works: Plant, large: bool) -> None:
    """S2LOW refuses the flow; it may well come back, and its collectivité can do nothing about it."""
    number = await works.submit_pes(b"".join(large_flow(2_000_000, 2)) if large else pes())
    if large:
        for path in works.deps.spool.directory.iterdir():
            path.unlink()
    else:
        async with works.deps.transaction("system") as connection:
            await connection.execute(
                "update content set data = null, place = 'archive', archived_at = now() where id ="
                " (select content_id from helios_transaction where id = $1)",
                number,
            )
    with pytest.raises(Permanent):
        await helios_send.analyse(works.deps, number)
    assert await works.helios_life(number) == [1]
    async with working(works):
        dead = "select state = 'dead' from job where kind = 'helios.analyse'"
        await until(lambda: has(works, dead), "set aside for the operator")
    assert await works.helios_life(number) == [1]


# --- words, and the true reasons behind them

NOT_XML, NOT_LATIN = "ce fichier n'est pas en XML", "ce fichier n'est pas encodé en ISO-8859-1"
REASONS: dict[str, tuple[bytes, str, str, str]] = {
    "mark": (b"\xef\xbb\xbf" + pes(), NOT_LATIN, "PES_ENCODAGE", "byte order mark of UTF-8"),
    "utf-8": (pes().replace(b"ISO-8859-1", b"UTF-8", 1), NOT_LATIN, "PES_ENCODAGE", "declared encoding: UTF-8"),
    "truncated": (pes().removesuffix(b"</n:PES_Aller>"), NOT_XML, "PES_ILLISIBLE", "Premature end"),
    "two": (pes() + pes(), NOT_XML, "PES_ILLISIBLE", "only at the start of the document"),
    "rest": (pes() + b"\n<b/>", NOT_XML, "PES_ILLISIBLE", "Extra content"),
    "bomb": (
        pes().replace(b"?>\n", b'?>\n<!DOCTYPE a [<!ENTITY x "yyyyyyyy"><!ENTITY z "&x;&x;&x;&x;&x;&x;&x;&x;">]>\n', 1),
        NOT_XML,
        "PES_ILLISIBLE",
        "document type declarations",
    ),
    "deep": (
        pes().replace(b"</PES_PJ>", b"<a>" * 400 + b"</a>" * 400 + b"</PES_PJ>"),
        NOT_XML,
        "PES_ILLISIBLE",
        "levels",
    ),
}


@pytest.mark.parametrize("name", REASONS)
async def test_the_words_are_s2lows_and_the_true_reason_is_kept(works: Plant, name: str) -> None:
    data, words, code, reason = REASONS[name]
    text, number = await refused(works, data)
    assert text == f"Transaction {number} : {words}"
    report = (await reports(works, number))["reading"]
    assert (report.verdict, report.data["code"]) == ("refused", code)
    assert reason in str(report.data["detail"])
    assert report.data["reason"] == say_unreadable(str(report.data["detail"])) != report.data["detail"]


@pytest.mark.parametrize(
    ("label", "seen"),
    [
        (b"Fournitures", "ASCII"),
        ("Été à la régie".encode("iso-8859-1"), "ISO-8859-1"),
        ("Été à la régie".encode(), "UTF-8"),
        ("12 € de régie".encode("cp1252"), "WINDOWS-1252"),
    ],
)
async def test_bytes_that_are_not_what_they_say_are_carried_and_told(works: Plant, label: bytes, seen: str) -> None:
    # the sender's name of the sample has an accent
    data = (
        pes()
        .replace("É".encode("iso-8859-1"), b"E")
        .replace(b'Description V="Pi\xe8ce"', b'Description V="' + label + b'"')
    )
    number = await works.queued_pes(data)
    report = (await reports(works, number))["reading"]
    assert (report.verdict, report.data["encoding"]) == ("passed", {"declared": "ISO-8859-1", "seen": seen})
    await helios_send.transmit(works.deps, number)
    [path] = list(works.ftp.sent.iterdir())
    assert path.read_bytes() == data


# --- unique on the platform


async def test_the_couple_of_another_is_refused_and_only_the_operator_reads_whose(works: Plant, tmp_path: Path) -> None:
    first = await works.queued_pes(pes(), "A")
    text, second = await refused(works, pes(number="13"), "B")
    assert text == f"Transaction {second} : ce fichier existe déjà sur la plateforme"
    owner, stranger = (works.people[name].user.authority_id for name in ("A", "B"))
    life = await helios_view.view(works.deps, OPERATOR, second)
    assert life["first_copy"] == {"flow": f"helios:{first}", "authority_id": owner, "authority": "A"}
    (tmp_path / "terminal").mkdir()
    terminal = open_terminal(works.database, tmp_path / "terminal")
    shown = await asyncio.to_thread(terminal.run, "flow", f"helios:{second}")
    assert f"helios:{first}, A (n° {owner}) ; à ne pas dire à la collectivité" in shown
    digest = await works.value("select encode(sha1, 'hex') from helios_transaction where id = $1", first)
    assert f"helios:{first} · Flux PES" in await asyncio.to_thread(terminal.run, "flow", digest)
    await check_nothing_tells(works, stranger, {"holder", "first_copy", f"helios:{first}"})


async def check_nothing_tells(works: Plant, authority: Any, words: set[str]) -> None:
    """In whatever row the collectivité may see, export included."""
    async with works.deps.transaction(authority) as connection:
        for table in ("audit", "event", "helios_workflow", "helios_report", "helios_transaction", "helios_nomfic"):
            for row in await connection.fetch(f"select to_jsonb(t)::text as line from {table} t"):
                assert not [word for word in words if word in row["line"]], table


async def test_nomfic_alone_is_no_couple(works: Plant) -> None:
    await works.queued_pes(pes())
    await works.queued_pes(pes(number="13").replace(b'<CodCol V="012"/>', b'<CodCol V="013"/>'))


async def test_a_refused_flow_leaves_its_couple_to_the_corrected_one(works: Plant) -> None:
    await refused(works, pes().replace(b'<IdColl V="12345678200010"/>', b'<IdColl V="123456782000100"/>'))
    await works.queued_pes(pes())


@pytest.mark.parametrize(("platform", "authority", "passes"), [(1, 1, True), (1, 0, False), (0, 1, False)])
async def test_the_waiver_needs_both(
    database: TestDatabase, tmp_path: Path, platform: int, authority: int, passes: bool
) -> None:
    helios = msgspec.structs.replace(Helios(), nomfic_uniqueness_waivable=bool(platform))
    async with plant(database, tmp_path, helios=helios) as works:
        await works.queued_pes(pes(), "A")
        async with works.deps.transaction("system") as connection:
            await connection.execute("update authority set nomfic_uniqueness_waived = $1", bool(authority))
        number = await works.submit_pes(pes(number="13"), "B")
        await helios_send.analyse(works.deps, number)
        assert await works.helios_status(number) == (2 if passes else -1)


# --- every kind of flow, end to end

ALLER_LESS = {
    "dépense": flow(blocks([Slip()])),
    "recette": flow(blocks([Slip(expense=False)])),
    "PJ alone": flow(attachments(attachment("12345678200010SEULE"))),
    "ORMC": flow(blocks([Slip(expense=False, kind="06")])).replace(b"PESALR1", b"PESORMC"),
    "facture alone": flow('<PES_Facture><EnTetePES_Facture><IdVer V="2"/></EnTetePES_Facture></PES_Facture>'),
    "marché alone": flow('<PES_Marche><EnTeteMarche><IdVer V="2"/></EnTeteMarche></PES_Marche>'),
}
ACQUIT_RETOUR = (
    flow()
    .replace(b"PES_Aller", b"PES_ACQUIT_RETOUR")
    .replace(b'CodCol V="012"', b'%b V="012"')
    .replace(b"</n:PES_ACQUIT_RETOUR>", b"<ACQUIT><EnTeteAcquit/></ACQUIT></n:PES_ACQUIT_RETOUR>")
)
EMITTER = flow()[flow().index(b"<Emetteur>") : flow().index(b"</Enveloppe>")]


@pytest.mark.parametrize("kind", ALLER_LESS)
async def test_each_kind_of_flow_is_carried_whole(works: Plant, kind: str) -> None:
    data = ALLER_LESS[kind]
    number = await works.queued_pes(data)
    await helios_send.transmit(works.deps, number)
    assert await works.helios_life(number) == [1, 2, 3]
    [path] = list(works.ftp.sent.iterdir())
    assert path.read_bytes() == data


@pytest.mark.parametrize("column", [b"CodCol", b"CodColl"])
@pytest.mark.parametrize("emitter", [True, False])
async def test_an_acquit_retour_awaits_no_answer(works: Plant, column: bytes, emitter: bool) -> None:
    data = ACQUIT_RETOUR.replace(b"%b", column).replace(EMITTER, EMITTER if emitter else b"")
    number = await works.queued_pes(data)
    await helios_send.transmit(works.deps, number)
    assert await works.helios_life(number) == [1, 2, 24]
    [path] = list(works.ftp.sent.iterdir())
    assert path.read_bytes() == data
    assert "SITE P_MSG PES#012#034001#00" in [command.upper() for command in works.ftp.commands]
    works.elapse(timedelta(days=30))
    assert await message(works, number) == f"Transaction {number} transmise au serveur."
