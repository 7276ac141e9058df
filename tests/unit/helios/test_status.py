"""The life of a HELIOS transaction and its words."""

from itertools import pairwise

import pytest

from tdt.domain.helios.model import DgfipReturn, HeliosStatus, ReturnKind
from tdt.domain.helios.status import (
    MOVES,
    POSTED_TEXT,
    STATUS_LABELS,
    after_acquit,
    after_transmission,
    answered_text,
    error_text,
    may_move,
    queued_text,
    transmitted_text,
)
from tdt.domain.ids import HeliosId

S = HeliosStatus
NUMBER = HeliosId(42)


def test_every_status_has_a_label_and_none_moves_to_itself() -> None:
    assert set(STATUS_LABELS) == set(HeliosStatus)
    assert all(origin not in targets for origin, targets in MOVES.items())


@pytest.mark.parametrize(
    "path",
    [
        (None, S.POSTE, S.EN_ATTENTE_DE_TRANSMISSION, S.TRANSMIS, S.INFORMATION_DISPONIBLE, S.EN_ATTENTE_SAE),
        (None, S.EN_ATTENTE_D_ETRE_SIGNE, S.EN_ATTENTE_D_ETRE_TELETRANSMIS, S.POSTE, S.ERREUR, S.POSTE),
        (None, S.EN_ATTENTE_D_ETRE_TELETRANSMIS, S.POSTE, S.EN_ATTENTE_DE_TRANSMISSION, S.TRANSMIS_SANS_ACQUITTEMENT),
        (S.TRANSMIS, S.ERREUR, S.INFORMATION_DISPONIBLE),
        (S.TRANSMIS, S.EN_ATTENTE_DE_TRANSMISSION, S.TRANSMIS),
        (S.TRANSMIS, S.ACQUITTEMENT_RECU, S.INFORMATION_DISPONIBLE),
        (
            S.EN_ATTENTE_SAE,
            S.ENVOYE_AU_SAE,
            S.REFUSE_PAR_LE_SAE,
            S.EN_ATTENTE_SAE,
            S.ERREUR_ENVOI_SAE,
            S.EN_ATTENTE_SAE,
        ),
    ],
)
def test_paths(path: tuple[HeliosStatus | None, ...]) -> None:
    for origin, to in pairwise(path):
        assert to is not None
        assert may_move(origin, to)


@pytest.mark.parametrize(
    ("origin", "to"),
    [
        (None, S.EN_ATTENTE_DE_TRANSMISSION),
        (S.POSTE, S.TRANSMIS),
        (S.POSTE, S.INFORMATION_DISPONIBLE),
        (S.INFORMATION_DISPONIBLE, S.TRANSMIS),
        (S.INFORMATION_DISPONIBLE, S.ACQUITTEMENT_RECU),
        (S.TRANSMIS_SANS_ACQUITTEMENT, S.INFORMATION_DISPONIBLE),
        (S.DETRUITE, S.POSTE),
    ],
)
def test_forbidden_moves(origin: HeliosStatus | None, to: HeliosStatus) -> None:
    assert not may_move(origin, to)


def test_texts() -> None:
    assert POSTED_TEXT == "Fichier bien reçu par la plate-forme S2low"
    assert queued_text(NUMBER, passtrans=False) == "Transaction 42 dans la file d'attente"
    assert queued_text(NUMBER, passtrans=True) == "Transaction 42 dans la file d'attente [Passtrans]"
    assert transmitted_text(NUMBER, passtrans=False) == "Transaction 42 transmise au serveur."
    assert transmitted_text(NUMBER, passtrans=True) == "Transaction 42 transmise au serveur. [Passtrans]"
    assert answered_text(NUMBER, S.ACQUITTEMENT_RECU) == "Transaction 42 acceptee"
    assert answered_text(NUMBER, S.REFUSE) == "Transaction 42 refusée"
    assert answered_text(NUMBER, S.INFORMATION_DISPONIBLE) == "Transaction 42 : information disponible"
    assert error_text("é" * 600) == "é" * 512


def test_after() -> None:
    assert after_transmission("PES_Aller") is S.TRANSMIS
    assert after_transmission(None) is S.TRANSMIS
    assert after_transmission("PES_ACQUIT_RETOUR") is S.TRANSMIS_SANS_ACQUITTEMENT
    assert after_acquit(DgfipReturn(ReturnKind.ACQUIT, has_acquit=True)) is S.INFORMATION_DISPONIBLE
    assert after_acquit(DgfipReturn(ReturnKind.ACQUIT)) is S.ACQUITTEMENT_RECU
    assert after_acquit(DgfipReturn(ReturnKind.NON_ACQUIT, has_acquit=True)) is S.REFUSE
    with pytest.raises(ValueError, match="acquit"):
        after_acquit(DgfipReturn(ReturnKind.RETOUR))
