"""The simulated préfecture: the order of its checks, what it remembers of its letters, its odd ways of mailing."""

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from tdt.simulators.prefecture_variants import FAR, leaving_at
from tests.actes_archives import PDF, Acte, Idcl, Parcel, acte_parcel, answer_parcel, with_changes
from tests.certificates import TestAuthority
from tests.integration.prefecture_stand import Bench, Stand, open_stand, start

ACTE = Acte()
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = await start(tmp_path, TestAuthority(tmp_path))
    yield bench
    await bench.stop()


@pytest.fixture
async def stand(bench: Bench) -> AsyncIterator[Stand]:
    async with open_stand(bench) as stand:
        yield stand


def worse(parcel: Parcel, step: int) -> Parcel:
    """The archive with one more fault: that of this step of the checks, in the order of the protocol."""
    form = next(iter(parcel.messages))
    match step:
        case 0:
            return replace(parcel, prefix="XYZ-TACT")
        case 1:
            return with_changes(parcel, {**parcel.changes, "dossier/x.pdf": PDF})
        case 2:
            return replace(parcel, address="pas une adresse")
        case 3:
            return replace(parcel, idcl=Idcl(district="1"))
        case 4:
            return with_changes(parcel, {**parcel.changes, form: None})
    raise AssertionError(step)


ENVELOPE_STEPS = ("003 : nom d'archive", "003 : entrée refusée", "003 : valeur de Email", "005 PREF-VERIF-02", "001")


@pytest.mark.parametrize("first", range(5))
async def test_of_several_faults_of_an_envelope_the_first_in_the_order_of_the_protocol_is_told(
    stand: Stand, first: int
) -> None:
    parcel = acte_parcel(ACTE)
    for step in range(first, 5):
        parcel = worse(parcel, step)
    assert await stand.post(parcel) == 201
    (mail,) = await stand.wait_mails(1)
    nature, _, words = ENVELOPE_STEPS[first].partition(" ")
    assert mail.text("Nature") == nature
    assert words.removeprefix(": ") in mail.text("Detail")


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("007", {"files": (("99_AR", "pdf", b"MZ"), ("31_DP", "pdf", PDF))}),
    ("001", {}),
    ("002", {"classification": "2018-01-01"}),
    ("003", {"matieres": (3, 9)}),
    ("007", {"files": (("99_AR", "pdf", PDF), ("31_DP", "pdf", PDF))}),
]
"""Formats; number; date of the classification; matières; typologie: each with what the next ones are about."""


@pytest.mark.parametrize("first", range(5))
async def test_of_several_faults_of_an_act_too(stand: Stand, first: int) -> None:
    await stand.command("/prefecture/behaviour", {"answer": "auto"})
    if first <= 1:
        assert await stand.post(acte_parcel(ACTE)) == 201
        await stand.wait_mails(1)
    changes: dict[str, Any] = {}
    for _, change in reversed(FAULTS[first:]):
        changes |= change
    assert await stand.post(acte_parcel(replace(ACTE, **changes), 2)) == 201
    mail = (await stand.wait_mails(2 if first <= 1 else 1))[-1]
    assert (mail.kind, mail.text("Nature")) == ("AnomalieActe", FAULTS[first][0])
    assert ("ODT-VERIF-01" in mail.text("Detail")) == (first == 2)


async def test_it_remembers_its_letters_who_acknowledged_them_and_what_answered(stand: Stand) -> None:
    await stand.command("/prefecture/behaviour", {"answer": "auto"})
    await stand.post(acte_parcel(ACTE))
    await stand.wait_mails(1)
    asked = {"id_acte": ACTE.id_acte, "messages": ["3-1", "4-1"], "date": "2026-11-22"}
    names = (await stand.command("/prefecture/letters", asked))["messages"]
    assert b'actes:DateCourrierPref="2026-11-22"' in (await stand.wait_mails(3))[-1].xml
    for serial, code in enumerate(("3-2", "3-4", "4-3", "3-3"), 10):
        assert await stand.post(answer_parcel(ACTE.id_acte, code, serial)) == 201
    await stand.wait_mails(6)
    assert await get(stand, f"/prefecture/acts/{ACTE.id_acte}/letters") == (
        200,
        [
            {"code": "3-1", "date": "2026-11-22", "message": names[0], "acknowledged": True, "answers": ["3-4", "3-3"]},
            {"code": "4-1", "date": "2026-11-22", "message": names[1], "acknowledged": False, "answers": ["4-3"]},
        ],
    )
    assert await get(stand, "/prefecture/acts") == (200, [{"id_acte": ACTE.id_acte, "siren": "123456782"}])
    await stand.post(answer_parcel(ACTE.id_acte, "6-1", 20))
    await stand.wait_mails(7)
    assert await get(stand, "/prefecture/acts") == (200, [])
    assert (await get(stand, f"/prefecture/acts/{ACTE.id_acte}/letters"))[0] == 404


async def get(stand: Stand, path: str) -> tuple[int, Any]:
    async with stand.session.get(stand.control + path) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("code", ["2-2", "3-2", "3-3", "3-4", "4-2", "4-3", "4-4"])
async def test_an_answer_to_no_letter_is_refused(stand: Stand, code: str) -> None:
    await stand.command("/prefecture/behaviour", {"answer": "auto"})
    await stand.post(acte_parcel(ACTE))
    await stand.wait_mails(1)
    await stand.command("/prefecture/letters", {"id_acte": ACTE.id_acte, "messages": ["2-1", "3-1", "4-1"]})
    await stand.post(answer_parcel(ACTE.id_acte, code, 2, letter_day="2020-01-01"))
    mail = (await stand.wait_mails(5))[-1]
    assert (mail.kind, mail.text("Nature")) == ("AnomalieEnveloppe", "100")
    assert "aucun courrier de cette date" in mail.text("Detail")


@pytest.mark.parametrize(
    ("shape", "kind", "logo"), [("plain", "mixed", False), ("logo", "mixed", True), ("nested", "alternative", False)]
)
async def test_the_shapes_of_its_mails(stand: Stand, shape: str, kind: str, logo: bool) -> None:
    await stand.command("/prefecture/behaviour", {"mail_shape": shape})
    await stand.post(acte_parcel(ACTE))
    (mail,) = await stand.wait_mails(1)
    (raw,) = (file.read_bytes() for file in (stand.maildir / "new").iterdir())
    assert f"Content-Type: multipart/{kind}".encode() in raw
    names = [name for name, _ in mail.files]
    assert mail.kind == "ARActe" and names[0].startswith("TACT--SPREF0343")
    assert ("logo.jpg" in names) == logo == ("cid:logo.jpg" in mail.html)


async def test_bytes_of_another_encoding_long_serials_and_an_echo_without_papier(stand: Stand) -> None:
    odd = {"encoding": "utf-8 as latin-1", "serial_offset": 52_790, "echo_papier": False, "answer": "anomaly:ERREUR2"}
    await stand.command("/prefecture/behaviour", odd)
    await stand.post(acte_parcel(ACTE))
    raw = await first_raw(stand)
    ((envelope_name, envelope), (name, message)) = raw
    assert re.fullmatch(r"034-123456782----1-3_5279[0-9]\.xml", name) and re.search(r"-5279[0-9]\.xml", envelope_name)
    for data in (envelope, message):
        assert data.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>')
    assert "l'été".encode() in message and "l'été".encode("latin-1") not in message
    assert b"DocumentPapier" not in message and b"<actes:Nature>ERREUR2<" in message


async def first_raw(stand: Stand) -> list[tuple[str, bytes]]:
    """The files of the only mail, unjudged: what is odd in them breaks the schema."""
    folder = stand.maildir / "new"
    deadline = time.monotonic() + 20
    while not list(folder.iterdir()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    (file,) = folder.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    files = [(str(part.get_filename()), part.get_payload(decode=True)) for part in message.iter_attachments()]
    return [(name, data) for name, data in files if isinstance(data, bytes)]


@pytest.mark.parametrize(("order", "expected"), [("first", ["A1", "A2", "A3"]), ("last", ["A3", "A2", "A1"])])
async def test_mails_are_held_then_released_in_any_order(stand: Stand, order: str, expected: list[str]) -> None:
    await stand.command("/prefecture/behaviour", {"hold": "always"})
    for serial, number in enumerate(("A1", "A2", "A3"), 1):
        assert await stand.post(acte_parcel(Acte(number=number), serial)) == 201
    assert len(await stand.received()) == 3 and stand.mails() == []
    await stand.command("/prefecture/behaviour", {"hold": "never"})
    assert await stand.command("/prefecture/release", {"order": order}) == {"released": 3}
    mails = await stand.wait_mails(3)
    assert [number for mail in mails for number in expected if f"-{number}-DE" in mail.files[1][0]] == expected
    assert await stand.command("/prefecture/release", {}) == {"released": 0}


def test_it_is_closed_at_weekends() -> None:
    friday = datetime(2026, 11, 27, 18, 0, tzinfo=PARIS)
    assert leaving_at(friday, 60, "closed days") == friday.timestamp() + 60
    monday = datetime(2026, 11, 30, 8, 0, tzinfo=PARIS).timestamp()
    for later in (timedelta(hours=6), timedelta(days=1), timedelta(days=2)):
        assert leaving_at(friday + later, 0, "closed days") == monday
    assert leaving_at(friday, 6 * 3600, "closed days") == monday, "due on Saturday"
    assert leaving_at(friday, 0, "always") == friday.timestamp() + FAR


async def test_a_reminder_without_xml_and_junk(stand: Stand) -> None:
    await stand.post(acte_parcel(ACTE))
    await stand.wait_mails(1)
    await stand.command("/prefecture/notice", {"kind": "multi-canal", "id_acte": ACTE.id_acte})
    reminder = (await stand.wait_mails(2))[-1]
    assert reminder.files == () and "multi canal" in reminder.html
    await stand.command("/prefecture/notice", {"kind": "junk"})
    junk = sorted((file.read_bytes() for file in (stand.maildir / "new").iterdir()), key=len)[0]
    assert junk.startswith(b"From: prix@gagnants.test")


async def test_the_door_wants_credentials_hangs_is_out_on_one_address_or_closed(stand: Stand) -> None:
    main, rescue = stand.url, stand.url.replace("/actes/upload", "/secours/upload")
    parcel = acte_parcel(ACTE)

    async def post(url: str, headers: dict[str, str] | None = None) -> int:
        return await Stand(stand.session, url, stand.control, stand.maildir).post(parcel, headers)

    await stand.command("/prefecture/behaviour", {"credentials": "tdt:mot de passé"})
    basic = base64.b64encode("tdt:mot de passé".encode()).decode()
    assert await post(main) == await post(f"{main}?user=tdt&password=x") == 401
    assert await post(main, {"Authorization": "Basic !"}) == await post(main, {"Authorization": "Bearer x"}) == 401
    assert await post(main, {"Authorization": f"Basic {basic}"}) == 201
    assert await post(f"{main}?user=tdt&password=mot+de+passé") == 201
    await stand.command("/prefecture/behaviour", {"credentials": None, "outage": "/actes"})
    assert (await post(main), await post(rescue)) == (503, 201)
    await stand.command("/prefecture/behaviour", {"outage": False, "hang": 0.4})
    started = time.monotonic()
    assert await post(main) == 201
    assert time.monotonic() - started >= 0.4
    await stand.command("/prefecture/behaviour", {"hang": 0, "closed": True})
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(main, ssl=False)
    await stand.command("/reset")
    assert await post(main) == 201
    assert len(await stand.received()) == 1
