"""What a client posts: multipart bodies, urlencoded bodies, dispositions, Basic credentials."""

import asyncio
import base64

from tdt.config import Limits
from tdt.documents.spool import Spool
from tdt.domain.text import decode_form
from tdt.web.credentials import read_basic
from tdt.web.forms import Form, parse_disposition, parse_urlencoded
from tdt.web.uploads import BOUNDARY, Fault, FormFault, FormPlan, FormReader
from tests.fuzz.targets.base import DIRECTORY, Target, cut, numbered

LIMITS = Limits(text_field_bytes=1 << 12, parts=50, files=20)
PLAN = FormPlan(
    frozenset({"acte_pdf_file", "acte_attachments", "enveloppe"}),
    frozenset({"acte_pdf_file_sign"}),
    1 << 16,
    20,
    dict.fromkeys(Fault, "refus"),
)


async def _read(data: bytes, whole: bool) -> tuple[Form | None, Fault | None]:
    reader = FormReader("frontiere", PLAN, LIMITS, Spool(DIRECTORY, 1 << 20))
    try:
        for chunk in [data] if whole else cut(data):
            reader.feed(chunk)
            await reader.keep_up()
        return await reader.finish(), None
    except FormFault as fault:
        await reader.discard()
        return None, fault.fault


def _told(form: Form | None) -> object:
    if form is None:
        return None
    files = [(one.filename, one.size, one.text, one.body.sha256 if one.body else b"") for one in form.files.all()]
    return list(form.fields.all()), files


def multipart(data: bytes) -> None:
    """However it is cut the body is the same form, or is refused."""
    first, fault = asyncio.run(_read(data, whole=True))
    second, other = asyncio.run(_read(data, whole=False))
    assert (fault is None) == (other is None), (fault, other)
    assert _told(first) == _told(second)
    for upload in first.files.all() if first is not None else ():
        assert "/" not in upload.filename and "\\" not in upload.filename
        assert "\0" not in upload.filename


def urlencoded(data: bytes) -> None:
    """A form, always: each value is text that the database can hold."""
    fields = parse_urlencoded(data)
    assert len(fields) <= data.count(b"&") + 1
    for value in fields.all():
        assert "\0" not in value


def headers(data: bytes) -> None:
    """Content-Type, Content-Disposition, Authorization: read or not, never a failure."""
    text = data.decode("latin-1")
    BOUNDARY.search(text)
    _, filename = parse_disposition(text)
    assert filename is None or ("/" not in filename and "\\" not in filename)
    basic = read_basic(text)
    if basic is not None:
        assert (basic.login and basic.secret not in repr(basic).encode()) or not basic.secret or len(basic.secret) < 9
    written = read_basic("Basic " + base64.b64encode(data).decode())
    login, colon, secret = data.partition(b":")
    assert (written is not None) == bool(colon and login)
    assert written is None or (written.login, written.secret) == (decode_form(login), secret)


def _part(head: str, body: bytes) -> bytes:
    return f"--frontiere\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body + b"\r\n"


def _multipart_seeds() -> dict[str, bytes]:
    end = b"--frontiere--\r\n"
    fields = _part('name="api"', b"1") + _part('name="objet"', "Été".encode("latin-1"))
    file = _part('name="acte_pdf_file"; filename="C:\\\\temp\\\\acte.pdf"', b"%PDF-1.4\n")
    several = b"".join(_part(f'name=acte_attachments[]; filename="{n}.pdf"', b"%PDF") for n in range(3))
    sign = _part('name="acte_pdf_file_sign"; filename="s.p7s"', b"MIIB")
    indexed = _part('name="type_pj[4]"', b"99_DE") + _part('name="type_pj[]"', b"22_AT")
    return numbered([fields + end, fields + file + end, file + several + sign + end, indexed + end, fields])


TARGETS = [
    Target("multipart", multipart, _multipart_seeds),
    Target(
        "urlencoded",
        urlencoded,
        lambda: numbered([b"api=1&id=42", b"a%5B%5D=1&a%5B%5D=2&a[7]=%E9t%E9", b"x=%C3%A9&x=%zz&&=&%00=%00"]),
    ),
    Target(
        "headers",
        headers,
        lambda: numbered(
            [
                b'form-data; name="acte_pdf_file"; filename="acte.pdf"',
                b"form-data; name=type_pj[]; filename='c:\\a\\b.pdf'",
                b"multipart/form-data; boundary=frontiere",
                b"Basic YWdlbnQ6bW90OmRlOnBhc3Nl",
                "agent:mot de passe é".encode("latin-1"),
            ]
        ),
    ),
]
