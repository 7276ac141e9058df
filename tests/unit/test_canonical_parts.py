"""Elements made canonical while their document is read: libxml2's bytes, exclusive or not, with and without a part."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tdt.domain.canonical import EXCLUSIVE, INCLUSIVE, Form
from tdt.domain.canonical_parts import Part, Parts
from tests.unit.test_canonical import elements

DOCUMENT = (
    b'<n:r xmlns:n="urn:n" xmlns:z="urn:z" xml:lang="fr" Id="X"><b Id="B" z="1"><n:c z:a="1"/><d xmlns="urn:d">'
    b'<e xmlns="">1</e><z:f xmlns:z="urn:other"/></d><S>sig<T/></S>\n tail</b><?p i?></n:r>'
)


def parts(data: bytes, wanted: list[tuple[int | None, int | None, Form]], step: int = 1 << 20) -> list[bytes]:
    pieces: list[list[str]] = [[] for _ in wanted]
    reader = Parts()
    for (element, without, form), into in zip(wanted, pieces, strict=True):
        reader.want(Part(element, without, form, into.append))
    reader.read(data[start : start + step] for start in range(0, len(data), step))
    return ["".join(one).encode() for one in pieces]


def reference(tree: etree._Element | etree._ElementTree, form: Form) -> bytes:
    prefixes = [one for one in form.prefixes if one]
    return etree.tostring(
        tree, method="c14n", exclusive=form.exclusive, with_comments=False, inclusive_ns_prefixes=prefixes or None
    )


FORMS = [EXCLUSIVE, Form(exclusive=True, prefixes=("p", "q"))]


@settings(deadline=None)
@given(elements(), st.integers(1, 50), st.sampled_from(FORMS))
def test_every_element_is_libxml2s(element: str, step: int, form: Form) -> None:
    data = f'<r xmlns:p="urn:1" xmlns:q="urn:3" xmlns="urn:2">{element}</r>'.encode()
    try:
        root = etree.fromstring(data)
    except etree.XMLSyntaxError:
        return  # an attribute twice under two prefixes of one namespace
    found = list(root.iter(etree.Element))
    wanted: list[tuple[int | None, int | None, Form]] = [(number, None, form) for number in range(len(found))]
    assert parts(data, [*wanted, (None, None, form)], step) == [
        *(reference(one, form) for one in found),
        reference(root.getroottree(), form),
    ]


@settings(deadline=None)
@given(elements(), st.data())
def test_without_one_of_its_elements(element: str, data: st.DataObject) -> None:
    """What is left out is as if it had never been there; the text after it stays."""
    text = f'<r xmlns:p="urn:1" xmlns:q="urn:3">{element}</r>'.encode()
    try:
        root = etree.fromstring(text)
    except etree.XMLSyntaxError:
        return
    found = list(root.iter(etree.Element))
    number = data.draw(st.integers(1, len(found) - 1))
    [kept] = parts(text, [(0, number, EXCLUSIVE)])
    gone = found[number]
    parent, before = gone.getparent(), gone.getprevious()
    assert parent is not None
    tail = gone.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    gone.tail = None
    parent.remove(gone)
    assert kept == reference(root, EXCLUSIVE)


def test_an_inclusive_part_inherits_namespaces_and_the_attributes_of_xml() -> None:
    """W3C Canonical XML 1.0 §2.4, which libxml2 does not apply to an element that lxml takes out of its document."""
    whole, inner = parts(DOCUMENT, [(1, 6, INCLUSIVE), (4, None, INCLUSIVE)])
    assert whole == (
        b'<b xmlns:n="urn:n" xmlns:z="urn:z" Id="B" z="1" xml:lang="fr"><n:c z:a="1"></n:c><d xmlns="urn:d">'
        b'<e xmlns="">1</e><z:f xmlns:z="urn:other"></z:f></d>\n tail</b>'
    )
    assert inner == b'<e xmlns:n="urn:n" xmlns:z="urn:z" xml:lang="fr">1</e>'


def test_the_default_namespace_as_an_inclusive_prefix() -> None:
    data = b'<a xmlns="urn:a"><p:b xmlns:p="urn:p"><c/></p:b></a>'
    assert parts(data, [(1, None, EXCLUSIVE), (1, None, Form(exclusive=True, prefixes=("",)))]) == [
        b'<p:b xmlns:p="urn:p"><c xmlns="urn:a"></c></p:b>',
        b'<p:b xmlns="urn:a" xmlns:p="urn:p"><c></c></p:b>',
    ]


def test_many_at_once_are_each_alone() -> None:
    count = len(re.findall(rb"<[a-zA-Z]", DOCUMENT))
    wanted: list[tuple[int | None, int | None, Form]] = [(number, None, EXCLUSIVE) for number in range(count)]
    together = parts(DOCUMENT, wanted)
    assert together == [parts(DOCUMENT, [one])[0] for one in wanted]
