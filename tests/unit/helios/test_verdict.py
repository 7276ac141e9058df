"""What acquits say: our samples, the reference ones, and whatever a full parse finds in generated ones."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tdt.domain.helios import verdict as rules
from tdt.domain.helios.verdict import Outcome, State, Verdict
from tdt.domain.helios.verdict_text import keep_counts, keep_elements, tell_elements, tell_outcome
from tests.unit.helios.acquits import Wish, acquit, element, erreur, flat, read_verdict
from tests.unit.helios.samples import SHARED, sample

LABEL = "1971 - Compte fonction présent à tort"


def lines(verdict: Verdict) -> list[str]:
    """Each anomaly with its place, as `kind exercice/number piece ligne code`."""
    told = []
    for one in verdict.elements:
        place = f"{one.kind} {one.exercice}/{one.number}"
        told += [f"{place} - - {anomaly.code}" for anomaly in one.anomalies]
        for piece in one.pieces:
            told += [f"{place} {piece.number} - {anomaly.code}" for anomaly in piece.anomalies]
            for ligne in piece.lignes:
                told += [f"{place} {piece.number} {ligne.number} {anomaly.code}" for anomaly in ligne.anomalies]
    return told


@pytest.mark.parametrize(
    ("name", "outcome", "anomalies"),
    [
        ("acquit_v2_ok.xml", Outcome.ACCEPTED, []),
        ("acquit_v1.xml", Outcome.ACCEPTED, []),
        ("acquit_v2_technical.xml", Outcome.TECHNICAL, ["flux / - - ERREUR_AUTRE"]),
        ("acquit_2008.xml", Outcome.UNSTATED, []),
        ("nonacquit_2008.xml", Outcome.REJECTED, []),
        (
            "acquit_v2_mixed.xml",
            Outcome.PARTIAL,
            [
                "bordereau 2026/12 345 1 ERREUR_AUTRE",
                "bordereau 2026/12 345 2 ERREUR_AUTRE",
                "bordereau 2026/12 346 - ERREUR_DOUBLON_PIECE",
                "bordereau 2026/14 - - ERREUR_SIGNATURE_BORDEREAU_INVALIDE",
                "pj /ESSAI0002 - - ERREUR_DOUBLON_PJ",
                "marche /MARCHE-2026-1 - - ERREUR_INCONNUE_ICI",
            ],
        ),
    ],
)
def test_our_samples(name: str, outcome: Outcome, anomalies: list[str]) -> None:
    for step in (1 << 16, 7):
        read = read_verdict(sample(name), step)
        assert read.outcome is outcome
        assert lines(read) == anomalies


KO = {
    "11": (Outcome.PARTIAL, ["bordereau 2026/12 345 1 ERREUR_AUTRE"]),
    "12": (Outcome.REJECTED, ["bordereau 2026/7 88 - ERREUR_AUTRE"]),
    "13": (Outcome.REJECTED, ["pj /12345678912345DEMO0001 - - ERREUR_DOUBLON_PJ"]),
    "14": (Outcome.REJECTED, ["bordereau 2026/12 - - ERREUR_DOUBLON_BORDEREAU"]),
    "15": (Outcome.REJECTED, ["bordereau 2026/12 - - ERREUR_SIGNATURE_BORDEREAU_INVALIDE"]),
    "16": (Outcome.TECHNICAL, ["flux / - - ERREUR_AUTRE"]),
    "17": (Outcome.TECHNICAL, ["flux / - - ERREUR_AUTRE"]),
    "18": (Outcome.PARTIAL, ["bordereau 2026/12 345 1 ERREUR_AUTRE"]),
}


@pytest.mark.parametrize("path", sorted(SHARED.glob("skeletons/1[0-8]_*.xml")), ids=lambda path: path.name)
def test_reference_skeletons(path: Any) -> None:
    read = read_verdict(path.read_bytes())
    assert (read.outcome, lines(read)) == KO.get(path.name[:2], (Outcome.ACCEPTED, []))
    assert all(one["who"] for one in told_anomalies(read))


@pytest.mark.parametrize("path", sorted(SHARED.glob("samples/stela/*.xml")), ids=lambda path: path.name)
def test_real_refusals(path: Any) -> None:
    """Mixed OK and KO, one ElementACQUIT per faulty pièce or one for all: one bordereau refused, its PJ accepted."""
    read = read_verdict(path.read_bytes())
    assert read.outcome is Outcome.PARTIAL
    assert read.counts["bordereau"] == {State.ACCEPTED: 0, State.REJECTED: 1, State.UNSTATED: 0}
    (refused,) = [one for one in read.elements if one.state is State.REJECTED]
    assert len(refused.pieces) in (2, 3)
    assert {one["label"][:4] for one in told_anomalies(read)} <= {"1971", "2559"}


def told_anomalies(read: Verdict) -> list[dict[str, Any]]:
    """Every anomaly as it is shown."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict):
            found.extend(node.get("anomalies", []))
            walk(node.get("pieces", []))
            walk(node.get("lignes", []))

    walk(tell_elements(keep_elements(read)))
    return found


def test_both_versions_tell_the_same() -> None:
    deep = acquit(element("5", "0", bordereau=("2026", "12"), parts=[("345", "1", ("ERREUR_AUTRE", LABEL))]))
    assert keep_elements(read_verdict(deep)) == keep_elements(
        read_verdict(acquit(flat("5", "0", "2026", "12", "345", "1", "ERREUR_AUTRE", LABEL)))
    )


def test_the_label_is_told_as_received() -> None:
    label = "  É « x » & &#38; <y>\u00a0; fin "
    (one,) = told_anomalies(read_verdict(acquit(element("0", "0", errors=[("ERREUR_AUTRE", label)]))))
    assert one["label"] == label


def test_a_code_of_nobody_shows_its_label_alone() -> None:
    (one,) = told_anomalies(read_verdict(acquit(element("0", "0", errors=[("ERREUR_DE_DEMAIN", "Mystère")]))))
    assert one == {"code": "ERREUR_DE_DEMAIN", "label": "Mystère", "cause": None, "who": None, "remedy": None}


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        ([("5", "1"), ("4", "true")], Outcome.ACCEPTED),
        ([("5", "0"), ("4", " false ")], Outcome.REJECTED),
        ([("5", "0"), ("6", "1")], Outcome.PARTIAL),
        ([("0", "0")], Outcome.TECHNICAL),
        ([("99", "0"), ("2", "1")], Outcome.TECHNICAL),
        ([("0", "1"), ("5", "0")], Outcome.REJECTED),
        ([("0", "0"), ("5", "1")], Outcome.PARTIAL),
        ([("0", "1")], Outcome.ACCEPTED),
        ([("5", "oui")], Outcome.UNSTATED),
        ([("5", "1"), ("6", "")], Outcome.UNSTATED),
        ([], Outcome.UNSTATED),
    ],
)
def test_outcomes(states: list[tuple[str, str]], outcome: Outcome) -> None:
    parts = [element(domain, state, bordereau=("2026", str(n))) for n, (domain, state) in enumerate(states)]
    read = read_verdict(acquit(*parts))
    assert read.outcome is outcome
    assert tell_outcome(read.outcome)["label"] == rules.OUTCOMES[outcome]


def test_one_bordereau_in_several_elements_is_refused_once() -> None:
    parts = [element("6", "1", bordereau=("2026", "7"))]
    parts += [element("6", "0", bordereau=("2026", "7"), parts=[(p, "", ("ERREUR_AUTRE", LABEL))]) for p in "879"]
    read = read_verdict(acquit(*parts))
    assert read.outcome is Outcome.REJECTED
    assert keep_counts(read) == {
        "elements": {"bordereau": {"accepted": 0, "rejected": 1, "unstated": 0}},
        "anomalies": 3,
        "omitted": 0,
    }
    assert [piece.number for piece in read.elements[0].pieces] == ["8", "7", "9"]


def test_what_is_too_much_is_counted() -> None:
    accepted = rules.MAX_ACCEPTED + 5
    parts = [element("4", "1", pj=f"PJ{n}") for n in range(accepted)]
    many = [(str(n), "1", ("ERREUR_AUTRE", LABEL)) for n in range(rules.MAX_ROWS)]
    parts.append(element("5", "0", bordereau=("2026", "1"), parts=many))
    parts.append(element("5", "0", bordereau=("2026", "2"), errors=[("ERREUR_PJ", "")]))
    read = read_verdict(acquit(*parts))
    assert read.counts["pj"][State.ACCEPTED] == accepted
    assert read.counts["bordereau"][State.REJECTED] == 2
    assert read.anomalies == rules.MAX_ROWS + 1
    assert len(read.elements) == rules.MAX_ACCEPTED + 1
    rows = sum(
        1 + len(piece.lignes) + sum(len(ligne.anomalies) for ligne in piece.lignes)
        for piece in read.elements[-1].pieces
    )
    assert rows == rules.MAX_ROWS
    # three rows of each pièce; then the second bordereau and its anomaly; then the PJ
    assert read.omitted == 3 * rules.MAX_ROWS - rows + 2 + 5


@given(st.lists(st.builds(Wish, **Wish.strategies()), max_size=8), st.integers(3, 400))
@settings(max_examples=120, deadline=None)
def test_the_reader_agrees_with_a_full_parse(wishes: list[Wish], step: int) -> None:
    data = acquit(*(wish.xml() for wish in wishes))
    read = read_verdict(data, step)
    root = etree.fromstring(data)
    found = root.findall(".//ElementACQUIT")
    assert read.anomalies == len(root.findall(".//Erreur"))
    refused = {wish.key() for wish in wishes if wish.state in ("0", "false")}
    assert {one.key for one in read.elements if one.state is State.REJECTED} == refused
    assert len({wish.key() for wish in wishes}) == len(read.elements) <= len(found)
    labels = sorted(one.get("V") or "" for one in root.iter("LibelleAnoAck"))
    assert sorted(one["label"] or "" for one in told_anomalies(read)) == labels
    expected = []
    for part in found:
        key = f"{value(part, 'ExerciceBord')}/{value(part, 'NumBord')}"
        for detail in part.findall("DetailPiece"):
            expected += [f"{key} {value(detail, 'NumPiece')} -" for _ in detail.findall("Erreur")]
            for ligne in detail.findall("DetailLigne"):
                where = f"{key} {value(detail, 'NumPiece')} {value(ligne, 'NumLigne')}"
                expected += [where for _ in ligne.findall("Erreur")]
        expected += [f"{key} - -" for _ in part.findall("Erreur")]
    assert sorted(line.partition(" ")[2].rpartition(" ")[0] for line in lines(read)) == sorted(expected)


def value(parent: Any, name: str) -> str:
    found = parent.find(name)
    return "" if found is None else found.get("V")


def test_errors_of_an_element_may_come_after_its_pieces() -> None:
    late = erreur("ERREUR_PJ", "après")
    inside = element("5", "0", bordereau=("2026", "1"), parts=[("3", "1", ("ERREUR_AUTRE", "ligne"))])
    read = read_verdict(acquit(inside.replace("</ElementACQUIT>", f"{late}</ElementACQUIT>")))
    assert [one.code for one in read.elements[0].anomalies] == ["ERREUR_PJ"]
