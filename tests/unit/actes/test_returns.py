"""What the ministry answers is read in every shape it takes; what cannot be used is named, never raised."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.mail import MinistryMail, parse_mail
from tdt.domain.actes.returns import (
    ActeEcho,
    AnomalieActe,
    AnomalieEnveloppe,
    ArActe,
    ArAnnulation,
    ArReponse,
    ClassificationSansChangement,
    Letter,
    MultiCanal,
    RetourClassification,
    Return,
    Unreadable,
    read_mail,
)
from tests.unit.actes.mails import ACT, DATA, ECHO, NAMESPACES, ar, envelope, file_name, mail, raw_mail, sample, xml
from tests.xsd import shared_directory

AR_NAME = f"{ACT}-1-2_1.xml"
ENVELOPE = "EACT--SPREF0343-123456782-20260310-1.xml"
DAY = date(2026, 3, 10)
ECHOED = ActeEcho("2026_017", date(2026, 3, 9), 1)


def _only(content: MinistryMail) -> Return:
    (answer,) = read_mail(content)
    return answer


def _sample(name: str) -> Return:
    return _only(parse_mail(sample(name)))


def test_the_sample_ar() -> None:
    answer = _sample("1-2-ar.eml")
    assert isinstance(answer, ArActe)
    assert (answer.unique_id, answer.number, answer.siren) == (ACT, "2026_017", "123456782")
    assert (answer.date_reception, answer.classification_date) == (DAY, date(2025, 9, 1))
    assert answer.envelope_name == "EACT--SPREF0343-123456782-20260310-11.xml"
    assert answer.acte == ECHOED
    assert answer.xml == parse_mail(sample("1-2-ar.eml")).attachments[1].data
    assert check_message(answer.xml) == []


def test_the_sample_anomaly_of_an_act_before_its_envelope() -> None:
    answer = _sample("1-3-anomalie.eml")
    assert isinstance(answer, AnomalieActe)
    assert (answer.siren, answer.number, answer.nature) == ("123456782", "2026_017", "002")
    assert answer.detail == "Classification périmée : demandez la version en vigueur"
    assert answer.classification_date == date(2026, 3, 1)
    assert answer.acte == ECHOED


def test_the_sample_anomaly_of_an_envelope() -> None:
    answer = _sample("ano-enveloppe.eml")
    assert isinstance(answer, AnomalieEnveloppe)
    assert answer.envelope_name == "EACT--123456782--20260310-4.xml"
    assert (answer.nature, answer.siren) == ("999", "123456782")
    assert answer.detail == "Transaction non reconnue par le système"


def test_the_sample_classifications() -> None:
    full, same = _sample("7-2-classification.eml"), _sample("7-3-sans-changement.eml")
    assert isinstance(full, RetourClassification)
    assert isinstance(same, ClassificationSansChangement)
    assert (full.siren, full.date) == (same.siren, same.date) == ("123456782", date(2026, 3, 1))


def test_the_sample_letter_in_a_nested_mail() -> None:
    answer = _sample("3-1-demande-pieces.eml")
    assert isinstance(answer, Letter)
    assert (answer.code, answer.unique_id, answer.date) == ("3-1", ACT, date(2026, 3, 20))
    assert answer.text == "Convention signée avec l'école"
    assert [document.name for document in answer.documents] == [f"{ACT}-3-1_40.pdf"]
    assert answer.documents[0].data.startswith(b"%PDF-")
    assert answer.missing == ()


def test_the_paper_reminder() -> None:
    assert _sample("multicanal.eml") == MultiCanal()
    assert _only(mail()) == Unreadable("courriel sans message d'ACTES")
    assert _only(mail(("a.pdf", b"%PDF-1.4"))) == Unreadable("courriel sans message d'ACTES")
    assert isinstance(_only(mail((AR_NAME, ar()), multicanal=True)), ArActe)
    assert _only(MinistryMail((), False, "trop gros")) == Unreadable("trop gros")


@pytest.mark.parametrize("envelope_first", [True, False])
def test_the_envelope_may_come_after_the_message(envelope_first: bool) -> None:
    files = [(ENVELOPE, envelope(AR_NAME, siren="999999999")), (AR_NAME, ar())]
    answer = _only(mail(*(files if envelope_first else files[::-1])))
    assert isinstance(answer, ArActe)
    assert (answer.siren, answer.envelope_name) == ("999999999", ENVELOPE)


def test_without_envelope_the_siren_comes_from_the_act_or_the_name() -> None:
    answer = _only(mail((AR_NAME, ar())))
    assert isinstance(answer, ArActe)
    assert (answer.siren, answer.envelope_name) == ("123456782", "")
    anomaly = xml("AnomalieActe", "", f"<actes:Nature>1</actes:Nature><actes:ActeRecu {ECHO}</actes:ActeRecu>")
    for name, siren in (("034-123456782----1-3_1.xml", "123456782"), ("x.xml", None)):
        answer = _only(mail((name, anomaly)))
        assert isinstance(answer, AnomalieActe)
        assert answer.siren == siren


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "windows-1252"])
def test_charsets_other_than_the_declared_one(encoding: str) -> None:
    detail = "Numéro d'acte déjà transmis" + (" — œuvre" if encoding != "latin-1" else "")
    content = (
        f"<actes:Nature>001</actes:Nature><actes:Detail>{detail}</actes:Detail><actes:ActeRecu {ECHO}</actes:ActeRecu>"
    )
    data = xml("AnomalieActe", "", content, encoding)
    answer = _only(mail(("a.xml", data)))
    assert isinstance(answer, AnomalieActe)
    assert answer.detail == detail
    assert answer.xml == data


@pytest.mark.parametrize(
    "transform",
    [
        lambda data: data.replace(b"ISO-8859-1", b"windows-1252"),
        lambda data: data.replace(b"ISO-8859-1", b"x-inconnu"),
        lambda data: data.replace(b'encoding="ISO-8859-1"', b""),
        lambda data: data.replace(b"#v1.1-20040216", b"#v1.1-20040202"),
        lambda data: data.replace(b"actes:", b"ns1:").replace(b"xmlns:actes", b"xmlns:ns1"),
        lambda data: data.replace(b"actes:Date=", b"Date=").replace(b"actes:IDActe", b"IDActe"),
        lambda data: data.replace(b'"2026-03-10"', b'"2026-03-10+01:00"'),
        lambda data: data.replace(b'"2026-03-10"', b'"2026-03-10T09:30:00"'),
        lambda data: data.replace(b"actes:ActeRecu", b"actes:Acte"),
        lambda data: data.replace(b"<actes:ActeRecu", b"<actes:Acte/><actes:ActeRecu"),
        lambda data: data.replace(b"<actes:ActeRecu", b"<actes:ActeRecu/><actes:Acte ").replace(
            b"</actes:ActeRecu", b"</actes:Acte"
        ),
        lambda data: b"\xef\xbb\xbf" + data.decode("latin-1").encode(),
        lambda data: data.decode("latin-1").replace("ISO-8859-1", "UTF-16").encode("utf-16"),
    ],
)
def test_the_shapes_of_an_ar(transform: Callable[[bytes], bytes]) -> None:
    data = transform(ar())
    answer = _only(mail((AR_NAME, data)))
    assert isinstance(answer, ArActe), answer
    assert (answer.unique_id, answer.number, answer.date_reception) == (ACT, "2026_017", DAY)
    assert answer.acte == ECHOED
    assert answer.xml == data


def test_an_ar_without_echo_still_gives_its_number() -> None:
    data = xml("ARActe", f'actes:IDActe="{ACT}" actes:DateReception="2026-03-10"')
    answer = _only(mail((AR_NAME, data)))
    assert isinstance(answer, ArActe)
    assert (answer.number, answer.acte) == ("2026_017", ActeEcho("", None, None))


@pytest.mark.parametrize("nature", ["001", "999", "ERREUR2", ""])
def test_any_nature_of_anomaly_is_kept_as_text(nature: str) -> None:
    act = xml("AnomalieActe", "", f"<actes:Nature>{nature}</actes:Nature><actes:ActeRecu {ECHO}</actes:ActeRecu>")
    whole = xml("AnomalieEnveloppe", "", f"<actes:Nature>{nature}</actes:Nature>")
    answers = [_only(mail(("a.xml", act))), _only(mail(("ANO_EACT--123456782--20260310-4.xml", whole)))]
    assert [getattr(answer, "nature", None) for answer in answers] == [nature, nature]


def test_an_anomaly_of_envelope_that_lost_its_name() -> None:
    detail = "<actes:Detail>TDT-TACT--123456782--20260310-4.tar.gz -&gt; PREF-VERIF-02 : inconnu</actes:Detail>"
    answer = _only(mail(("sans-nom-2.xml", xml("AnomalieEnveloppe", "", detail))))
    assert isinstance(answer, AnomalieEnveloppe)
    assert answer.envelope_name == "TACT--123456782--20260310-4.xml"
    assert isinstance(_only(mail(("sans-nom-2.xml", xml("AnomalieEnveloppe")))), Unreadable)


def test_several_messages_come_in_the_order_of_the_envelope() -> None:
    second = f"{ACT}-6-2_2.xml"
    cancelled = xml("ARAnnulation", f'actes:IDActe="{ACT}" actes:DateReception="2026-03-11"')
    answers = read_mail(mail((second, cancelled), (ENVELOPE, envelope(AR_NAME, second)), (AR_NAME, ar())))
    assert [type(answer) for answer in answers] == [ArActe, ArAnnulation]
    assert answers[1] == ArAnnulation(ACT, date(2026, 3, 11), cancelled, second)


def test_answers_to_the_prefecture_are_acknowledged() -> None:
    letter = f'<actes:InfosCourrierPref actes:IDActe="{ACT}" actes:DateCourrierPref="2026-03-20"/>'
    for element, code in (("ARPieceComplementaire", "3-5"), ("ARReponseRejetLettreObservations", "4-5")):
        data = xml(element, 'actes:DateReception="2026-04-01"', letter)
        expected = ArReponse(code, ACT, date(2026, 3, 20), date(2026, 4, 1), data, "a.xml")  # type: ignore[arg-type]
        assert _only(mail(("a.xml", data))) == expected
        assert isinstance(_only(mail(("a.xml", xml(element, 'actes:DateReception="2026-04-01"')))), Unreadable)


@pytest.mark.parametrize(
    ("element", "code", "attributes", "text", "documents"),
    [
        ("CourrierSimple", "2-1", 'actes:DateCourrierPref="2026-03-20"', "", "<actes:Document>{}</actes:Document>"),
        (
            "LettreObservations",
            "4-1",
            'actes:DateCourrierPref="2026-03-20"',
            "<actes:Motif>Motif</actes:Motif>",
            "<actes:Document>{}</actes:Document>",
        ),
        (
            "DefereTA",
            "5-1",
            "",
            "<actes:DateDepot>2026-03-20</actes:DateDepot><actes:NatureIllegalite>Motif</actes:NatureIllegalite>",
            "<actes:PiecesJointes><actes:PieceJointe>{}</actes:PieceJointe>"
            "<actes:PieceJointe><actes:NomFichier>absent.pdf</actes:NomFichier></actes:PieceJointe></actes:PiecesJointes>",
        ),
    ],
)
def test_letters(element: str, code: str, attributes: str, text: str, documents: str) -> None:
    data = xml(element, f'actes:IDActe="{ACT}" {attributes}', text + documents.format(file_name("D.XML")))
    answer = _only(mail(("a.xml", data), ("d.xml", b"<?xml version='1.0'?><budget>"), ("logo.pdf", b"%PDF-")))
    assert isinstance(answer, Letter)
    assert (answer.code, answer.unique_id, answer.date) == (code, ACT, date(2026, 3, 20))
    assert answer.text == ("Motif" if text else "")
    assert [document.name for document in answer.documents] == ["d.xml"]
    assert answer.missing == (("absent.pdf",) if code == "5-1" else ())


BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">]>'


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        (AR_NAME, ar()[:-20], ""),
        (AR_NAME, b"", ""),
        (AR_NAME, b"\x00" * 10, ""),
        (AR_NAME, BOMB + ar().partition(b"\n")[2], "document type"),
        (AR_NAME, ar(f'actes:IDActe="{ACT}"'), "ARActe : DateReception absente ou illisible"),
        (AR_NAME, ar(f'actes:IDActe="{ACT}" actes:DateReception="10/03/2026"'), "DateReception absente"),
        (AR_NAME, ar(f'actes:IDActe="{ACT}" actes:DateReception="2026-02-30"'), "DateReception absente"),
        (AR_NAME, ar('actes:DateReception="2026-03-10"'), "ARActe : IDActe absent"),
        (AR_NAME, ar().replace(b"http://www.interieur", b"http://www.exterieur"), "étranger à ACTES"),
        ("a.xml", b"<ARActe/>", "étranger à ACTES"),
        ("a.xml", xml("Acte"), "message Acte inattendu"),
        ("a.xml", xml("AnomalieActe"), "numéro de l'acte absent"),
        ("a.xml", xml("RetourClassification"), "SIREN du destinataire introuvable"),
        ("034-123456782----7-3_1.xml", xml("ReponseClassificationSansChangement"), "date de classification absente"),
        ("sans-extension", ar()[:-20], ""),
    ],
)
def test_what_cannot_be_used_is_named(name: str, data: bytes, reason: str) -> None:
    answer = _only(mail((name, data)))
    assert isinstance(answer, Unreadable), answer
    assert answer.name == name
    assert answer.reason
    assert reason in answer.reason


def test_a_broken_part_does_not_hide_the_others() -> None:
    answers = read_mail(mail((ENVELOPE, envelope(AR_NAME, "absent.xml")), ("x.xml", b"<a"), (AR_NAME, ar())))
    assert [type(answer) for answer in answers] == [ArActe, Unreadable, Unreadable]
    assert [answer.name for answer in answers if isinstance(answer, Unreadable)] == ["absent.xml", "x.xml"]


def test_a_message_too_large_is_not_read() -> None:
    answer = _only(mail((AR_NAME, ar() + b" " * (16 * 1024 * 1024))))
    assert isinstance(answer, Unreadable)
    assert "trop volumineux" in answer.reason


@given(st.lists(st.tuples(st.sampled_from([AR_NAME, "a.xml", "b", ENVELOPE]), st.binary(max_size=200)), max_size=3))
def test_any_attachments_get_an_answer(files: list[tuple[str, bytes]]) -> None:
    assert read_mail(mail(*files))


SAMPLES = sorted(path.name for path in DATA.glob("*.eml"))


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_messages_get_an_answer(name: str, data: st.DataObject) -> None:
    content = parse_mail(sample(name))
    damaged = []
    for attachment in content.attachments:
        raw = bytearray(attachment.data)
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=10))
        damaged.append(replace(attachment, data=bytes(raw)))
    assert read_mail(replace(content, attachments=tuple(damaged)))


def test_a_mail_from_end_to_end() -> None:
    answer = _only(parse_mail(raw_mail((ENVELOPE, envelope(AR_NAME)), (AR_NAME, ar(encoding="utf-8")))))
    assert isinstance(answer, ArActe)
    assert answer.xml == ar(encoding="utf-8")


FROM_THE_STATE = {
    "1-2": ArActe, "1-3": AnomalieActe, "2-1": Letter, "3-1": Letter, "3-5": ArReponse, "4-1": Letter, "4-5": ArReponse,
    "5-1": Letter, "6-2": ArAnnulation, "7-2": RetourClassification, "7-3": ClassificationSansChangement,
}  # fmt: skip


def test_every_shared_sample_of_the_state_is_read() -> None:
    data = shared_directory() / "data/actes"
    for code, kind in FROM_THE_STATE.items():
        for path in sorted(data.glob(f"worked-example/*/*-{code}_*.xml")):
            files = [
                (file.name, file.read_bytes()) for file in path.parent.iterdir() if file.suffix in (".xml", ".pdf")
            ]
            answer = _only(mail(*files))
            assert type(answer) is kind, (path, answer)
            assert not isinstance(answer, Letter) or (answer.documents and not answer.missing)
        for path in sorted((data / "samples/norm-examples").glob(f"*/{code}_*.xml")):
            answer = _only(mail((f"034-123456789----{code}_1.xml", path.read_bytes())))
            assert type(answer) is kind, (path, answer)
    for path in sorted(data.glob("**/ANO_*.xml")):
        assert type(_only(mail((path.name, path.read_bytes())))) is AnomalieEnveloppe
    for path in sorted(data.glob("**/*.eml")):
        assert not any(isinstance(answer, Unreadable) for answer in read_mail(parse_mail(path.read_bytes())))


def test_the_prefix_is_free() -> None:
    assert "xmlns:actes" in NAMESPACES
    data = ar().replace(b"<actes:ActeRecu", b"<!-- c --><?p q?><actes:ActeRecu")
    assert isinstance(_only(mail((AR_NAME, data))), ArActe)


def test_two_mails_in_one_are_for_two_collectivites() -> None:
    """Forwarded together: each message has the SIREN of its own envelope."""
    names = ["034-123456782----7-2_1.xml", "034-111111118----7-2_2.xml", "sans-nom.xml"]
    day = "<actes:DateClassification>2026-03-01</actes:DateClassification>"
    files = [(name, xml("RetourClassification", "", day)) for name in names]
    envelopes = [
        (ENVELOPE, envelope(names[0], siren="123456782")),
        ("EACT--SPREF0343-111111118-20260310-2.xml", envelope(names[1], siren="111111118")),
    ]
    answers = read_mail(mail(*envelopes, *files))
    assert [getattr(answer, "siren", None) for answer in answers] == ["123456782", "111111118", None]
    assert isinstance(answers[2], Unreadable)


def test_an_anomaly_without_envelope_nor_name_is_found_by_the_files_of_its_act() -> None:
    files = f"<actes:Document>{file_name(f'99_DE-{ACT}-1-1_1.pdf')}</actes:Document>"
    content = f"<actes:Nature>007</actes:Nature><actes:ActeRecu {ECHO}{files}</actes:ActeRecu>"
    answer = _only(mail(("x.xml", xml("AnomalieActe", "", content))))
    assert isinstance(answer, AnomalieActe)
    assert answer.siren == "123456782"


def test_a_damaged_document_is_missing_from_its_letter() -> None:
    data = xml("CourrierSimple", f'actes:IDActe="{ACT}"', f"<actes:Document>{file_name('d.pdf')}</actes:Document>")
    content = replace(mail(("a.xml", data)), damaged=("d.pdf",))
    letter, fault = read_mail(content)
    assert isinstance(letter, Letter)
    assert letter.missing == ("d.pdf",)
    assert fault == Unreadable("pièce jointe abîmée en route", "d.pdf")
