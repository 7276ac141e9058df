"""The verdict sees an answer of the State that was not applied, one that was made up, one given to another."""

import hashlib
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tdt.simulators.dgfip_acquit import acquit_name
from tdt.simulators.dgfip_reader import Flow
from tdt.simulators.journal import Journal
from tests.chaos.answers import compare_answers
from tests.chaos.evidence import Emitted, Evidence, Return, Transaction, read_emitted
from tests.chaos.explanations import is_explained, was_stale
from tests.chaos.odd import STRANGER_ACTE, STRANGER_SIRET
from tests.chaos.state import State
from tests.chaos.timeline import Span, Timeline
from tests.chaos.verification import LOST, WRONG, Case

AR = b'<a:ARActe a:IDActe="034-123456782-20250612-A1-DE"/>'
ACT = "034-123456782-20250612-A1-DE"
DIGEST = hashlib.sha256(AR).hexdigest()
ACKED = "034000_250612101112-ACK-00000001.xml"
RETOUR = "PES2R_DEP_P_123.xml"
SIRET = "12345678200010"
ACTE = Transaction(1, "acte", 7, 4, "A1", 1, "archive", [], 11, unique_id=ACT)
PES = Transaction(2, "pes", 7, 4, "FLUX", 0, "FLUX", [], 12, answer_name=ACKED)
ACQUIT = Return("helios", ACKED, "handled", "acquit", "", "FLUX", 7, 2)
GIVEN = Return("helios", RETOUR, "handled", "retour", "", SIRET, 7, None)
SOUND = Evidence(
    transactions={("acte", 1): ACTE, ("pes", 2): PES},
    sendings=[],
    digests={},
    answers={11: AR, 12: b"<acquit/>"},
    sirens={7: "123456782", 8: "987654324"},
    receptions={},
    jobs=[],
    returns=[ACQUIT, GIVEN],
    unsent_mails=0,
    emitted=Emitted({ACT: frozenset({DIGEST})}, frozenset({ACT}), 1),
)


def seen(
    acte: Transaction = ACTE, pes: Transaction = PES, *returns: Return, emitted: Emitted | None = None
) -> Evidence:
    return replace(
        SOUND,
        transactions={("acte", 1): acte, ("pes", 2): pes},
        returns=list(returns) if returns else SOUND.returns,
        emitted=emitted or SOUND.emitted,
    )


def find(evidence: Evidence) -> list[tuple[str, str]]:
    return [(one.kind, one.what) for one in compare_answers(Case({}, evidence, Timeline()), {RETOUR: SIRET})]


def test_what_was_applied_as_it_was_sent_is_well() -> None:
    assert find(SOUND) == []


REFUSED = replace(ACTE, status=-1, answer=None)
KEPT = Return("actes", "mail", "set_aside", "1-2", "", "AR pour l'acte 1, qui est à l'état -1.", 7, None)
EMITTED = SOUND.emitted
FAULTS = {
    "an AR that was not applied": (seen(replace(ACTE, status=3, answer=None)), (LOST, ACT)),
    "an AR of an act that was refused": (seen(REFUSED), (LOST, ACT)),
    "an AR of an act of nobody": (
        seen(emitted=replace(EMITTED, acts=EMITTED.acts | {STRANGER_ACTE})),
        (LOST, STRANGER_ACTE),
    ),
    "an AR that nobody sent": (seen(emitted=Emitted({}, frozenset(), 1)), (WRONG, ACT)),
    "other bytes than were sent": (seen(emitted=replace(EMITTED, ars={ACT: frozenset({"0" * 64})})), (WRONG, ACT)),
    "acknowledged by nothing": (seen(replace(ACTE, answer=None), emitted=Emitted({}, frozenset(), 1)), (WRONG, ACT)),
    "an acquit that did not come": (seen(emitted=replace(EMITTED, acquits=2)), (LOST, "acquit 00000002")),
    "an acquit that nobody sent": (seen(emitted=replace(EMITTED, acquits=0)), (WRONG, ACKED)),
    "an acquit that nobody has": (
        seen(ACTE, replace(PES, status=3, answer=None, answer_name=""), ACQUIT, GIVEN),
        (LOST, ACKED),
    ),
    "an acquit of another": (seen(ACTE, PES, replace(ACQUIT, detail="AUTRE"), GIVEN), (WRONG, ACKED)),
    "answered by what was not received for it": (
        seen(ACTE, PES, replace(ACQUIT, state="set_aside", flow=None), GIVEN),
        (WRONG, "FLUX"),
    ),
    "a PES_Retour that did not come": (seen(ACTE, PES, ACQUIT), (LOST, RETOUR)),
    "a PES_Retour of another": (seen(ACTE, PES, ACQUIT, replace(GIVEN, authority=8)), (WRONG, RETOUR)),
    "a PES_Retour that waits": (
        seen(ACTE, PES, ACQUIT, replace(GIVEN, state="set_aside", authority=None)),
        (LOST, RETOUR),
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_each_difference_is_found(what: str) -> None:
    evidence, finding = FAULTS[what]
    assert find(evidence) == [finding]


def test_an_act_refused_first_and_acknowledged_then_is_explained_by_what_waits() -> None:
    assert find(seen(REFUSED, PES, ACQUIT, GIVEN, KEPT)) == []


def test_a_retour_of_a_stranger_is_given_to_nobody() -> None:
    waiting = replace(GIVEN, state="set_aside", code="RETOUR_SIRET_INCONNU", authority=None)
    for one, expected in ((waiting, []), (GIVEN, [WRONG])):
        case = Case({}, seen(ACTE, PES, ACQUIT, one), Timeline())
        assert [found.kind for found in compare_answers(case, {RETOUR: STRANGER_SIRET})] == expected


def test_the_journals_tell_what_was_sent(tmp_path: Path) -> None:
    prefecture, dgfip = Journal(tmp_path / "prefecture"), Journal(tmp_path / "dgfip")
    prefecture.put("ar/archive/00/message", [["envelope.xml", "<e/>"], ["message.xml", AR.decode()]])
    prefecture.put(f"act/{ACT}", {"siren": "123456782", "addresses": []})
    assert read_emitted(tmp_path) == replace(EMITTED, acquits=0)
    instant = datetime(2025, 6, 12, 8, 11, 12, tzinfo=UTC)
    assert acquit_name(Flow(header={"IdPost": "034000"}), dgfip.next_serial("acquit"), instant) == ACKED
    assert read_emitted(tmp_path) == EMITTED, "read while the simulators have them open"
    prefecture.close()
    dgfip.close()


# ------------------------------------------------------------------------------------- explanations


def told(*kinds: str) -> Timeline:
    timeline = Timeline()
    timeline.counts.update(kinds)
    return timeline


OCR = Return("helios", "SIMULATION_000001.ocr", "set_aside", "ocre", "FICHIER_OCRE", "", None, None)
MAIL = Return("actes", "1", "set_aside", "1-2", "", f"Aucun acte {STRANGER_ACTE}.", None, None)
JUNK = replace(MAIL, kind="unreadable", detail="courriel sans message d'ACTES")
EXPLAINED = (
    (OCR, "odd /dgfip/other ocr"),
    (replace(OCR, name=ACKED, code="ACQUIT_SANS_FLUX"), "dgfip acquit=stray"),
    (replace(OCR, name=RETOUR, code="RETOUR_SIRET_INCONNU"), f"odd /dgfip/retour {STRANGER_SIRET} depense"),
    (MAIL, "odd /prefecture/mail stranger"),
    (JUNK, "odd /prefecture/notice junk"),
    (replace(JUNK, detail="Specification mandates value"), "odd /prefecture/mail cut"),
    (KEPT, "prefecture answer=anomaly:005"),
)
EVERYTHING = [cause for _, cause in EXPLAINED]


@pytest.mark.parametrize(("received", "cause"), EXPLAINED)
def test_what_waits_is_explained_by_what_was_asked_for_and_by_nothing_else(received: Return, cause: str) -> None:
    assert is_explained(told(cause), received)
    assert not is_explained(told(*(other for other in EVERYTHING if other != cause)), received)
    assert not is_explained(told(cause), replace(received, state="new"))


def test_what_nobody_asked_for_is_not_explained() -> None:
    everything = told(*EVERYTHING)
    assert not is_explained(everything, replace(MAIL, detail=f"Aucun acte {ACT}."))
    assert not is_explained(everything, replace(MAIL, kind="2-1", detail=f"Aucun acte envoyé {ACT}."))
    assert not is_explained(everything, replace(OCR, code="FICHIER_VIDE", name=ACKED))
    assert not is_explained(everything, replace(GIVEN, state="set_aside", code="RETOUR_SIRET_PARTAGE"))


def test_an_act_is_stale_from_the_publication_of_a_newer_classification_on() -> None:
    words = "Anomalie signalee par le MI : 002 - ODT-VERIF-01 : Votre acte a été transmis avec une date"
    timeline = Timeline(spans=[Span("odd", "/prefecture/classification", 150.0, 151.0)])
    before, after = (datetime.fromtimestamp(instant, UTC) for instant in (140, 160))
    assert was_stale(timeline, words, [before, after])
    assert not was_stale(timeline, words, [before])
    assert not was_stale(timeline, "005 : autre", [after])
    assert not was_stale(Timeline(), words, [after])


async def test_what_is_published_explains_what_is_refused_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, object]] = []

    async def ask(_state: State, path: str, body: object) -> None:
        asked.append((path, body))

    monkeypatch.setattr(State, "_ask", ask)
    state = State("", Timeline(), random.Random(1))
    await state.publish_classification(0)
    assert asked == [("/prefecture/classification", {"date": "2019-03-02"})]
    later = datetime.fromtimestamp(state.timeline.spans[0].end + 1, UTC)
    assert was_stale(state.timeline, "002 - ODT-VERIF-01", [later])
