"""Statuses: S2LOW's labels, its moves, its words."""

from datetime import date
from itertools import pairwise

from tdt.domain.actes import status
from tdt.domain.actes.model import ActeStatus


def test_the_labels_are_listed_in_the_order_of_their_numbers() -> None:
    assert [int(number) for number in status.STATUS_LABELS] == list(range(-1, 23))
    assert set(status.STATUS_LABELS) == set(ActeStatus)
    assert status.STATUS_LABELS[ActeStatus.ACQUITTEMENT_RECU] == "Acquittement reçu"
    assert status.STATUS_LABELS[ActeStatus.REFUS_D_ENVOI] == "Refus d'envoie"


def test_the_main_path_of_an_act() -> None:
    path = [17, 1, 2, 3, 4, 5, 19, 12, 13]
    assert all(status.may_move(ActeStatus(a), ActeStatus(b)) for a, b in pairwise(path))
    assert status.may_move(ActeStatus.ACQUITTEMENT_RECU, ActeStatus.ANNULE)
    assert status.may_move(ActeStatus.DOCUMENT_RECU, ActeStatus.ACQUITTEMENT_ENVOYE)


def test_an_error_is_nearly_final_and_nothing_else_goes_back() -> None:
    # given up by us, or surely not with the ministry: tests/unit/actes/test_closing.py
    again = {ActeStatus.POSTE, ActeStatus.EN_ATTENTE_DE_TRANSMISSION, ActeStatus.TRANSMIS}
    assert {target for target in ActeStatus if status.may_move(ActeStatus.ERREUR, target)} == again
    assert not any(status.may_move(ActeStatus.ANNULE, target) for target in ActeStatus)
    assert not status.may_move(ActeStatus.TRANSMIS, ActeStatus.EN_ATTENTE_DE_TRANSMISSION)
    assert not any(status.may_move(number, number) for number in ActeStatus)


def test_an_act_with_its_ar_is_never_turned_to_an_error() -> None:
    before_ar = [17, 18, 1, 2, 3]
    assert all(status.may_move(ActeStatus(number), ActeStatus.ERREUR) for number in before_ar)
    assert not status.may_move(ActeStatus.ACQUITTEMENT_RECU, ActeStatus.ERREUR)


def test_the_words_of_the_workflow() -> None:
    day = date(2025, 6, 16)
    assert status.transmitted("MI") == "Transmis au MI"
    assert status.acknowledged("MI", day) == "Reçu par le MI le 2025-06-16"
    assert status.cancelled("MI", day) == "Annulation reçue par le MI le 2025-06-16"
    assert status.acte_anomaly("MI", "002", "Périmée") == "Anomalie signalee par le MI : 002 - Périmée"
    assert status.envelope_anomaly("MI", "5", "SIREN") == "Enveloppe rejetée par le MI (5 : SIREN)"
    assert status.classification_updated(day) == (
        "Mise à jour de la classification (date de classification: 2025-06-16)"
    )
    assert status.classification_unchanged(day) == (
        "Classification sans changement (date de classification: 2025-06-16)"
    )
    assert status.invalid_envelope("x" * 600) == "Enveloppe invalide : " + "x" * (512 - 21)
    assert status.posted_by_agent("A B") == "La transaction a été postée par l'agent télétransmetteur A B"
