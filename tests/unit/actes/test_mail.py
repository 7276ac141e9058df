"""Mails are taken apart whatever their structure, their files untouched."""

import base64
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdt.domain.actes.mail import parse_mail
from tests.unit.actes.mails import ACT, DATA, raw_mail, sample

ENVELOPE = "EACT--SPREF0343-123456782-20260310-{}.xml"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.mark.parametrize(
    ("name", "files", "multicanal"),
    [
        ("1-2-ar.eml", [ENVELOPE.format(11), f"{ACT}-1-2_84211.xml"], False),
        ("1-3-anomalie.eml", ["034-123456782----1-3_12.xml", ENVELOPE.format(12)], False),
        ("ano-enveloppe.eml", ["ANO_EACT--123456782--20260310-4.xml"], False),
        ("3-1-demande-pieces.eml", [ENVELOPE.format(16), f"{ACT}-3-1_41.xml", f"{ACT}-3-1_40.pdf"], False),
        ("7-2-classification.eml", [ENVELOPE.format(14), "034-123456782----7-2_31.xml"], False),
        ("7-3-sans-changement.eml", [ENVELOPE.format(15), "034-123456782----7-3_32.xml"], False),
        ("multicanal.eml", [], True),
    ],
)
def test_samples(name: str, files: list[str], multicanal: bool) -> None:
    mail = parse_mail(sample(name))
    assert [attachment.name for attachment in mail.attachments] == files
    assert mail.multicanal is multicanal
    assert mail.fault == ""


def _part(headers: str, body: str = "<a/>") -> bytes:
    return (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        f"--b\r\n{headers}\r\n\r\n{body}\r\n--b--\r\n"
    ).encode("latin-1")


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ('Content-Type: text/xml; name="a.xml"', "a.xml"),
        ("Content-Type: text/xml; name=a.xml", "a.xml"),
        ("Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.xml", "a.xml"),
        ("Content-Disposition: attachment; filename*=UTF-8''%C3%A9t%C3%A9.xml", "été.xml"),
        ("Content-Disposition: attachment; filename*0=ab; filename*1=cd.xml", "abcd.xml"),
        ("Content-Disposition: attachment; filename*0*=iso-8859-1''%E9; filename*1=t.xml", "ét.xml"),
        ('Content-Disposition: attachment; filename="=?iso-8859-1?Q?=E9t=E9=2Exml?="', "été.xml"),
        ('Content-Disposition: attachment; filename="=?utf-8?B?w6l0w6kueG1s?="', "été.xml"),
        ('Content-Disposition: attachment; filename="=?x-inconnu?Q?a?=.xml"', "sans-nom"),
        ('Content-Disposition: attachment; filename="=?utf-7?Q?+2AA-?="', "sans-nom"),
        ("Content-Disposition: attachment; filename=\xe9t\xe9.xml", "\ufffdt\ufffd.xml"),
        ("Content-Disposition: attachment; filename=../../etc/a.xml", "a.xml"),
        ('Content-Disposition: attachment; filename="C:\\\\mail\\\\a.xml"', "a.xml"),
        ("Content-Type: text/xml", "sans-nom-1.xml"),
    ],
)
def test_names_of_files(headers: str, name: str) -> None:
    (attachment,) = parse_mail(_part(headers)).attachments
    assert attachment.name == name
    assert attachment.data == b"<a/>"


def test_xml_without_a_name_in_a_text_part() -> None:
    (attachment,) = parse_mail(_part("Content-Type: text/plain", "<?xml version='1.0'?><a/>")).attachments
    assert attachment.data.startswith(b"<?xml")


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ("Content-Type: image/jpeg; name=logo.jpg\r\nContent-ID: <logo.jpg>\r\nContent-Disposition: inline", False),
        ("Content-Type: image/png; name=image001.png\r\nContent-ID: <x>", False),
        ("Content-Type: image/jpeg; name=logo.jpg\r\nContent-Disposition: attachment", False),
        (f"Content-Type: image/jpeg; name={ACT}-2-1_16.jpg\r\nContent-Disposition: inline", True),
        ("Content-Type: image/jpeg; name=plan.jpg\r\nContent-Disposition: attachment", True),
    ],
)
def test_the_logo_is_left_out_and_pictures_of_the_prefecture_are_kept(headers: str, kept: bool) -> None:
    data = base64.b64encode(JPEG).decode()
    mail = parse_mail(_part(f"{headers}\r\nContent-Transfer-Encoding: base64", data))
    assert [attachment.data for attachment in mail.attachments] == ([JPEG] if kept else [])


@given(st.binary(max_size=500))
def test_bytes_are_kept(data: bytes) -> None:
    (attachment,) = parse_mail(raw_mail(("a.xml", data))).attachments
    assert attachment.data == data


def test_eight_bit_and_quoted_printable_bytes_are_kept() -> None:
    assert parse_mail(_part("Content-Type: text/xml; name=a.xml", "été\r\nà")).attachments[0].data == (
        "été\r\nà".encode("latin-1")
    )
    quoted = _part("Content-Type: text/xml; name=a.xml\r\nContent-Transfer-Encoding: quoted-printable", "=E9=\r\nt")
    assert parse_mail(quoted).attachments[0].data == b"\xe9t"


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "x-inconnu", ""])
def test_the_paper_reminder_in_any_charset(charset: str) -> None:
    text = (
        "<p>Notre service de contrôle de légalité a identifié qu'il s'agit d'un acte dont la "
        "transmission est effectuée en multi canal.</p>"
    )
    data = text.encode("utf-8" if charset == "utf-8" else "latin-1")
    header = f"Content-Type: text/html; charset={charset}\r\n\r\n" if charset else "Content-Type: text/html\r\n\r\n"
    assert parse_mail(header.encode() + data).multicanal
    assert not parse_mail(header.encode() + b"<p>Bonjour</p>").multicanal


def test_a_forwarded_mail_is_opened() -> None:
    outer = EmailMessage()
    outer.set_content("voir ci-joint")
    inner = EmailMessage()
    inner.set_content("AR")
    inner.add_attachment(b"<a/>", maintype="text", subtype="xml", filename="a.xml")
    outer.add_attachment(inner)
    assert [attachment.name for attachment in parse_mail(outer.as_bytes()).attachments] == ["a.xml"]


def test_a_mail_made_to_exhaust_the_reader() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    assert "imbriquées" in parse_mail(nested).fault
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 2000
    assert parse_mail(many).fault == "courriel de 2000 parties"
    quotes = b'Content-Type: text/plain; a="' + b";\r\n " * 50_000 + b"\r\n\r\nx"
    assert parse_mail(quotes).fault == "courriel à l'en-tête trop long"
    assert not parse_mail(b"Content-Type: text/html; charset=punycode\r\n\r\n" + b"a-" * 400_000).multicanal


@given(st.binary(max_size=600))
@settings(max_examples=200)
def test_any_bytes_are_taken_apart(raw: bytes) -> None:
    parse_mail(raw)


SAMPLES = sorted(path.name for path in DATA.glob("*.eml"))


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_mails_are_taken_apart(name: str, data: st.DataObject) -> None:
    raw = bytearray(sample(name))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=10))
    parse_mail(bytes(raw))


def _base64_part(name: str, data: bytes, damage: str) -> bytes:
    text = base64.b64encode(data).decode()
    text = {"none": text, "character": text[:8] + "\x80" + text[9:], "length": text[:9], "padding": text[:10]}[damage]
    return _part(f"Content-Type: application/octet-stream; name={name}\r\nContent-Transfer-Encoding: base64", text)


@pytest.mark.parametrize("damage", ["none", "character", "length", "padding"])
def test_a_file_whose_base64_is_damaged_is_named_and_left_out(damage: str) -> None:
    mail = parse_mail(_base64_part("lettre.pdf", b"%PDF-1.4 lettre", damage))
    kept, damaged = [one.name for one in mail.attachments], list(mail.damaged)
    assert (kept, damaged) == ((["lettre.pdf"], []) if damage == "none" else ([], ["lettre.pdf"]))


def test_the_last_file_of_a_mail_that_was_cut_is_left_out_unless_it_tells_by_itself() -> None:
    for name, data, kept in (("lettre.pdf", b"%PDF-1.4", False), ("a.xml", b"<?xml version='1.0'?><a/>", True)):
        whole = _base64_part(name, data, "none")
        mail = parse_mail(whole.removesuffix(b"\r\n--b--\r\n"))
        assert [one.name for one in mail.attachments] == ([name] if kept else [])
        assert mail.damaged == (() if kept else (name,))
        assert parse_mail(whole).damaged == ()
