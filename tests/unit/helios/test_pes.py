"""The streaming reader of PES flows: what it finds, what it refuses, that nothing else ever comes out."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdt.domain.helios import stream
from tdt.domain.helios.model import PesHeader
from tdt.domain.helios.pes import PesReader, PesUnreadable
from tests.unit.helios.samples import read_pes, sample

ROOT = Path(__file__).parents[3]
PROLOG = b'<?xml version="1.0" encoding="ISO-8859-1"?>'
DEPENSE = sample("aller_depense.xml")


def test_reads_the_header() -> None:
    assert read_pes(DEPENSE) == PesHeader(
        root="PES_Aller",
        namespace="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller",
        typ_fic="PESALR2",
        nomfic="ESSAI-2026-0318",
        cod_col="401",
        cod_bud="00",
        id_post="034012",
        id_coll="12345678200010",
        domains=("PES_DepenseAller",),
        signed=False,
        has_header=True,
    )


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50, 4096])
def test_pieces_of_any_size_read_the_same(step: int) -> None:
    assert read_pes(DEPENSE, step) == read_pes(DEPENSE)


def test_domains_and_signature() -> None:
    assert read_pes(sample("aller_depense_pj.xml")).domains == ("PES_DepenseAller", "PES_PJ")
    signed = read_pes(sample("aller_signed.xml"))
    assert signed.signed
    assert signed.domains == ("PES_DepenseAller",)
    assert read_pes(sample("aller_empty.xml")).domains == ()


def test_root_signature_is_not_a_domain() -> None:
    signature = b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></n:PES_Aller>'
    header = read_pes(sample("aller_empty.xml").replace(b"</n:PES_Aller>", signature))
    assert (header.signed, header.domains) == (True, ())


def test_signature_of_another_namespace_is_none() -> None:
    assert not read_pes(b'<a><Signature xmlns="urn:other"/></a>').signed


def test_cod_coll_is_read_as_cod_col() -> None:
    header = read_pes(sample("acquit_retour.xml"))
    assert (header.root, header.cod_col) == ("PES_ACQUIT_RETOUR", "401")


@pytest.mark.parametrize("value", ["", "  ", "&#9;"])
def test_blank_values_are_absent(value: str) -> None:
    data = DEPENSE.replace(b"ESSAI-2026-0318", value.encode())
    assert read_pes(data).nomfic is None


def test_first_value_counts_and_only_at_its_place() -> None:
    data = b"""<a><EnTetePES><IdPost V="1"/><IdPost V="2"/><x><CodBud V="9"/></x></EnTetePES>
        <b><EnTetePES><CodCol V="3"/></EnTetePES></b></a>"""
    header = read_pes(data)
    assert (header.id_post, header.cod_bud, header.cod_col) == ("1", None, None)
    assert header.domains == ("b",)


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (b"", False),
        (b"<EnTetePES/>", False),
        (b"<EnTetePES> </EnTetePES>", False),
        (b"<EnTetePES><a/></EnTetePES>", True),
    ],
)
def test_has_header(element: bytes, expected: bool) -> None:
    assert read_pes(b"<r>" + element + b"</r>").has_header is expected


def test_accents_of_the_declared_encoding() -> None:
    data = DEPENSE.replace(b"ESSAI-2026-0318", "mandats_été.xml".encode("iso-8859-1"))
    assert read_pes(data).nomfic == "mandats_été.xml"


UNREADABLE = {
    "empty": b"",
    "not xml": b"mandat;318;84,20\n",
    "truncated": DEPENSE[:-20],
    "concatenated": DEPENSE + DEPENSE,
    "utf-16": DEPENSE.decode("iso-8859-1").encode("utf-16"),
    "utf-16 without mark": DEPENSE.decode("iso-8859-1").replace("ISO-8859-1", "UTF-16").encode("utf-16-le"),
    "utf-32": DEPENSE.decode("iso-8859-1").encode("utf-32"),
    "nul inside": DEPENSE.replace(b"84.20", b"84\x0020"),
    "nul after": DEPENSE + b"\0",
    "unknown encoding": DEPENSE.replace(b"ISO-8859-1", b"ZORK-8859"),
    "doctype": PROLOG + b"<!DOCTYPE a><a/>",
    "entities": PROLOG + b'<!DOCTYPE a [<!ENTITY x "yyyy"><!ENTITY z "&x;&x;">]><a>&z;</a>',
    "external": PROLOG + b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>',
    "unknown entity": PROLOG + b"<a>&x;</a>",
    "deep": PROLOG + b"<a>" * 201 + b"</a>" * 201,
    "attributes": PROLOG + b"<a " + b" ".join(b'x%d=""' % n for n in range(5001)) + b"/>",
    "names": PROLOG + b"<a>" + b"".join(b"<x%d/>" % n for n in range(5001)) + b"</a>",
    "attribute names": PROLOG + b"<a>" + b"".join(b'<x y%d=""/>' % n for n in range(5001)) + b"</a>",
    "namespaces": PROLOG + b"<a>" + b"".join(b'<x xmlns="u:%d"/>' % n for n in range(5001)) + b"</a>",
    "instructions": PROLOG + b"<a>" + b"".join(b"<?x%d?>" % n for n in range(5001)) + b"</a>",
    "long attribute": PROLOG + b'<a x="' + b"y" * 700_000 + b'"/>',
    "long comment": PROLOG + b"<a><!--" + b"y" * 700_000 + b"--></a>",
    "open comment": PROLOG + b"<a><!-- <![CDATA[ ",
    "open cdata": PROLOG + b"<a><![CDATA[ ]]",
    "end of cdata alone": PROLOG + b"<a>]]></a>",
}


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("step", [1 << 16, 777])
def test_unreadable(name: str, step: int) -> None:
    with pytest.raises(PesUnreadable):
        read_pes(UNREADABLE[name], step)


def test_unreadable_again_at_every_call() -> None:
    reader = PesReader()
    with pytest.raises(PesUnreadable):
        reader.feed(b"<a></b>")
    with pytest.raises(PesUnreadable):
        reader.feed(b"<a/>")
    with pytest.raises(PesUnreadable):
        reader.close()


def test_at_the_limits() -> None:
    assert read_pes(b"<a>" * 200 + b"</a>" * 200).root == "a"
    assert read_pes(b"<a " + b" ".join(b'x%d=""' % n for n in range(4_999)) + b"/>").root == "a"
    assert read_pes(b'<a x="' + b"y" * 400_000 + b'"/>').root == "a"


@pytest.mark.parametrize("step", [1 << 20, 65_536, 1_000, 3])
def test_cdata_of_any_size(step: int) -> None:
    size = 2_000 if step == 3 else 2_000_000
    content = b"]]" + b"QUJD]]" * (size // 6) + "é".encode("iso-8859-1") + b"<!-- <x> </f>]"
    data = PROLOG + b"<a><!-- <![CDATA[ --><f><![CDATA[" + content + b"]]></f><!----><g><![CDATA[]]></g><h/></a>"
    assert read_pes(data, step).domains == ("f", "g", "h")


def test_text_of_a_split_section_is_unchanged() -> None:
    splitter = stream.CdataSplitter()
    text = "a]]b é € ]] <!-- ]".encode()
    data = b"<a><![CDATA[" + text + b"]]></a>"
    parts = [splitter.split(data[n : n + 1]) for n in range(len(data))]
    rebuilt = b"".join([*parts, splitter.rest()]).replace(b"]]><![CDATA[", b"")
    assert rebuilt == data


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_surprise(data: bytes) -> None:
    _read_or_refuse(data)


PIECES = (
    *(b"<a>", b"</a>", b"<a/>", b"<", b">", b"<!", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"]", b"<n:a", b"<?x", b"?>"),
    *(
        b"<!DOCTYPE a [",
        b"<!ENTITY x 'y'>",
        b"&",
        b"&x;",
        b"&lt;",
        b"&#0;",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\0",
        b"\xe9",
    ),
    *(b" V='x'", b'<EnTetePES><IdPost V="', b'"/>', b" xmlns:n='u'", b" xml:id='1'", b"<?xml?>", PROLOG),
)


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.integers(1, 20))
@settings(max_examples=500, deadline=None)
def test_pieces_of_xml_never_surprise(parts: list[bytes], step: int) -> None:
    _read_or_refuse(b"".join(parts), step)


@given(st.integers(0, len(DEPENSE) - 1), st.binary(max_size=6), st.integers(0, 6))
@settings(max_examples=300, deadline=None)
def test_damaged_flows_never_surprise(position: int, patch: bytes, cut: int) -> None:
    _read_or_refuse(DEPENSE[:position] + patch + DEPENSE[position + cut :])


def _read_or_refuse(data: bytes, step: int = 1 << 16) -> None:
    try:
        header = read_pes(data, step)
    except PesUnreadable as error:
        assert error.reason
    else:
        assert header.root


MEMORY_SCRIPT = """
import resource, sys
from tdt.domain.helios.pes import PesReader
opening, closing = sys.argv[1].encode(), sys.argv[2].encode()
chunk = (b"QUJDREVG" * 9 + b"\\n") * 14_364  # 1 MiB of base64 lines
one_line = b"QUJDREVG" * 131_072
def read(megabytes):
    reader = PesReader()
    reader.feed(b'<?xml version="1.0" encoding="ISO-8859-1"?><PES_Aller><PES_PJ>' + opening)
    for number in range(megabytes):
        reader.feed(chunk if number % 2 else one_line)
    reader.feed(closing + b"</PES_PJ></PES_Aller>")
    assert reader.close().domains == ("PES_PJ",)
read(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read(64)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("<Fichier>", "</Fichier>"), ("<Fichier><![CDATA[", "]]></Fichier>")],
    ids=["text", "cdata"],
)
def test_memory_stays_flat_on_one_huge_text(opening: str, closing: str) -> None:
    command = [sys.executable, "-c", MEMORY_SCRIPT, opening, closing]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 32 * 1024, "kibibytes of growth"


def test_an_ampersand_is_one() -> None:
    data = sample("aller_depense.xml").replace(b"ESSAI-2026-0318", b"A&amp;B &#38; &amp;#38; C")
    assert read_pes(data).nomfic == "A&B & &#38; C"
