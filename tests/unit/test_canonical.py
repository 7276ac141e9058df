"""The canonical form made while reading is libxml2's, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tdt.domain.canonical import MAX_DEPTH, Canonical, Indented
from tdt.domain.xml import XmlError, feed_names, name_parser


def canonical(data: bytes, step: int = 1 << 20, indented: bool = False) -> bytes:
    pieces: list[str] = []
    target = Canonical(pieces.append)
    layout = Indented(target, "   ") if indented else None
    parser = name_parser()
    parser.StartElementHandler = (layout or target).start
    parser.EndElementHandler = (layout or target).end
    parser.CharacterDataHandler = (layout or target).text
    parser.ProcessingInstructionHandler = (layout or target).instruction
    if layout is not None:
        comment = layout.comment
        parser.CommentHandler = lambda _: comment()
    for start in range(0, len(data), step):
        feed_names(parser, data[start : start + step])
    feed_names(parser, b"", final=True)
    return "".join(pieces).encode()


def reference(data: bytes) -> bytes:
    return etree.tostring(etree.fromstring(data).getroottree(), method="c14n", with_comments=False)


DOCUMENTS = [
    "<a/>",
    "<a><b x='1' a='2'/>t</a>",
    "<?x  y?><!-- c --><a>\n <?pi?> <!-- c --> </a><?z &amp; ?><!-- c --><?w?>",
    '<a xmlns="urn:1"><b xmlns="urn:1"><c xmlns=""><d xmlns=""/></c></b></a>',
    '<p:a xmlns:p="urn:p" xmlns:q="urn:a" xmlns="urn:z" q:z="1" p:a="2" b="3" xml:lang="fr">'
    '<p:b xmlns:p="urn:q"/></p:a>',
    "<a b='&lt;&amp;&quot;&#9;&#10;&#13;\n\t >é'>&lt;&gt;&amp;&#13;\r\n\r\"'é<![CDATA[<&>]]></a>",
    '<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:space="preserve"> <xml:b/> </a>',
]


@pytest.mark.parametrize("text", DOCUMENTS)
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "utf-16", "windows-1252"])
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_it_is_libxml2s(text: str, charset: str, step: int) -> None:
    data = f'<?xml version="1.0" encoding="{charset}"?>\n{text}\n'.encode(charset)
    assert canonical(data, step) == reference(data)


TEXTS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r&<>\"' "),
    max_size=8,
)
NAMES = st.sampled_from(["a", "b", "p:a", "q:b", "p:c", "é"])
URIS = st.sampled_from(["urn:1", "urn:2", ""])


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    name = draw(NAMES)
    attributes = draw(st.dictionaries(NAMES, TEXTS, max_size=3))
    spaces = draw(st.dictionaries(st.sampled_from(["xmlns", "xmlns:p", "xmlns:q"]), URIS, max_size=2))
    written = "".join(f' {key}="{uri or "urn:0"}"' if ":" in key else f' {key}="{uri}"' for key, uri in spaces.items())
    for key, value in attributes.items():
        references = "".join(f"&#{ord(one)};" if one in '\t\n\r&<"' else one for one in value)
        written += f' {key}="{references}"'
    kinds = ["text", "cdata", "comment", "pi", *(["element"] * 3 if depth < 3 else [])]
    content = ""
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=4)):
        text = draw(TEXTS)
        if kind == "text":
            content += text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
        elif kind == "cdata":
            content += f"<![CDATA[{text.replace(']', '')}]]>"
        elif kind == "comment":
            content += f"<!--{text.replace('-', '')}-->"
        elif kind == "pi":
            content += f"<?t {text.replace('?', '')}?>"
        else:
            content += draw(elements(depth + 1))
    return f"<{name}{written}>{content}</{name}>"


@given(elements(), st.integers(1, 50))
def test_whatever_the_document(element: str, step: int) -> None:
    data = f'<r xmlns:p="urn:1" xmlns:q="urn:3">{element}</r>'.encode()
    try:
        expected = reference(data)
    except etree.XMLSyntaxError:
        return  # an attribute twice under two prefixes of one namespace
    assert canonical(data, step) == expected


@pytest.mark.parametrize("space", ["", "\n", "  \r\n \t"])
def test_the_indented_form_is_that_of_the_indented_document(space: str) -> None:
    text = '<a xmlns="urn:1">@<b x="1">@<c>texte</c>@<d> </d>@<e/>@</b>@<f>@<!-- c -->@<?pi x?>@</f>@</a>'
    root = etree.fromstring(text.replace("@", ""))
    etree.indent(root, "   ")
    assert canonical(text.replace("@", space).encode(), indented=True) == reference(etree.tostring(root))


def test_text_that_says_something_keeps_its_blanks() -> None:
    data = b"<a><b> un <i>mot</i> </b></a>"
    assert canonical(data, indented=True) == b"<a>\n   <b> un <i>mot</i>\n   </b>\n</a>"


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        b"<a>&e;</a>",
        b"<a",
        b"",
        b"<p:a/>",
        b"<a p:b='1'/>",
        b"<a xmlns:p=''/>",
        b"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='1'/>",
        b"<?xml version='1.0' encoding='inconnu'?><a/>",
        b"<a>" * (MAX_DEPTH + 1),
    ],
)
def test_what_is_not_read(data: bytes) -> None:
    with pytest.raises(XmlError):
        canonical(data)
