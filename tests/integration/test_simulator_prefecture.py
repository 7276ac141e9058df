"""The simulated préfecture over its real doors: mutual TLS in, mails out, control API."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import md5, sha1, sha256
from pathlib import Path

import aiohttp
import pytest
from lxml import etree

from tests.actes_archives import (
    PDF,
    PNG,
    Acte,
    Idcl,
    Parcel,
    acte_parcel,
    answer_parcel,
    classification_parcel,
    with_changes,
)
from tests.certificates import TestAuthority
from tests.integration.prefecture_stand import Bench, Stand, client_tls, open_stand, start


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = await start(tmp_path, TestAuthority(tmp_path))
    yield bench
    await bench.stop()


@pytest.fixture
async def stand(bench: Bench) -> AsyncIterator[Stand]:
    async with open_stand(bench) as stand:
        yield stand


async def test_an_acte_gets_its_ar(stand: Stand) -> None:
    acte = Acte(subject="Œuvre à l'été")
    parcel = acte_parcel(acte)
    assert await stand.post(parcel) == 201
    (mail,) = await stand.wait_mails(1)
    names = [name for name, _ in mail.files]
    assert re.fullmatch(r"TACT--SPREF0343-123456782-[0-9]{8}-[0-9]+\.xml", names[0])
    assert re.fullmatch(re.escape(acte.id_acte) + r"-1-2_[0-9]+\.xml", names[1]) and len(names) == 2
    assert mail.kind == "ARActe" and mail.to == "actes@tdt.test"
    assert re.search(rb' actes:DateReception="[0-9]{4}-[0-9]{2}-[0-9]{2}"', mail.xml)
    assert f'actes:IDActe="{acte.id_acte}"'.encode() in mail.xml
    assert "à l'été".encode("latin-1") in mail.xml and b"&#338;uvre" in mail.xml
    assert "Acquisition" not in mail.html and "vre à l" in mail.html

    (item,) = await stand.received()
    data = parcel.build()
    assert item["name"] == parcel.name and item["size"] == len(data)
    assert item["sha256"] == sha256(data).hexdigest() and item["time"].startswith("20")
    assert item["metadata"] == {
        "acts": [acte.number],
        "messages": ["1-1"],
        "id_actes": [acte.id_acte],
        "remote_address": "127.0.0.1",
        "client_subject": "CN=tdt de test",
    }
    assert await stand.bytes_of(0) == (200, data)
    assert (await stand.bytes_of(1))[0] == 404


async def test_an_identical_resend_gets_the_same_ar_again(stand: Stand) -> None:
    parcel = acte_parcel(Acte())
    assert await stand.post(parcel) == 201
    await stand.command("/prefecture/classification", {"date": "2026-01-01"})  # changes nothing to an AR already given
    assert await stand.post(parcel) == 201
    first, second = await stand.wait_mails(2)
    assert first.files == second.files and first.message_id != second.message_id
    assert len(await stand.received()) == 2


async def test_auto_says_001_even_to_an_identical_resend(stand: Stand) -> None:
    await stand.command("/prefecture/behaviour", {"answer": "auto"})
    parcel = acte_parcel(Acte())
    assert await stand.post(parcel) == 201
    assert await stand.post(parcel) == 201
    first, second = await stand.wait_mails(2)
    assert (first.kind, second.kind, second.text("Nature")) == ("ARActe", "AnomalieActe", "001")
    assert re.fullmatch(r"034-123456782----1-3_[0-9]+\.xml", second.files[1][0])


ACTE = Acte()
GOOD = acte_parcel(ACTE)
FORM = next(iter(GOOD.messages))
BUDGET_NAMESPACE = "http://www.minefi.gouv.fr/cp/demat/docbudgetaire"
ENVELOPE_FAULTS = [
    pytest.param("ar", replace(GOOD, prefix="XYZ-TACT"), "003", id="trigramme of another"),
    pytest.param("ar", replace(GOOD, prefix="TDT-EACT"), "003", id="quadrigramme of production"),
    pytest.param("ar", (GOOD.name, b"not a gzip"), "003", id="not an archive"),
    pytest.param("ar", (GOOD.name, GOOD.build()[:-20]), "003", id="truncated"),
    pytest.param("ar", with_changes(GOOD, {f"folder/{FORM}": b"x"}), "003", id="not flat"),
    pytest.param("ar", with_changes(GOOD, {GOOD.envelope_name: None}), "003", id="no envelope"),
    pytest.param("ar", with_changes(GOOD, {GOOD.envelope_name: b"<a/>"}), "003", id="envelope of another root"),
    pytest.param("ar", with_changes(GOOD, {FORM: b"<broken"}), "003", id="message that is no XML"),
    pytest.param("ar", with_changes(GOOD, {FORM: b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "003", id="doctype"),
    pytest.param("ar", acte_parcel(Acte(siren="987654321")), "005", id="unknown SIREN"),
    pytest.param("ar", acte_parcel(ACTE, idcl=Idcl(district="1")), "005", id="another arrondissement"),
    pytest.param("ar", acte_parcel(ACTE, idcl=Idcl(department="030")), "005", id="another département"),
    pytest.param("ar", acte_parcel(ACTE, idcl=Idcl(nature="44")), "005", id="another nature"),
    pytest.param("ar", with_changes(GOOD, {FORM: None}), "001", id="form absent"),
    pytest.param("ar", replace(GOOD, messages={"034-x-DE-4365-DE_0.xml": b"<a/>"}), "999", id="form of no known code"),
    pytest.param("ar", acte_parcel(Acte(number="A-1")), "999", id="hyphen in the number of a name"),
    pytest.param("ar", with_changes(GOOD, {"orphan.pdf": PDF}), "002", id="orphan"),
    pytest.param(
        "ar",
        with_changes(answer_parcel(ACTE.id_acte, "3-4", 1), {f"{ACTE.id_acte}-3-4_1.pdf": None}),
        "001",
        id="piece of an answer absent",
    ),
    pytest.param(
        "auto",
        with_changes(answer_parcel(ACTE.id_acte, "3-4", 1), {f"{ACTE.id_acte}-3-4_1.pdf": b"MZ"}),
        "002",
        id="piece of an answer of a wrong format",
    ),
    pytest.param("auto", answer_parcel(ACTE.id_acte, "6-1", 1), "100", id="annulation of an unknown act"),
]


@pytest.mark.parametrize(("answer", "parcel", "nature"), ENVELOPE_FAULTS)
async def test_a_faulty_envelope_is_refused(
    stand: Stand, answer: str, parcel: Parcel | tuple[str, bytes], nature: str
) -> None:
    await stand.command("/prefecture/behaviour", {"answer": answer})
    assert await stand.post(parcel) == 201
    (mail,) = await stand.wait_mails(1)
    name = parcel[0] if isinstance(parcel, tuple) else parcel.name
    ((attached, _),) = mail.files
    assert attached == "ANO_" + name.partition("-")[2].removesuffix(".tar.gz") + ".xml"
    assert (mail.kind, mail.text("Nature")) == ("AnomalieEnveloppe", nature)


def files(*kinds: tuple[str, str, bytes]) -> Parcel:
    return acte_parcel(Acte(files=kinds))


def budget(sealed: bool, altered: bool = False, indented: bool = False) -> bytes:
    """A small DocumentBudgetaire, sealed as TotEM does: digests of the canonical document without its seal."""
    text = f'<DocumentBudgetaire xmlns="{BUDGET_NAMESPACE}">\n   <VersionSchema V="100"/>\n'
    rest = '   <Budget>\n      <LigneBudget V="1"/>\n   </Budget>\n</DocumentBudgetaire>'
    canonical = etree.tostring(etree.fromstring(text + rest), method="c14n")
    digests = f'md5="{md5(canonical).hexdigest()}" sha1="{sha1(canonical).hexdigest()}"'
    seal = f'   <Scellement {digests} date="2026-11-22T00:00:00"/>\n'
    document = text + (seal if sealed else "") + (rest.replace('V="1"', 'V="2"') if altered else rest)
    if indented:
        document = document.replace("   ", " ")
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>\n{document}\n'.encode("latin-1")


def budget_parcel(data: bytes, matieres: tuple[int, ...] = (7, 1)) -> Parcel:
    return acte_parcel(
        Acte(nature=5, letters="BF", matieres=matieres, files=(("99_BU", "xml", data), ("70_DE", "pdf", PDF)))
    )


ACTE_FAULTS = [
    pytest.param("ar", with_changes(GOOD, {list(GOOD.documents)[1]: None}), "006", id="annex absent"),
    pytest.param("ar", acte_parcel(Acte(announced=3)), "006", id="annexes miscounted"),
    pytest.param("ar", acte_parcel(Acte(classification="2018-01-01")), "002", id="stale classification"),
    pytest.param("ar", files(("99-DE", "pdf", PDF)), "007", id="name of a document"),
    pytest.param("ar", acte_parcel(Acte(nature=9)), "005", id="nature that does not exist"),
    pytest.param("auto", files(("99_DE", "pdf", b"MZ\x90")), "007", id="not a PDF"),
    pytest.param("auto", files(("99_DE", "pdf", PDF), ("31_DP", "jpg", PNG)), "007", id="PNG called JPG"),
    pytest.param("auto", files(("99_DE", "xml", b"<a/>")), "007", id="XML that is no budget"),
    pytest.param("auto", acte_parcel(Acte(matieres=(3, 9))), "003", id="unknown matière"),
    pytest.param("auto", acte_parcel(Acte(matieres=(3, 1, 4))), "003", id="matière of a level not published"),
    pytest.param("auto", files(("99_AR", "pdf", PDF)), "007", id="type of another nature"),
    pytest.param("auto", files(("", "pdf", PDF)), "007", id="no type"),
    pytest.param("auto", budget_parcel(budget(sealed=False)), "007", id="budget without seal"),
    pytest.param("auto", budget_parcel(budget(sealed=True, altered=True)), "007", id="budget altered"),
    pytest.param("auto", budget_parcel(budget(sealed=True), (7, 2)), "007", id="budget under another matière"),
]


@pytest.mark.parametrize(("answer", "parcel", "nature"), ACTE_FAULTS)
async def test_a_faulty_acte_is_refused(stand: Stand, answer: str, parcel: Parcel, nature: str) -> None:
    await stand.command("/prefecture/behaviour", {"answer": answer})
    assert await stand.post(parcel) == 201
    (mail,) = await stand.wait_mails(1)
    assert (mail.kind, mail.text("Nature")) == ("AnomalieActe", nature)
    assert mail.text("ClassificationDateVersionEnCours") == "2019-03-01"
    id_acte = next(iter(parcel.messages)).removesuffix("-1-1_0.xml")
    await stand.command("/prefecture/letters", {"id_acte": id_acte, "messages": ["2-1"]}, status=404)


@pytest.mark.parametrize(
    "parcel",
    [
        pytest.param(GOOD, id="délibération"),
        pytest.param(files(("99_DE", "pdf", PDF), ("21_EP", "png", PNG), ("99_SE", "xml", b"<a/>")), id="annexes"),
        pytest.param(budget_parcel(budget(sealed=True)), id="sealed budget"),
        pytest.param(budget_parcel(budget(sealed=True, indented=True)), id="sealed budget, indented anew"),
        pytest.param(acte_parcel(Acte(matieres=(7, 10))), id="matière 7.10"),
    ],
)
async def test_auto_acknowledges_what_is_right(stand: Stand, parcel: Parcel) -> None:
    await stand.command("/prefecture/behaviour", {"answer": "auto"})
    assert await stand.post(parcel) == 201
    (mail,) = await stand.wait_mails(1)
    assert mail.kind == "ARActe"


async def test_several_messages_in_one_envelope_get_one_mail_each(stand: Stand) -> None:
    one, two = Acte(number="A1"), Acte(number="A2", classification="2018-01-01")
    both = Parcel(
        messages={acte.message_name: acte.message() for acte in (one, two)},
        documents=one.documents() | two.documents(),
    )
    assert await stand.post(both) == 201
    first, second = await stand.wait_mails(2)
    assert (first.kind, second.kind) == ("ARActe", "AnomalieActe")
    assert (await stand.received())[0]["metadata"]["acts"] == ["A1", "A2"]


async def test_forced_anomalies_and_silence(stand: Stand) -> None:
    for answer, kind, nature in (
        ("anomaly:004", "AnomalieActe", "004"),
        ("anomaly:999", "AnomalieActe", "999"),
        ("envelope-anomaly:002", "AnomalieEnveloppe", "002"),
    ):
        await stand.command("/prefecture/behaviour", {"answer": answer})
        assert await stand.post(GOOD) == 201
        await stand.wait_mails(len(await stand.received()))
        assert (stand.mails()[-1].kind, stand.mails()[-1].text("Nature")) == (kind, nature)
    await stand.command("/prefecture/behaviour", {"answer": "silence"})
    assert await stand.post(GOOD) == 201
    await stand.command("/prefecture/behaviour", {"answer": "ar"})
    assert await stand.post(GOOD) == 201  # the mails leave in order: were the silent one answered, it would be there
    mails = await stand.wait_mails(4)
    assert [mail.kind for mail in mails] == ["AnomalieActe", "AnomalieActe", "AnomalieEnveloppe", "ARActe"]


async def test_http_status_and_outage(stand: Stand) -> None:
    await stand.command("/prefecture/behaviour", {"http_status": 200})
    assert await stand.post(GOOD) == 200
    await stand.command("/prefecture/behaviour", {"http_status": 500})
    assert await stand.post(GOOD) == 500
    await stand.command("/prefecture/behaviour", {"http_status": 201, "outage": True})
    assert await stand.post(GOOD) == 503
    assert await stand.post(GOOD, headers={"Expect": "100-continue"}) == 503
    assert len(await stand.received()) == 1  # what was refused was not received
    await stand.command("/prefecture/behaviour", {"outage": False})
    assert await stand.post(GOOD, headers={"Expect": "100-continue"}) == 201
    await stand.wait_mails(2)


async def test_duplicate_mail(stand: Stand) -> None:
    await stand.command("/prefecture/behaviour", {"duplicate_mail": True})
    assert await stand.post(GOOD) == 201
    first, second = await stand.wait_mails(2)
    assert first == second


async def test_classification_by_7_1(stand: Stand) -> None:
    for serial, held in enumerate((None, "2018-01-01", "2019-03-01"), 1):
        assert await stand.post(classification_parcel(held, serial)) == 201
        await stand.wait_mails(serial)
    full, again, unchanged = stand.mails()
    assert [mail.kind for mail in (full, again)] == ["RetourClassification"] * 2
    assert full.xml == again.xml and unchanged.kind == "ReponseClassificationSansChangement"
    assert re.fullmatch(r"034-123456782----7-2_[0-9]+\.xml", full.files[1][0])
    assert "é".encode("latin-1") in full.xml
    natures = full.root.findall(".//{*}NatureActe")
    code = "{http://www.interieur.gouv.fr/ACTES#v1.1-20040216}"
    first_types = [nature[0].get(f"{code}CodeTypePJ") for nature in natures]
    assert first_types == ["99_DE", "99_AR", "99_AI", "99_DC", "99_BU", "99_AU"]
    assert sum(len(nature) for nature in natures) == 115 and len(full.root.findall(".//{*}Matiere2")) == 57

    await stand.command("/prefecture/classification", {"date": "2026-10-01"})
    await stand.command("/reset")  # does not touch what the préfecture has published
    await stand.command("/prefecture/behaviour", {"delay": 0})
    assert await stand.post(classification_parcel("2019-03-01", 4)) == 201
    newer = (await stand.wait_mails(4))[-1]
    assert newer.text("DateClassification") == "2026-10-01"
    assert newer.xml == full.xml.replace(b"2019-03-01", b"2026-10-01")
    await stand.post(acte_parcel(Acte(classification="2019-03-01"), 5))
    assert (await stand.wait_mails(5))[-1].text("ClassificationDateVersionEnCours") == "2026-10-01"


async def test_letters_and_what_answers_them(stand: Stand) -> None:
    await stand.post(GOOD)
    await stand.wait_mails(1)
    codes = ["2-1", "3-1", "4-1", "5-1"]
    roots = ["CourrierSimple", "DemandePieceComplementaire", "LettreObservations", "DefereTA"]
    for _ in range(2):  # also several times for one act
        answer = await stand.command("/prefecture/letters", {"id_acte": ACTE.id_acte, "messages": codes})
        assert len(answer["messages"]) == 4
    mails = await stand.wait_mails(9)
    assert [mail.kind for mail in mails[1:]] == roots * 2
    for mail in mails[1:]:
        (_, _), (message_name, message), (document_name, document) = mail.files
        assert document.startswith(b"%PDF-") and f"<actes:NomFichier>{document_name}<".encode() in message
        assert message_name.startswith(ACTE.id_acte) and message_name != document_name
    assert len({name for mail in mails for name, _ in mail.files}) == sum(len(mail.files) for mail in mails)

    silent = [("2-2", 2), ("3-2", 3), ("4-2", 4)]
    answered = [("3-3", "AR"), ("3-4", "AR"), ("4-3", "AR"), ("4-4", "AR")]
    for serial, (code, _) in enumerate([*silent, *answered], 10):
        assert await stand.post(answer_parcel(ACTE.id_acte, code, serial)) == 201
    mails = (await stand.wait_mails(13))[9:]
    expected = ["ARPieceComplementaire", "ARPieceComplementaire"] + ["ARReponseRejetLettreObservations"] * 2
    assert [mail.kind for mail in mails] == expected
    assert all(b'actes:DateCourrierPref="2026-11-22"' in mail.xml for mail in mails)
    assert [re.sub(r".*-(.-.)_.*", r"\1", mail.files[1][0]) for mail in mails] == ["3-5", "3-5", "4-5", "4-5"]


async def test_annulation_frees_the_number(stand: Stand) -> None:
    await stand.command("/prefecture/behaviour", {"answer": "auto"})
    await stand.post(GOOD)
    await stand.post(answer_parcel(ACTE.id_acte, "6-1", 2))
    await stand.post(acte_parcel(ACTE, 3))
    mails = await stand.wait_mails(3)
    assert [mail.kind for mail in mails] == ["ARActe", "ARAnnulation", "ARActe"]


async def test_raw_mail_is_delivered_as_it_is(stand: Stand) -> None:
    raw = b"Subject: \xff junk\n\nno CRLF, no MIME\n"
    await stand.command("/prefecture/mail", raw)
    (file,) = (stand.maildir / "new").iterdir()
    assert file.read_bytes() == raw and list((stand.maildir / "tmp").iterdir()) == []


async def test_reset_forgets_lists_and_behaviours_and_what_was_due(stand: Stand) -> None:
    await stand.command("/prefecture/behaviour", {"delay": 3600, "answer": "auto", "http_status": 200})
    assert await stand.post(GOOD) == 200
    await stand.command("/reset")
    assert await stand.received() == []
    behaviour = await stand.command("/prefecture/behaviour", {})
    assert behaviour == behaviour | {"answer": "ar", "delay": 0.5, "http_status": 201, "outage": False}
    assert await stand.post(acte_parcel(Acte(number="LATER"), 2)) == 201
    (mail,) = await stand.wait_mails(1)
    assert "LATER" in mail.html and (await stand.received())[0]["metadata"]["acts"] == ["LATER"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/prefecture/behaviour", {"answer": "perhaps"}, 400),
        ("/prefecture/behaviour", {"answer": "anomaly:1"}, 400),
        ("/prefecture/behaviour", {"answer": "envelope-anomaly:042"}, 400),
        ("/prefecture/behaviour", {"delay": -1}, 400),
        ("/prefecture/behaviour", {"delay": "0.5"}, 400),
        ("/prefecture/behaviour", {"http_status": 99}, 400),
        ("/prefecture/behaviour", {"outage": 1}, 400),
        ("/prefecture/behaviour", {"outage": "secours"}, 400),
        ("/prefecture/behaviour", {"credentials": "sans-mot-de-passe"}, 400),
        ("/prefecture/behaviour", {"mail_shape": "round"}, 400),
        ("/prefecture/behaviour", {"encoding": "utf-8"}, 400),
        ("/prefecture/behaviour", {"hold": True}, 400),
        ("/prefecture/behaviour", {"serial_offset": -1}, 400),
        ("/prefecture/behaviour", {"speed": 1}, 400),
        ("/prefecture/behaviour", [1], 400),
        ("/prefecture/behaviour", b"{", 400),
        ("/prefecture/letters", {"id_acte": "034-123456782-20200101-NO-DE", "messages": ["2-1"]}, 404),
        ("/prefecture/letters", {"id_acte": ACTE.id_acte, "messages": ["1-2"]}, 400),
        ("/prefecture/letters", {"id_acte": ACTE.id_acte, "messages": []}, 400),
        ("/prefecture/letters", {"id_acte": ACTE.id_acte}, 400),
        ("/prefecture/classification", {"date": "01/02/2026"}, 400),
        ("/prefecture/classification", {}, 400),
        ("/prefecture/letters", {"id_acte": ACTE.id_acte, "messages": ["2-1"], "date": "hier"}, 400),
        ("/prefecture/notice", {"kind": "multi-canal"}, 400),
        ("/prefecture/notice", {"kind": "multi-canal", "id_acte": ACTE.id_acte}, 404),
        ("/prefecture/notice", {"kind": "other"}, 400),
        ("/prefecture/release", {"order": "random"}, 400),
        ("/prefecture/mail", b"", 400),
        ("/prefecture/nothing", {}, 404),
    ],
)
async def test_bad_commands_are_refused(stand: Stand, path: str, body: object, status: int) -> None:
    await stand.command(path, body, status=status)
    assert stand.mails() == []


async def test_only_certificates_of_the_authority_come_in(bench: Bench, stand: Stand) -> None:
    stranger = TestAuthority(bench.directory, "autre").client("stranger")
    for certificate in (None, stranger):
        connector = aiohttp.TCPConnector(ssl=client_tls(bench.authority, certificate))
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientError):
                await Stand(session, stand.url, stand.control, stand.maildir).post(GOOD)
    assert await stand.received() == []


async def test_every_shape_of_request(bench: Bench, stand: Stand) -> None:
    """Fields beside the file, unquoted names; a body that says no file, or stops, is refused and leaves nothing."""
    data = GOOD.build()
    part = "--b\r\nContent-Disposition: form-data; "
    head = f"{part}name=name\r\n\r\n{GOOD.name}\r\n{part}"
    file = f"name=file; filename={GOOD.name}\r\nContent-Type: application/gzip\r\n\r\n".encode()
    tls = client_tls(bench.authority, bench.authority.client("shapes"))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    bodies = {
        head.encode() + file + data + b"\r\n--b--\r\n": 201,
        head.encode() + file + data: 400,
        head.encode() + b"name=other\r\n\r\nx\r\n--b--\r\n": 400,
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="../a b"\r\n\r\nx\r\n--b--\r\n': 400,
        b"nothing": 400,
    }
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        for body, status in bodies.items():
            async with session.post(f"{stand.url}?user=u&password=p", data=body, headers=headers) as response:
                assert response.status == status
    (item,) = await stand.received()
    assert item["sha256"] == sha256(data).hexdigest()
    assert list((bench.directory / "journal" / "incoming").iterdir()) == []


async def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    bench = await start(tmp_path, authority := TestAuthority(tmp_path))
    tls = client_tls(authority, authority.client("tdt"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:

        def talk(bench: Bench) -> Stand:
            url = f"https://localhost:{bench.prefecture.port}/"
            return Stand(session, url, f"http://127.0.0.1:{bench.control.port}", tmp_path / "mail")

        await talk(bench).command("/prefecture/behaviour", {"delay": 1.0, "http_status": 200})
        assert await talk(bench).post(GOOD) == 200
        await bench.stop()
        assert list((tmp_path / "mail" / "new").iterdir()) == []
        bench = await start(tmp_path, authority)
        stand = talk(bench)
        assert (await stand.command("/prefecture/behaviour", {}))["http_status"] == 200
        assert [item["name"] for item in await stand.received()] == [GOOD.name]
        (mail,) = await stand.wait_mails(1)
        assert mail.kind == "ARActe"
        await stand.command("/prefecture/letters", {"id_acte": ACTE.id_acte, "messages": ["2-1"]})
        await bench.stop()
