"""Two PES that say the same but for their signatures have one digest; any other difference is seen."""

import pytest

from tdt.domain.helios.unsigned import Unsigned
from tdt.domain.xml import XmlError

DS = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE = f'<ds:Signature xmlns:ds="{DS}" Id="s"><ds:SignedInfo>\xe9</ds:SignedInfo><?x y?>text</ds:Signature>'
PLAIN = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n<n:PES_Aller xmlns:n="urn:x">\n'
    '  <Enveloppe><NomFic V="A&amp;B" W="2"/></Enveloppe>\n  <Bordereau Id="b1">\n    <Piece>un <b/> deux</Piece>\n'
    "    <PJ>QUJD\nREVG</PJ>\n  </Bordereau>\n</n:PES_Aller>\n"
)


def read(text: str, step: int = 7) -> tuple[bytes, int]:
    reader, data = Unsigned(), text.encode("latin-1")
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    digest = reader.close()
    return digest, reader.signatures


SAID = read(PLAIN)[0]


@pytest.mark.parametrize(
    ("signed", "count"),
    [
        (PLAIN.replace("</Bordereau>", SIGNATURE + "</Bordereau>"), 1),
        (PLAIN.replace("</Bordereau>", f"{SIGNATURE}\n</Bordereau>").replace("</n:", f"{SIGNATURE}</n:"), 2),
        # a signature in the middle of a text takes nothing of it away
        (PLAIN.replace("QUJD\n", f"QUJD{SIGNATURE}\n"), 1),
        # a signature inside a signature is one
        (PLAIN.replace("</n:", SIGNATURE.replace("text", SIGNATURE) + "</n:"), 1),
    ],
)
@pytest.mark.parametrize("step", [1, 64, 100_000])
def test_signatures_say_nothing(signed: str, count: int, step: int) -> None:
    assert read(signed, step) == (SAID, count)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("n:PES", "autre:PES").replace("xmlns:n=", "xmlns:autre="),
        PLAIN.replace('V="A&amp;B" W="2"', "W='2' V='A&#38;B'"),
        PLAIN.replace("\n  ", "\n\t"),
        PLAIN.replace("<Enveloppe>", "<!-- rien --><Enveloppe>"),
        PLAIN.replace('<n:PES_Aller xmlns:n="urn:x">', f'<n:PES_Aller xmlns:n="urn:x" xmlns:ds="{DS}" Id="p">'),
        PLAIN.replace("<b/>", "<b></b>"),
        PLAIN.replace("ISO-8859-1", "UTF-8"),
        PLAIN.replace("QUJD\nREVG", "<![CDATA[QUJD\nREVG]]>"),
    ],
)
def test_what_is_only_another_way_to_write(other: str) -> None:
    assert other != PLAIN
    assert read(other) == (SAID, 0)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace('W="2"', 'W="3"'),
        PLAIN.replace('W="2"', ""),
        PLAIN.replace('W="2"', 'W="2" X=""'),
        PLAIN.replace('V="A', 'id="A'),
        PLAIN.replace("QUJD\n", "QUJD"),
        PLAIN.replace("un <b/> deux", "un <b/>deux"),
        PLAIN.replace("un <b/> deux", "un deux<b/>"),
        PLAIN.replace("<b/>", ""),
        PLAIN.replace("<b/>", "<c/>"),
        PLAIN.replace("urn:x", "urn:y"),
        PLAIN.replace("<Enveloppe>", "<?x y?><Enveloppe>"),
        # of that name, but no signature
        PLAIN.replace("</n:", SIGNATURE.replace(DS, "urn:ds") + "</n:"),
    ],
)
def test_what_says_something_else(other: str) -> None:
    assert other != PLAIN
    assert read(other)[0] != SAID


def test_what_cannot_be_read() -> None:
    for text in (
        "",
        "x",
        PLAIN[:-5],
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        "<a>&b;</a>",
        f"<a>{' ' * (2 << 20)}</a>",
    ):
        with pytest.raises(XmlError):
            read(text)
