"""For whom a mail probably is: its answers first, then its XML, then the names of its files."""

from dataclasses import replace

from tdt.domain.actes.clues import Clues, find_clues
from tdt.domain.actes.headers import read_headers
from tdt.domain.actes.mail import MinistryMail
from tdt.domain.actes.returns import read_mail
from tests.unit.actes.mails import ACT, ar, envelope, mail, xml

OTHER = "034-987654324-20260101-N-DE"


def clues(content: MinistryMail) -> Clues:
    return find_clues(content, read_mail(content))


def test_the_surest_come_first() -> None:
    name = f"{OTHER}-2-1_4.pdf"
    found = clues(mail((f"{ACT}-1-2_1.xml", ar()), (name, b"%PDF"), ("EACT--SPREF0343-111111118-20260310-1.xml", b"<")))
    assert found == Clues((ACT, OTHER), ("123456782", "987654324", "111111118"))


def test_xml_that_cannot_be_read_still_says_something() -> None:
    broken = xml("ARActe", f'actes:IDActe="{ACT}"')[:-9]
    assert clues(mail(("x.xml", broken))) == Clues((ACT,), ("123456782",))
    assert clues(mail(("x.xml", envelope(siren="111111118")[:-9]))) == Clues((), ("111111118",))
    assert clues(mail((f"{ACT}-1-2_1.xml", b""))) == Clues((ACT,), ("123456782",))
    assert clues(replace(mail(), damaged=(f"{ACT}-2-1_4.pdf",))) == Clues((ACT,), ("123456782",))


def test_nothing_is_made_up() -> None:
    assert clues(mail(("facture-2026031012.pdf", b"%PDF"), ("034----7-2_1.xml", b"<a/>"))) == Clues((), ())
    many = mail(*((f"EACT--{100_000_000 + number}--20260310-1.xml", b"<a/>") for number in range(100)))
    assert len(clues(many).sirens) == 20


def test_headers_in_their_order() -> None:
    raw = (
        b"Received: from a\r\n\tby b\r\nSubject: =?utf-8?Q?=C3=A9t=C3=A9?=\r\nX-Y : z\r\nsubject: two\r\n\r\n"
        b"Subject: three\r\n"
    )
    headers = read_headers(raw)
    assert headers.fields == (
        ("received", "from a\tby b"),
        ("subject", "=?utf-8?Q?=C3=A9t=C3=A9?="),
        ("x-y", "z"),
        ("subject", "two"),
    )
    assert (headers.first("Subject"), headers.first("From")) == ("été", "")
    assert read_headers(b"").fields == read_headers(b"\r\n\r\nA: b").fields == ()
    assert read_headers(b"A: b\npas un champ\nC: d\n\n").fields == (("a", "b"),)
    assert read_headers(b"Subject: =?x-inconnu?Q?a?=\n\n").first("subject") == "=?x-inconnu?Q?a?="
