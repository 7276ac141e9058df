"""The grammar of the messages: valid ones pass, broken ones are named, and the official XSD agrees on both."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tdt.domain.actes.grammar import check_message, check_tree
from tdt.domain.xml import parse_tree
from tests.unit.actes.messages import BUILDERS, NSMAP, A, message, mutant
from tests.xsd import official_actes_xsd, record_xsd_check, shared_directory

PROLOG = '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
NAMESPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NSMAP.items())
ID_ACTE = 'actes:IDActe="034-123456782-20250612-2025_031-DE"'


def _serialized(root: etree._Element) -> bytes:
    data = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=True)
    assert isinstance(data, bytes)
    return data


def _annulation(attributes: str = ID_ACTE, content: str = "") -> bytes:
    return f"{PROLOG}<actes:Annulation {NAMESPACES} {attributes}>{content}</actes:Annulation>".encode("latin-1")


@pytest.mark.parametrize("name", BUILDERS)
def test_every_message_of_the_norm_passes(name: str) -> None:
    for seed in range(20):
        assert check_message(_serialized(message(random.Random(seed), name))) == []


@pytest.mark.parametrize("name", BUILDERS)
def test_the_root_must_be_in_the_current_namespace(name: str) -> None:
    data = _serialized(message(random.Random(1), name))
    assert check_message(data.replace(b"#v1.1-20040216", b"#v1.1-20040202")) != []


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        'IDActe="034-123456782-20250612-2025_031-DE"',
        'actes:IDActe="034-123456782-20250612-2025-031-DE"',
        'actes:IDActe="034-123456782-20250612-2025_031-de"',
        f'{ID_ACTE} actes:Date="2025-06-12"',
    ],
)
def test_a_wrong_attribute_is_a_fault(attributes: str) -> None:
    faults = check_message(_annulation(attributes))
    assert faults
    assert all(fault.startswith("ligne 2 : ") for fault in faults)


@pytest.mark.parametrize("content", ["x", " ", "\n", "<actes:Date>2025-06-12</actes:Date>"])
def test_an_empty_message_holds_nothing(content: str) -> None:
    assert check_message(_annulation()) == []
    assert check_message(_annulation(content=content)) != []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"pas du XML",
        b"<a>",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        b'<?xml version="1.0" encoding="x-inconnu"?><a/>',
        b"\x00\x01",
    ],
)
def test_what_is_no_message_is_a_fault(data: bytes) -> None:
    assert check_message(data) != []


@given(st.binary(max_size=200))
def test_any_bytes_get_a_verdict(data: bytes) -> None:
    assert check_message(data) != []


def test_threads_do_not_share_their_faults() -> None:
    wrong, right = _annulation(""), _annulation()
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(check_message, [wrong, right] * 200))
    assert all(bool(faults) == (index % 2 == 0) for index, faults in enumerate(verdicts))


def test_the_official_schema_agrees_on_a_thousand_messages() -> None:
    xsd = official_actes_xsd()
    if xsd is None:
        return  # the end of the run says that the official schema was absent
    r = random.Random(20040216)
    names = list(BUILDERS)
    verdicts = {True: 0, False: 0}
    for number in range(1000):
        root = message(r, names[number % len(names)])
        if number % 2:
            root = mutant(r, root)
        data = _serialized(root)
        official = xsd.validate(parse_tree(data))
        assert official == (not check_message(data)), (data.decode("latin-1"), xsd.error_log)
        assert official or number % 2, (data.decode("latin-1"), xsd.error_log)
        verdicts[official] += 1
    record_xsd_check(1000)
    assert verdicts[False] > 250, verdicts


def _samples() -> list[Path]:
    found = (shared_directory() / "data/actes").glob("**/*.xml")
    return sorted(path for path in found if "xsd" not in path.parts)


def test_the_official_schema_agrees_on_every_sample() -> None:
    xsd = official_actes_xsd()
    if xsd is None:
        return
    for path in _samples():
        data = path.read_bytes()
        assert xsd.validate(parse_tree(data)) == (not check_message(data)), path
        record_xsd_check()


def _acte(**changes: str) -> str:
    text = etree.tostring(message(random.Random(3), "Acte"), encoding="unicode")
    assert isinstance(text, str)
    for before, after in changes.items():
        text = text.replace(f"<actes:{before}>", f"<actes:{before} {after}>", 1)
    return text


XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
KNOWN_DIVERGENCES = {
    "the schema types of xsi:type: nobody writes them": (_acte(NomFichier=f'{XS} xsi:type="xs:string"'), True),
    "xsi:schemaLocation under the root: nobody writes it there": (
        _acte(NomFichier=f'xsi:schemaLocation="{A} actesv1_1.xsd"'),
        True,
    ),
    "parts of messages alone in a file: the schema declares them, they are no messages": (
        f'<actes:IDPref {NAMESPACES} actes:Departement="034"/>',
        True,
    ),
    "elements of ACTES in a signature: the schema judges them, a signature is free content for us": (
        f'<actes:CourrierSimple {NAMESPACES} {ID_ACTE} actes:DateCourrierPref="2025-07-02"><actes:Document>'
        "<actes:NomFichier>a.pdf</actes:NomFichier><actes:Signature><actes:Annulation/></actes:Signature>"
        "</actes:Document></actes:CourrierSimple>",
        False,
    ),
}
"""Where grammar and official XSD differ on purpose: the reason, a message, the verdict of the XSD."""


@pytest.mark.parametrize("reason", KNOWN_DIVERGENCES)
def test_the_known_divergences_are_still_these(reason: str) -> None:
    text, official = KNOWN_DIVERGENCES[reason]
    root = parse_tree(text.encode())
    assert (check_tree(root) == []) is not official
    xsd = official_actes_xsd()
    if xsd is not None:
        assert xsd.validate(root) is official
        record_xsd_check()
