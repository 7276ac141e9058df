"""Large attachments: the same bytes as without the cuts, in a memory that does not grow nine times."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tdt.domain.actes import mail as mail_module
from tdt.domain.actes.mail import MAIL_LIMIT, parse_mail
from tdt.domain.actes.mail_cuts import cut

LARGE = os.urandom(3 << 20)


def lines(data: bytes, length: int, end: str) -> str:
    text = base64.b64encode(data).decode()
    return end.join(text[start : start + length] for start in range(0, len(text), length)) + end


def mail(body: str, encoding: str = "base64", end: str = "\r\n") -> bytes:
    return (
        f"Content-Type: multipart/mixed; boundary=b{end}{end}--b{end}Content-Type: application/pdf; name=d.pdf{end}"
        f"Content-Transfer-Encoding: {encoding}{end}{end}{body}{end}--b{end}Content-Type: text/xml; name=a.xml{end}"
        f"{end}<a/>{end}--b--{end}"
    ).encode()


@pytest.mark.parametrize("length", [76, 72, 64, 60, 70, 1000])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("size", [3 << 20, (3 << 20) - 1, (1 << 20) + 57])
def test_the_bytes_are_those_that_were_sent(length: int, end: str, size: int) -> None:
    raw = mail(lines(LARGE[:size], length, end), end=end)
    found = parse_mail(raw)
    assert [(one.name, one.data) for one in found.attachments] == [("d.pdf", LARGE[:size]), ("a.xml", b"<a/>")]
    assert found.damaged == ()
    assert (len(cut(raw).rest) < 1000) is (length not in (70, 1000))


def test_several_and_lines_with_several_ends() -> None:
    body = lines(LARGE, 76, "\r\n")
    mixed = body[: 2 << 20].replace("\r\n", "\n") + body[2 << 20 :]
    both = mail(body).replace(b"\r\n--b--\r\n", mail(mixed)[mail(mixed).index(b"\r\n--b\r\n") :])
    assert [one.data for one in parse_mail(both).attachments] == [LARGE, b"<a/>", LARGE, b"<a/>"]


def test_what_is_damaged_beside_a_run_is_named() -> None:
    body = lines(LARGE, 76, "\r\n")
    for damaged in (body + "a", "!" + body, body[: 2 << 20] + "é" + body[2 << 20 :]):
        found = parse_mail(mail(damaged))
        assert ([one.name for one in found.attachments], found.damaged) == (["a.xml"], ("d.pdf",))


def test_what_only_looks_like_base64_stays_as_it_is() -> None:
    body = lines(LARGE, 76, "\r\n")
    assert parse_mail(mail(body, "7bit")).attachments[0].data == body.encode()


def test_a_mail_that_holds_the_mark() -> None:
    body = lines(LARGE, 76, "\r\n")
    raw = mail(body) + b"TDTCUT000000\r\n"
    assert cut(raw).mark == "TDTCUTX"
    assert parse_mail(raw).attachments[0].data == LARGE


def test_a_mail_that_is_large_without_attachments_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_module, "PARSED_LIMIT", 1 << 20)
    raw = b"Content-Type: text/html\r\n\r\n" + b"<p>a</p>\r\n" * 200_000
    assert "trop ne sont pas" in parse_mail(raw).fault
    assert parse_mail(mail(lines(LARGE, 76, "\r\n"))).fault == ""
    monkeypatch.setattr(mail_module, "MAIL_LIMIT", 1 << 20)
    assert "trop volumineux" in parse_mail(raw).fault


PEAK = """
import resource, sys
from pathlib import Path
from tdt.domain.actes.mail import parse_mail
raw = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = parse_mail(raw)
assert len(found.attachments) == 2 and not found.fault, found.fault
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / len(raw))
"""


def test_memory_is_less_than_twice_the_mail(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    path.write_bytes(mail(lines(LARGE * 20, 76, "\r\n")))
    peak = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True).stdout
    assert float(peak) < 2
    assert MAIL_LIMIT * 2.5 < 600 << 20
