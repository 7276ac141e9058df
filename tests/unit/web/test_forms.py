"""PHP's view of forms, and the reader of bodies on random forms cut at random places."""

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdt.config import Limits
from tdt.documents.spool import Spool
from tdt.domain.text import decode_form
from tdt.web.forms import Form, Upload, parse_disposition, parse_urlencoded
from tdt.web.uploads import Fault, FormFault, FormPlan, FormReader

BOUNDARY = "----------------------------0123456789ab"
PLAN = FormPlan(
    spooled=frozenset({"file", "files"}),
    max_bytes=1 << 20,
    max_files=50,
    messages={fault: str(fault) for fault in Fault},
)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('form-data; name="api"', ("api", None)),
        ("form-data; name=type_pj[]", ("type_pj[]", None)),
        ('form-data; name=acte_attachments[]; filename="an nexe0.pdf"', ("acte_attachments[]", "an nexe0.pdf")),
        ('form-data; filename="a;b.pdf"; name="f"', ("f", "a;b.pdf")),
        ('form-data; name="f"; filename="C:\\\\dir\\\\x.pdf"', ("f", "x.pdf")),
        ('form-data; name="f"; filename="dir/x.pdf"', ("f", "x.pdf")),
        ('form-data; name="f"; filename="say \\"hi\\".pdf"', ("f", 'say "hi".pdf')),
        ('form-data; name="f"; filename=""', ("f", "")),
        ("form-data; name='f'; filename=plain.pdf", ("f", "plain.pdf")),
        ("form-data", ("", None)),
        ('form-data; name="f"; filename="r\xe9ponse.pdf"', ("f", "réponse.pdf")),
        ('form-data; name="f"; filename="R\xc3\xa9ponse.pdf"', ("f", "Réponse.pdf")),
    ],
)
def test_content_disposition(header: str, expected: tuple[str, str | None]) -> None:
    assert parse_disposition(header) == expected


def test_urlencoded_follows_php() -> None:
    fields = parse_urlencoded(b"a=1&a=2&t[]=x&t[]=y&i[3]=p&i[]=q&e=%E9t%C3%A9+x&flag=0&empty&%zz=%")
    assert fields.text("a") == "2"
    assert dict(fields.array("t")) == {"0": "x", "1": "y"}
    assert dict(fields.array("i")) == {"3": "p", "4": "q"}
    assert fields.text("e") == "étÃ© x"
    assert not fields.is_true("flag")
    assert not fields.is_true("empty")
    assert not fields.is_true("absent")
    assert fields.text("%zz") == "%"


Part = tuple[str, bytes, str | None]
NAMES = st.sampled_from(["a", "b", "list[]", "list[2]", "api"])
FILE_NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"/\\'), max_size=12)
BYTES = st.one_of(st.binary(max_size=2000), st.just(b"z" * 900))
FIELD = st.tuples(NAMES, st.binary(max_size=200), st.none())
FILE = st.tuples(
    st.sampled_from(["file", "files[]", "files[1]", "other"]),
    BYTES,
    FILE_NAMES,
)


def encode(parts: list[Part], quoted: bool) -> bytes:
    lines = b""
    for name, value, filename in parts:
        quote = '"' if quoted else ""
        header = f"Content-Disposition: form-data; name={quote}{name}{quote}"
        if filename is not None:
            header += f'; filename="{filename}"\r\nContent-Type: application/octet-stream'
        lines += f"--{BOUNDARY}\r\n{header}\r\n\r\n".encode() + value + b"\r\n"
    return lines + f"--{BOUNDARY}--\r\n".encode()


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({place % len(body) for place in places} | {0, len(body)})
    return [body[start:end] for start, end in itertools.pairwise(edges)]


async def read(chunks: list[bytes], spool: Spool, plan: FormPlan = PLAN) -> Form:
    reader = FormReader(BOUNDARY, plan, Limits(), spool)
    try:
        for chunk in chunks:
            reader.feed(chunk)
            await reader.keep_up()
        return await reader.finish()
    except FormFault:
        await reader.discard()
        raise


def expected_values(parts: list[Part], names: set[str], is_file: bool) -> dict[str, object]:
    """An independent model of PHP: arrays by key, scalars by the last."""
    found: dict[str, object] = {}
    for name, value, filename in parts:
        base, _, rest = name.partition("[")
        if (filename is not None) is not is_file or base not in names:
            continue
        kept: object = (filename, value) if is_file else decode_form(value)
        if not rest:
            found[base] = kept
            continue
        entries = found.setdefault(base, {})
        assert isinstance(entries, dict)
        numbers = [int(key) for key in entries]
        entries[rest[:-1] or str(max(numbers, default=-1) + 1)] = kept
    return found


@given(st.lists(st.one_of(FIELD, FILE), max_size=8), st.booleans(), st.lists(st.integers(0, 1 << 20), max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_form_reads_the_same_however_it_is_written_and_cut(
    parts: list[Part], quoted: bool, places: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory), 500)
        form = asyncio.run(read(cut(encode(parts, quoted), places), spool))
        for name, wanted in expected_values(parts, {"a", "b", "list", "api"}, is_file=False).items():
            assert (dict(form.fields.array(name)) if isinstance(wanted, dict) else form.fields.text(name)) == wanted
        files = {
            name: {key: content(spool, upload) for key, upload in form.files.array(name).items()}
            for name in ("file", "files")
        }
        wanted_files = expected_values(parts, {"file", "files"}, is_file=True)
        assert files["file"] == ({"0": wanted_files["file"]} if "file" in wanted_files else {})
        assert files["files"] == wanted_files.get("files", {})
        kept = sum(len(entries) for entries in files.values())
        assert left_in(Path(directory)) <= kept


def left_in(directory: Path) -> int:
    return len(list(directory.iterdir()))


def content(spool: Spool, upload: Upload) -> tuple[str, bytes]:
    assert upload.body is not None
    data = upload.body.data
    if data is None:
        data = spool.path(upload.body.spool_name or "").read_bytes()
    return upload.filename, data


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (encode([("a", b"x", None)], True)[:-6], Fault.TRUNCATED),
        (encode([("file", b"x" * 5000, "f")], True)[:-80], Fault.TRUNCATED),
        (b"--other\r\n\r\n", Fault.TRUNCATED),
        (b"junk--" + BOUNDARY.encode() + b"\r\n", Fault.MALFORMED),
        (b"\r\n" * 5_000, Fault.TRUNCATED),
        (b"\r\n" * 5_000 + encode([("a", b"x", None)], True), Fault.MALFORMED),
        (b"x" * 4_090 + b"\r\n" + encode([("file", b"x" * 5000, "f")], True)[:-80], Fault.TRUNCATED),
        (f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n--{BOUNDARY}--".encode(), Fault.MALFORMED),
        (f"--{BOUNDARY}\r\n".encode() + b"X" * 10000, Fault.TOO_MUCH_TEXT),
        (encode([("a", b"x" * 70_000, None)], True), Fault.TOO_MUCH_TEXT),
        (encode([("a", b"x" * 60_000, None)] * 20, True), Fault.TOO_MUCH_TEXT),
        (encode([("a", b"", None)] * 1100, True), Fault.TOO_MUCH_TEXT),
        (encode([("file", b"x" * ((1 << 20) + 1), "f")], True), Fault.TOO_LARGE),
        (encode([("files[]", b"x", "f")] * 51, True), Fault.TOO_MANY_FILES),
    ],
)
async def test_bodies_that_cannot_be_taken_leave_nothing_behind(body: bytes, fault: Fault, tmp_path: Path) -> None:
    spool = Spool(tmp_path, 500)
    with pytest.raises(FormFault) as caught:
        await read([body[start : start + 4096] for start in range(0, len(body), 4096)], spool)
    assert caught.value.fault is fault
    assert left_in(tmp_path) == 0


def test_a_boundary_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormFault) as caught:
        FormReader("\udcff", PLAN, Limits(), Spool(tmp_path, 500))
    assert caught.value.fault is Fault.MALFORMED


async def test_a_repeated_scalar_file_leaves_only_the_last(tmp_path: Path) -> None:
    form = await read([encode([("file", b"1" * 900, "a"), ("file", b"2" * 900, "b")], True)], Spool(tmp_path, 500))
    upload = form.files.scalar("file")
    assert upload is not None
    assert (upload.filename, upload.size) == ("b", 900)
    assert left_in(tmp_path) == 1


async def test_an_endpoint_without_plan_ignores_what_does_not_fit(tmp_path: Path) -> None:
    parts: list[Part] = [("huge", b"x" * 100_000, None), ("api", b"1", None), ("enveloppe", b"y" * 100_000, "pes.xml")]
    form = await read([encode(parts, True)], Spool(tmp_path, 500), FormPlan())
    assert form.fields.text("api") == "1"
    assert not len(form.files)
    assert left_in(tmp_path) == 0
