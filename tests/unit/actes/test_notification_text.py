"""The words of the mails: what happened, to which act, what to do, until when; nothing that could end a header."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tdt.domain.actes.model import ActeStatus as S
from tdt.domain.actes.notification_text import SHOWN, Happening, too_large, unstamped, write_digest, write_event

AT = datetime(2027, 1, 31, 23, 30, tzinfo=UTC)
EVENT = Happening(
    transaction_id=42,
    type=1,
    type_reponse=None,
    status=S.ACQUITTEMENT_RECU,
    at=AT,
    message="Reçu par le MI le 2027-01-31",
    authority="Commune d'essai",
    siren="123456782",
    number="2027_001",
    nature_code=1,
    subject="Vente d'une parcelle",
    unique_id="034-123456782-20270130-2027_001-DE",
    decision_date=date(2027, 1, 30),
    submitted_at=AT,
)
PLATFORM = "https://tdt.example"


def letter(kind: int, status: S = S.DOCUMENT_RECU, **others: Any) -> Happening:
    return replace(EVENT, type=kind, status=status, **others)


@pytest.mark.parametrize(
    ("event", "title"),
    [
        (EVENT, "acte 2027_001 : reçu par la préfecture"),
        (replace(EVENT, status=S.ERREUR), "acte 2027_001 : en erreur, non transmis"),
        (letter(2, S.DOCUMENT_RECU_SANS_AR), "acte 2027_001 : courrier de la préfecture"),
        (letter(3), "acte 2027_001 : demande de pièces complémentaires de la préfecture"),
        (letter(4), "acte 2027_001 : lettre d'observations de la préfecture"),
        (
            letter(4, S.ACQUITTEMENT_ENVOYE),
            "acte 2027_001 : lettre d'observations de la préfecture, accusé de réception envoyé",
        ),
        (
            letter(3, S.ERREUR),
            "acte 2027_001 : demande de pièces complémentaires de la préfecture, accusé de réception non transmis",
        ),
        (letter(5, S.DOCUMENT_RECU_SANS_AR), "acte 2027_001 : déféré de la préfecture au tribunal administratif"),
        (
            letter(3, S.ACQUITTEMENT_RECU, type_reponse=4),
            "acte 2027_001 : réponse à la demande de pièces complémentaires reçue par la préfecture",
        ),
        (letter(2, S.ERREUR, type_reponse=2), "acte 2027_001 : réponse au courrier de la préfecture non transmise"),
        (letter(6, S.ACQUITTEMENT_RECU), "acte 2027_001 : annulation reçue par la préfecture"),
        (letter(6, S.ERREUR), "acte 2027_001 : annulation refusée"),
        (letter(7, S.ACQUITTEMENT_RECU, number=None), "classification des matières à jour"),
        (letter(7, S.ERREUR, number=None), "demande de classification refusée"),
    ],
)
def test_the_subject_says_what_happened_to_what(event: Happening, title: str) -> None:
    text = write_event(event, PLATFORM)
    assert text.title == f"[Commune d'essai] {title}"
    assert write_event(replace(event, test=True), PLATFORM).title.startswith("[SIMULATION] [Commune d'essai]")
    assert "transaction n° 42" in text.body
    assert max(len(line) for line in text.body.splitlines()) <= 110


def test_an_error_says_its_cause_and_what_to_do() -> None:
    words = "Anomalie signalee par le MI : 002 - ODT-VERIF-01 : Votre acte a été transmis"
    flowed = " ".join(write_event(replace(EVENT, status=S.ERREUR, message=words), PLATFORM).body.split())
    assert "Cause : La classification des matières utilisée n'est plus à jour." in flowed
    assert f"Message reçu : « {words} »." in flowed
    assert "Que faire : attendre la nouvelle classification" in flowed
    assert "Qui : la collectivité. L'acte n'existe pas pour la préfecture" in flowed


@pytest.mark.parametrize("kind", [3, 4])
def test_a_letter_says_what_is_wanted_and_until_when(kind: int) -> None:
    body = write_event(letter(kind, letter_text="Plan du bâtiment", letter_date=date(2027, 1, 29)), PLATFORM).body
    flowed = " ".join(body.split())
    assert "La préfecture écrit : Plan du bâtiment" in flowed
    assert "courrier du : 29 janvier 2027" in flowed
    # received in Paris on 1 February, although it is still January in UTC
    assert "au plus tard le 1er avril 2027" in flowed
    assert "le : 1er février 2027 à 00h30" in flowed


def test_nothing_of_a_form_or_of_the_state_ends_a_line() -> None:
    nasty = "x\r\nBcc: y@y.example\u2028z\0"
    for field in ("authority", "number", "subject", "message", "letter_text"):
        changed: dict[str, Any] = {"status": S.ERREUR, field: nasty}
        event = replace(EVENT, **changed)
        for text in (write_event(event, PLATFORM), write_digest(AT.date(), [event], PLATFORM)):
            assert text.title.isprintable()
            assert "Bcc" not in [line[:3] for line in text.body.splitlines()]
            assert "\0" not in text.body


def test_files_that_are_left_out_are_told() -> None:
    body = write_event(EVENT, PLATFORM, too_large(21 << 20, 10 << 20)).body
    assert "ils pèsent 21,0 Mio, un courriel n'en porte que 10,0 Mio." in " ".join(body.split())
    assert "Joint sans tampon, qui n'a pas pu être apposé : a.pdf, b.pdf." in unstamped(["a.pdf", "b.pdf"])


def test_a_digest_tells_everything_oldest_first_and_counts_the_rest() -> None:
    events = [replace(EVENT, transaction_id=one, number=f"N{one}") for one in range(SHOWN + 2)]
    text = write_digest(date(2027, 2, 1), events, PLATFORM)
    assert text.title == f"[Commune d'essai] {SHOWN + 2} événements au 1er février 2027"
    assert [f"transaction n° {one}\n" in text.body for one in (0, SHOWN - 1, SHOWN)] == [True, True, False]
    assert "Et 2 autres" in text.body
    assert write_digest(date(2027, 2, 1), events[:1], PLATFORM).title.endswith("] 1 événement au 1er février 2027")
