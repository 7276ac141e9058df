"""What a PES_Retour says, and what a PES_Aller carries: our samples, the reference ones, generated ones."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tdt.domain.helios import news as rules
from tdt.domain.helios.carried import Carried
from tdt.domain.helios.news import Became, News, NewsPiece, Side
from tdt.domain.helios.observations import OBSERVATIONS, find_observation
from tdt.domain.helios.pes import PesReader
from tdt.domain.helios.returns import ReturnReader
from tests.unit.helios.acquits import tag
from tests.unit.helios.samples import SHARED, sample


def read_news(data: bytes, step: int = 1 << 16) -> News:
    reader = ReturnReader()
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    said = reader.close().content
    assert isinstance(said, News), reader.fault
    return said


def read_carried(data: bytes, step: int = 1 << 16) -> Carried:
    reader = PesReader()
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    reader.close()
    return reader.carried


def line(one: NewsPiece) -> str:
    return f"{one.side} {one.exercice} {one.bordereau} {one.type} {one.piece} {one.kind} {one.date}"


@pytest.mark.parametrize("step", [1 << 16, 9])
def test_our_retour(step: int) -> None:
    read = read_news(sample("retour_mixed.xml"), step)
    assert [line(one) for one in read.pieces] == [
        "depense 2026 27 01 318 paid 2026-03-12",
        "depense 2026 27 01 319 pending 2026-03-11",
        "recette 2026 9 01 88 rejected 2026-03-09",
        "recette 2026 9 01 89 cancelled ",
        "recette 2026 10  None rejected 2026-03-09",
        "recette 2026 9 01 90 asap_rejected 2026-03-09",
    ]
    assert read.counts == {
        "depense": {"paid": 1, "pending": 1},
        "recette": {"rejected": 1, "cancelled": 1},
        "ormc": {"rejected": 1},
        "clients": {"told": 2},
        "asap": {"rejected": 1, "posted": 1},
    }
    assert read.restitutions == ("02", "01")
    paid, waiting, refused, cancelled, _, avis = read.pieces
    assert (paid.payments, paid.paid, paid.lignes) == (1, Decimal("84.20"), [])
    assert [(one.number, one.state, one.observation, one.comment) for one in waiting.lignes] == [
        ("1", "16", "02", "Facture illisible")
    ]
    assert (refused.observation, cancelled.comment) == ("30", "Annulé à votre demande")
    assert avis.observation == "ERR012 - Anomalie dans le bloc adresse destinataire"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("20", ["depense 2026 12 01 345 paid 2026-01-30"]),
        ("21", ["depense 2026 12 01 345 rejected 2026-01-28"]),
        ("22", ["recette 2026 7 01 88 taken 2026-01-28"]),
        ("23", ["recette 2026 7 01 88 asap_rejected 2026-01-31"]),
    ],
)
def test_reference_retours(number: str, told: list[str]) -> None:
    found = sorted(SHARED.glob(f"skeletons/{number}_*.xml"))
    assert [line(one) for path in found for one in read_news(path.read_bytes()).pieces] == (told if found else [])


def retour(*pieces: str, side: str = "Depense") -> bytes:
    block = f"<BlocBordereau>{tag('Exer', '2026')}{tag('IdBord', '1')}{tag('TypBord', '01')}</BlocBordereau>"
    body = f"<PES_{side}Retour><Bordereau>{block}{''.join(pieces)}</Bordereau></PES_{side}Retour>"
    return f"<PES_Retour>{body}</PES_Retour>".encode("iso-8859-1", "xmlcharrefreplace")


def piece(number: str, state: str, lignes: str = "", **values: str) -> str:
    told = "".join(tag(name, value) for name, value in values.items())
    return f"<Piece><InfoPiece>{tag('IdPce', number)}{tag('EtatPce', state)}{told}</InfoPiece>{lignes}</Piece>"


def ligne(number: str, state: str) -> str:
    inside = f"<InfoLignePiece>{tag('IdLigne', number)}{tag('EtatLigPce', state)}</InfoLignePiece>"
    return f"<LigneDePiece><BlocLignePiece>{inside}</BlocLignePiece></LigneDePiece>"


def test_05_is_paid_for_a_mandat_and_cancelled_for_a_titre() -> None:
    assert read_news(retour(piece("1", "05"))).pieces[0].kind is Became.PAID
    assert read_news(retour(piece("1", "05"), side="Recette")).pieces[0].kind is Became.CANCELLED


def test_what_is_too_much_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_PROBLEMS", 3)
    monkeypatch.setattr(rules, "MAX_OTHERS", 2)
    paid, refused = [piece(str(n), "05") for n in range(5)], [piece(str(n), "04") for n in range(9)]
    refused.append(piece("99", "04", "".join(ligne(str(n), "02") for n in range(rules.MAX_LIGNES + 2))))
    read = read_news(retour(*paid, *refused))
    assert (len(read.pieces), read.omitted) == (5, 10)
    assert read.counts["depense"] == {"paid": 5, "rejected": 10}
    only = read_news(retour(refused[-1])).pieces[0]
    assert (len(only.lignes), only.lignes_omitted) == (rules.MAX_LIGNES, 2)


STATES = st.sampled_from(["01", "02", "03", "04", "05", "77", ""])


@given(
    st.lists(st.tuples(st.integers(1, 10**9), STATES, st.lists(STATES, max_size=3)), max_size=12),
    st.sampled_from(["Depense", "Recette"]),
    st.integers(5, 300),
)
@settings(max_examples=100, deadline=None)
def test_the_reader_agrees_with_a_full_parse(wishes: list[tuple[int, str, list[str]]], side: str, step: int) -> None:
    made = [piece(str(n), s, "".join(ligne(str(i), one) for i, one in enumerate(lines))) for n, s, lines in wishes]
    data = retour(*made, side=side)
    read = read_news(data, step)
    found: list[Any] = etree.fromstring(data).findall(".//Piece")
    assert [one.number for one in read.pieces] == [one.find("InfoPiece/IdPce").get("V") for one in found]
    assert [one.state for one in read.pieces] == [one.find("InfoPiece/EtatPce").get("V") for one in found]
    of = Side.DEPENSE if side == "Depense" else Side.RECETTE
    problems = [[e.get("V") for e in one.iter("EtatLigPce") if (of, e.get("V")) in rules.LIGNES] for one in found]
    assert [[kept.state for kept in one.lignes] for one in read.pieces] == problems


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("03", "03"),
        (" 03 ", "03"),
        ("03 - Insuffisance de crédits budgétaires", "03"),
        ("Insuffisance de crédits budgétaires", "03"),
        ("INSUFFISANCE DE CRÉDITS BUDGÉTAIRES.", "03"),
        ("03 - Tout autre chose", None),
        ("08", None),
        ("99", None),
        ("Le mandat est refusé", None),
        ("", None),
    ],
)
def test_observations_are_recognised_or_left_alone(text: str, code: str | None) -> None:
    found = find_observation(Side.DEPENSE, text)
    assert (found.code if found else None) == code


def test_each_side_has_its_observations() -> None:
    depense, recette = (find_observation(side, "03") for side in Side)
    assert depense is not None and recette is not None and depense.label != recette.label
    assert len([side for side, _ in OBSERVATIONS if side is Side.DEPENSE]) == 14
    assert [code for side, code in OBSERVATIONS if side is Side.RECETTE] == [f"{n:02}" for n in range(1, 41)]


def test_what_a_flow_carries() -> None:
    (one,) = read_carried(sample("aller_depense.xml"), 13).bordereaux
    assert (one.side, one.exercice, one.number, one.type, one.pieces) == (Side.DEPENSE, 2026, 27, "01", [318])


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("01", [(Side.DEPENSE, 2026, 12, [345])]),
        ("02", [(Side.DEPENSE, 2026, 12, [345])]),
        ("03", [(Side.RECETTE, 2026, 7, [88])]),
        ("04", []),
    ],
)
def test_what_reference_flows_carry(number: str, told: list[object]) -> None:
    for path in SHARED.glob(f"skeletons/{number}_*.xml"):
        carried = read_carried(path.read_bytes()).bordereaux
        assert [(one.side, one.exercice, one.number, one.pieces) for one in carried] == told
