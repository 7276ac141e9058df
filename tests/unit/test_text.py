"""The charset rules of the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.text import decode_form, escape_html, is_email, to_ascii_xml, to_latin1, to_latin1_xml, truncate
from tdt.domain.xml import parse_tree


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Délibération".encode(), "Délibération"),
        ("Délibération".encode("latin-1"), "Délibération"),
        (b"100 \x80", "100 €"),
        (b"l\x92arr\xeat\xe9", "l’arrêté"),
        (b"\x81", "\x81"),
        (b"", ""),
    ],
)
def test_incoming_text_is_utf8_else_windows_1252_else_latin1(data: bytes, text: str) -> None:
    assert decode_form(data) == text


@given(st.binary())
def test_every_byte_string_is_some_text(data: bytes) -> None:
    assert isinstance(decode_form(data), str)


@given(st.text())
def test_utf8_always_comes_back(text: str) -> None:
    whole = text.encode("utf-8", "ignore")
    assert decode_form(whole) == whole.decode().replace("\0", "\ufffd")


def test_escaping_is_php_htmlspecialchars_and_escapes_twice() -> None:
    assert escape_html("""l'été <b>"A" & B</b>&nbsp;""") == (
        "l&#039;été &lt;b&gt;&quot;A&quot; &amp; B&lt;/b&gt;&amp;nbsp;"
    )


def test_text_answers_are_latin1_with_question_marks() -> None:
    assert to_latin1("œuvre – l’été") == b"?uvre ? l?\xe9t\xe9"


def test_ascii_xml_uses_hexadecimal_references_and_leaves_quotes() -> None:
    assert to_ascii_xml("Téléchargement d'un <fichier> & €\x00") == (
        b"T&#xE9;l&#xE9;chargement d'un &lt;fichier&gt; &amp; &#x20AC;"
    )


def test_latin1_xml_is_html_escaped_with_references_beyond_latin1() -> None:
    assert to_latin1_xml("l'été à 3 €") == b"l&#039;\xe9t\xe9 \xe0 3 &#x20AC;"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_both_xml_forms_are_read_back(text: str) -> None:
    ascii_form = b"<m>" + to_ascii_xml(text) + b"</m>"
    latin1_form = b'<?xml version="1.0" encoding="ISO-8859-1"?><m>' + to_latin1_xml(text) + b"</m>"
    readable = "".join(character for character in text if character not in "\ufffe\uffff")
    assert (parse_tree(ascii_form).text or "") == readable
    assert (parse_tree(latin1_form).text or "") == readable


def test_truncation_counts_characters() -> None:
    assert truncate("é" * 600, 512) == "é" * 512


def test_an_address_is_one_bare_address() -> None:
    good = ["a@b.fr", "prenom.nom+actes@mairie-de.st-x.example", "o'neil@xn--p1ai.example", f"{'l' * 64}@a.example"]
    bad = ["", "a", "a@b", "a..b@c.fr", ".a@c.fr", "a.@c.fr", "a b@c.fr", "a@c.fr\n", "<a@c.fr>", "a@c.fr,b@c.fr"]
    bad += ["é@c.fr", "a@-c.fr", "a@c-.fr", "a@c.f", "a@c.12", f"{'l' * 65}@a.example", f"a@{'x' * 250}.fr", "a@b@c.fr"]
    assert [text for text in good if not is_email(text)] == []
    assert [text for text in bad if is_email(text)] == []
