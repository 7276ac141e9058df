"""E-mails of the ministry, and the answers of the IMAP server that holds them."""

from email.message import EmailMessage
from email.policy import SMTP

from tdt.domain.actes.authenticity import MailRules, find_doubt
from tdt.domain.actes.clues import find_clues
from tdt.domain.actes.headers import read_headers
from tdt.domain.actes.mail import parse_mail
from tdt.domain.actes.mail_cuts import cut as cut_mail
from tdt.domain.actes.peek import peek
from tdt.domain.actes.returns import read_mail
from tdt.domain.actes.trace import read_received, read_results
from tdt.remote.imap_fetched import read_fetched
from tests.fuzz.targets.base import Target, check_told, numbered
from tests.unit.actes import mails

RULES = MailRules(
    frozenset({"mx.tdt.test"}), (), ("interieur.gouv.fr", "192.0.2.0/24"), "mx.tdt.test", ("interieur.gouv.fr",), True
)


def mail(data: bytes) -> None:
    """A mail is taken apart whatever its structure; its files have names that are safe on a disk."""
    parsed = parse_mail(data)
    for one in parsed.attachments:
        assert one.name and "/" not in one.name and "\\" not in one.name and one.name not in (".", "..")
        assert len(one.name) <= 255
    check_told(parsed.fault)
    answers = read_mail(parsed)
    assert answers
    find_clues(parsed, answers)
    check_told(find_doubt(read_headers(data), RULES))
    read_headers(data).first("subject")
    looks = [peek(data, RULES), peek(data, MailRules())]
    assert all(len(one.answers) <= 8 and len(one.owners) <= 8 for one in looks)


def cuts(data: bytes) -> None:
    """What is cut out of a mail can be put back: nothing is lost."""
    found = cut_mail(data)
    assert found.restore(found.rest) == data or found.runs
    assert sum(map(len, found.runs)) <= len(data)


def trace(data: bytes) -> None:
    """Trace headers: read with certainty or not at all."""
    text = data.decode("utf-8", "replace")
    hop = read_received(text)
    assert hop is None or hop.by
    read_results(text)


def imap(data: bytes) -> None:
    """The lines and literals of an answer to FETCH: a zero byte divides them, one at the start makes it a literal."""
    lines = [bytearray(line[1:]) if line[:1] == b"\x01" else line for line in data.split(b"\0")]
    for item in read_fetched(lines):
        assert item.uid >= 0


def _nested() -> bytes:
    outer = EmailMessage(policy=SMTP)
    outer["Subject"] = "TR: =?utf-8?q?accus=C3=A9?="
    outer.set_content("voir plus bas")
    inner = EmailMessage(policy=SMTP)
    inner.set_content("<p>x</p>", subtype="html")
    inner.add_attachment(mails.ar(), maintype="text", subtype="xml", filename="été.xml")
    outer.add_attachment(inner)
    return outer.as_bytes()


def _mail_seeds() -> dict[str, bytes]:
    seeds = {path.stem: path.read_bytes() for path in sorted(mails.DATA.glob("*.eml"))}
    traced = (
        b"Received: from r.interieur.gouv.fr (r.interieur.gouv.fr [192.0.2.7])\r\n\tby mx.tdt.test with ESMTPS\r\n"
        b"Authentication-Results: mx.tdt.test; dkim=pass header.d=interieur.gouv.fr; dmarc=pass header.from=x.fr\r\n"
    )
    return {**seeds, "nested": _nested(), "traced": traced + mails.raw_mail(("ar.xml", mails.ar()))}


TARGETS = [
    Target("mail", mail, _mail_seeds),
    Target("mail_cuts", cuts, lambda: {"run": b"x\r\n" + (b"QUJD" * 19 + b"\r\n") * 250 + b"QUI=\r\n--x--\r\n"}),
    Target(
        "trace",
        trace,
        lambda: numbered(
            [
                b"from a.fr (a.fr [192.0.2.7]) (using TLSv1.3) by mx.tdt.test (Postfix) with ESMTPS; Mon, 9 Mar 2026",
                b"by mx.tdt.test (Postfix, from userid 1000)",
                b'mx.tdt.test 1; dkim=pass (good) header.d=a.fr header.s="x y"; spf=fail smtp.mailfrom=b@a.fr',
            ]
        ),
    ),
    Target(
        "imap",
        imap,
        lambda: numbered(
            [
                b"* 1 FETCH (UID 7 RFC822.SIZE 12 BODY[] {12}\0\x01Subject: x\r\n\0)\0FETCH completed",
                b'3 FETCH (BODY[] "a\\"b" UID 9)\0* 4 FETCH (UID 10 BODY[] NIL)',
            ]
        ),
    ),
]
