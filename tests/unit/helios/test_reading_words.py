"""The reasons of the reader, in French."""

import pytest

from tdt.domain.helios.pes import PesUnreadable
from tdt.domain.helios.reading_words import say_unreadable
from tests.unit.helios.samples import read_pes, sample

PES = sample("aller_depense.xml")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "il est vide"),
        (b"hello", "ce n'est pas du XML"),
        (PES[: PES.index(b"</EnTetePES>")], "il est coupé avant sa fin"),
        (PES[:-40], "une balise est incomplète"),
        (PES + PES, "un autre document suit le premier"),
        (PES + b"<b/>", "quelque chose suit la fin du document"),
        (b"<a><b></a>", "une balise fermante ne répond pas à la balise ouvrante"),
        (b"<a>&x;</a>", "il emploie une entité, qui n'est pas définie"),
        (b'<a b="1" b="2"/>', "une balise a deux fois le même attribut"),
        (b"<!DOCTYPE a><a/>", "il a une déclaration de type (DTD), refusée"),
        (PES.decode("latin-1").encode("utf-16"), "il contient des octets nuls"),
        (b"<a>" * 300, "ses balises sont imbriquées sur plus de 200 niveaux"),
    ],
)
def test_words(data: bytes, words: str) -> None:
    with pytest.raises(PesUnreadable) as unreadable:
        read_pes(data)
    assert say_unreadable(unreadable.value.reason).startswith(words)


def test_the_line_is_told_and_what_is_not_known_stays() -> None:
    assert say_unreadable("Extra content at the end of the document, line 5, column 2") == (
        "quelque chose suit la fin du document (ligne 5)"
    )
    assert say_unreadable("declared encoding: UTF-8") == "l'encodage déclaré est UTF-8"
    assert say_unreadable("something else") == "something else"
