"""The streaming reader says what a full parse says, on flows written in every way that XML allows, cut anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tdt.domain.helios.model import PesHeader
from tdt.domain.helios.pes import NOT_DOMAINS, PesReader
from tdt.domain.helios.stream import HEADER_PATHS, SIGNATURE

ALLER = "http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller"
DS = "http://www.w3.org/2000/09/xmldsig#"
ENCODINGS = (
    ("ISO-8859-1", "iso-8859-1"),
    ("iso-8859-1", "iso-8859-1"),
    ("ISO-8859-15", "iso-8859-15"),
    ("UTF-8", "utf-8"),
    ("UTF-8", "utf-8-sig"),
    ("US-ASCII", "ascii"),
    ("windows-1252", "cp1252"),
)
ESCAPES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
    "\t": "&#9;",
    "\n": "&#xA;",
    "\r": "&#13;",
}

flags = st.sampled_from(["1", " 1", "0"])
chars = st.sampled_from("aZ09 -._:/#;&<>\"'éÉ€œ\u00a0\t\n][!?=")
texts = st.text(chars, max_size=12)
blanks = st.sampled_from(["", " ", "\n", "\r\n\t", "  "])
some_blanks = st.sampled_from([" ", "\n", "\r\n\t"])


@st.composite
def escaped(draw: st.DrawFn, text: str, quote: str = "") -> str:
    """A text, some of its characters by a reference; always those that may not stand as they are."""
    out = ""
    for one in text:
        must = one in "&<" or one == quote or (quote and one in "\t\n\r") or (not quote and one in ">\r")
        how = draw(st.sampled_from(["plain", "plain", "decimal", "hex"]))
        if how == "decimal":
            out += f"&#{ord(one)};"
        elif how == "hex":
            out += f"&#x{ord(one):X};"
        else:
            out += ESCAPES[one] if must else one
    return out


@st.composite
def attributes(draw: st.DrawFn, value: str | None, extra: Sequence[str] = ()) -> str:
    """V and others, in any order, in either quotes."""
    names = draw(st.lists(st.sampled_from(["Id", "W", "v", "VV"]), unique=True, max_size=2))
    pairs = [(name, draw(texts)) for name in names] + ([("V", value)] if value is not None else [])
    written = list(extra)
    for name, text in pairs:
        quote = draw(st.sampled_from("\"'"))
        equal = draw(blanks) + "=" + draw(blanks)
        written.append(f"{name}{equal}{quote}{draw(escaped(text, quote))}{quote}")
    return "".join(draw(some_blanks) + one for one in draw(st.permutations(written)))


PIECES = ["]]", "<!--", "-->", "<?", "?>", "<!DOCTYPE", "&amp;", "é", "<a>", "x" * 40, "]"]
cdata = st.lists(st.sampled_from(PIECES)).map(lambda inner: f"<![CDATA[{''.join(inner).replace(']]>', ']] >')}]]>")
COMMENTS = ["", " x ", " <![CDATA[ ", "<?x", " <!DOCTYPE ", "é", "ISO-8859-1"]
comment = st.sampled_from(COMMENTS).map("<!--{}-->".format)
INSTRUCTIONS = ["x", "y z", "x <![CDATA[ ", "x <!-- ", "x <!DOCTYPE ", "x ? ?"]
instruction = st.sampled_from(INSTRUCTIONS).map("<?{}?>".format)


around = st.one_of(blanks, comment, instruction)


@st.composite
def misc(draw: st.DrawFn) -> str:
    """What may stand between two elements."""
    return "".join(draw(st.lists(st.one_of(around, texts.flatmap(escaped), cdata), max_size=2)))


@st.composite
def element(draw: st.DrawFn, name: str, value: str | None = None, content: str = "") -> str:
    """With or without a namespace of its own, closed at once or not."""
    prefix, declared = draw(
        st.sampled_from(
            [("", ()), ("", ()), ("", ('xmlns="urn:z"',)), ("q:", ('xmlns:q="urn:q"',)), ("", ('xmlns=""',))]
        )
    )
    start = f"<{prefix}{name}{draw(attributes(value, declared))}{draw(blanks)}"
    if not content and draw(st.booleans()):
        return f"{start}/>"
    return f"{start}>{draw(misc())}{content}{draw(misc())}</{prefix}{name}{draw(blanks)}>"


@st.composite
def signature(draw: st.DrawFn) -> str:
    prefix, namespace = draw(
        st.sampled_from([("ds:", DS), ("", DS), ("x:", DS), ("ds:", "urn:other"), ("", "urn:other")])
    )
    name = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    return f'<{prefix}Signature {name}="{namespace}"><{prefix}SignedInfo/></{prefix}Signature>'


@st.composite
def leaves(draw: st.DrawFn, names: Sequence[str]) -> str:
    """Some of these elements, in any order, some twice, some empty, with others around them."""
    chosen = draw(st.lists(st.sampled_from(names), max_size=len(names) + 1))
    return "".join(draw(misc()) + draw(element(name, draw(st.none() | texts | flags))) for name in chosen)


@st.composite
def part(draw: st.DrawFn) -> str:
    """A child of the root."""
    match draw(st.sampled_from(["enveloppe", "enveloppe", "entete", "entete", "domain", "signature", "strange"])):
        case "enveloppe":
            inside = draw(element("Parametres", None, draw(leaves(["Version", "TypFic", "NomFic"]))))
            return draw(element("Enveloppe", draw(st.none() | texts), inside + draw(leaves(["NomFic", "Emetteur"]))))
        case "entete":
            inside = draw(leaves(["DteStr", "IdPost", "IdColl", "CodCol", "CodColl", "CodBud"]))
            return draw(element("EnTetePES", draw(st.none() | texts), inside))
        case "domain":
            name = draw(st.sampled_from(["PES_DepenseAller", "PES_RecetteAller", "PES_PJ", "PES_Marche"]))
            inside = draw(leaves(["EnTetePES", "NomFic", "Bordereau", "Exer", "IdPce"])) + draw(
                st.just("") | signature()
            )
            return draw(element(name, None, inside))
        case "signature":
            return draw(signature())
    return draw(element("Enveloppe", None, draw(element("Autre", None, draw(leaves(["NomFic"]))))))


@dataclass(frozen=True, slots=True)
class Written:
    """A flow and where it is cut."""

    data: bytes
    step: int


@st.composite
def flows(draw: st.DrawFn) -> Written:
    name, codec = draw(st.sampled_from(ENCODINGS))
    quote = draw(st.sampled_from("\"'"))
    standalone = draw(st.sampled_from(["", " standalone='yes'"]))
    declaration = f"<?xml version={quote}1.0{quote} encoding={quote}{name}{quote}{standalone}{draw(blanks)}?>"
    inside = "".join(draw(misc()) + one for one in draw(st.lists(part(), max_size=5))) + draw(misc())
    root = draw(st.sampled_from(["PES_Aller", "PES_ACQUIT_RETOUR", "pes_autre"]))
    prefix, space = draw(st.sampled_from([("n:", f'xmlns:n="{ALLER}"'), ("", f'xmlns="{ALLER}"'), ("", "")]))
    start = f"<{prefix}{root}{draw(attributes(None, [space] if space else []))}>"
    text = f"{declaration}{draw(around)}{start}{inside}</{prefix}{root}>{draw(around)}"
    return Written(text.encode(codec, "xmlcharrefreplace"), draw(st.integers(1, 60)))


def expected(data: bytes) -> PesHeader:
    """Read off a full tree."""
    root = etree.fromstring(data, etree.XMLParser(huge_tree=True))
    children = [one for one in root if isinstance(one.tag, str)]
    names = [etree.QName(one).localname for one in children]
    values: dict[str, str] = {}
    for one in root.iter(etree.Element):
        path = tuple(etree.QName(step).localname for step in reversed([one, *one.iterancestors()]))[1:]
        key = HEADER_PATHS.get(path)
        if key is not None and one.get("V", "").strip():
            values.setdefault(key, one.get("V", ""))
    headers = [one for one, name in zip(children, names, strict=True) if name == "EnTetePES"]
    return PesHeader(
        root=etree.QName(root).localname,
        namespace=etree.QName(root).namespace or "",
        typ_fic=values.get("typ_fic"),
        nomfic=values.get("nomfic"),
        cod_col=values.get("cod_col"),
        cod_bud=values.get("cod_bud"),
        id_post=values.get("id_post"),
        id_coll=values.get("id_coll"),
        domains=tuple(name for name in dict.fromkeys(names) if name not in NOT_DOMAINS),
        signed=next(root.iter(SIGNATURE), None) is not None,
        has_header=any(one.attrib or any(isinstance(leaf.tag, str) for leaf in one) for one in headers),
        dematerialised=tuple(
            name for name in dict.fromkeys(names) if values.get(f"dematerialised:{name}", "").strip() == "1"
        ),
    )


@given(flows())
@settings(max_examples=100, deadline=None)
def test_it_says_what_a_full_parse_says(written: Written) -> None:
    reader = PesReader()
    for start in range(0, len(written.data), written.step):
        reader.feed(written.data[start : start + written.step])
    assert reader.close() == expected(written.data), written.data


@given(flows())
@settings(max_examples=25, deadline=None)
def test_whole_or_cut_it_says_the_same(written: Written) -> None:
    whole = PesReader()
    whole.feed(written.data)
    cut = PesReader()
    for start in range(len(written.data)):
        cut.feed(written.data[start : start + 1])
    assert whole.close() == cut.close()
