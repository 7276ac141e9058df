"""A ready-made envelope: its addresses, its messages (its refusals: tests/wire/test_acte_submit.py)."""

import pytest
from lxml import etree

from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.reading import parse_received
from tdt.domain.actes.submitted import KINDS, read_archive_name, read_message, read_ready_envelope
from tdt.domain.authorities import Authority
from tdt.domain.ids import AuthorityId
from tests.actes_archives import Acte, acte_parcel, answer_parcel, classification_parcel

TOWN = Authority(
    AuthorityId(1), None, True, "Ville", "123456782", 31, "034", "3", 1, "", "", "", "", "", "", frozenset()
)
PARCEL = acte_parcel(Acte())


def addresses(xml: bytes) -> list[str]:
    return [str(one.text) for one in parse_received(xml).iter("{*}Email")]


def test_our_addresses_are_added_once_and_the_envelope_stays_valid() -> None:
    read = read_ready_envelope(PARCEL.envelope(), TOWN, ["retours@tdt.test", "pas une adresse", "b@tdt.test"])
    assert addresses(read.xml) == ["actes@tdt.test", "retours@tdt.test", "b@tdt.test"]
    assert read.forms == tuple(PARCEL.messages)
    assert check_message(read.xml) == []
    assert read.xml.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<actes:EnveloppeCLMISILL')
    assert "Zoé".encode("latin-1") in read.xml
    again = read_ready_envelope(read.xml, TOWN, ["retours@tdt.test"])
    assert again.xml == read.xml


@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_other_charsets_and_prefixes_are_read(charset: str) -> None:
    text = PARCEL.envelope().decode("latin-1").replace("ISO-8859-1", charset)
    text = text.replace("actes:", "m:").replace(":actes=", ":m=")
    read = read_ready_envelope(text.encode(charset), TOWN, ["retours@tdt.test"])
    assert check_message(read.xml) == []
    assert "Zoé".encode("latin-1") in read.xml


def test_every_message_that_a_collectivite_sends_is_read() -> None:
    code, found = "", {}
    for code in ("2-2", "3-3", "3-4", "4-3", "4-4", "6-1"):
        [(name, xml)] = answer_parcel("034-123456782-20261120-N-DE", code, 1).messages.items()
        read = read_message(name, xml)
        found[etree.QName(parse_received(xml)).localname] = read
        assert (read.kind.code, read.unique_id) == (code, "034-123456782-20261120-N-DE")
        assert len(read.pieces) == (code != "6-1")
        assert f"{read.letter_date}" == ("None" if code == "6-1" else "2026-11-22")
    [(name, xml)] = classification_parcel("2019-03-01", 1).messages.items()
    asked = read_message(name, xml)
    assert (asked.kind.code, f"{asked.classification_date}") == ("7-1", "2019-03-01")
    acte = Acte()
    read = read_message(acte.message_name, acte.message())
    assert read.acte is not None
    assert (read.acte.number, read.acte.subject, read.acte.classif) == (acte.number, acte.subject, (3, 1))
    assert [piece.name for piece in read.pieces] == list(acte.documents())
    assert {*found, "Acte", "DemandeClassification"} == set(KINDS)


def test_a_detached_signature_is_read_with_its_document() -> None:
    signed = (
        Acte().message().replace(b"</actes:Document>", b"<actes:Signature>MII\n </actes:Signature></actes:Document>")
    )
    read = read_message("a", signed)
    assert [piece.signature for piece in read.pieces] == ["MII", ""]


def test_the_name_of_the_archive_gives_that_of_the_envelope() -> None:
    assert read_archive_name(PARCEL.name, "TDT", "TACT", "123456782") == PARCEL.envelope_name
