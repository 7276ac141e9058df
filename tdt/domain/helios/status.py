"""The life of a HELIOS transaction: the moves that are allowed, and the words that clients read at each."""

from collections.abc import Mapping

from tdt.domain.helios.model import DgfipReturn, HeliosStatus, ReturnKind
from tdt.domain.ids import HeliosId
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

ACQUIT_RETOUR_ROOT = "PES_ACQUIT_RETOUR"

_S = HeliosStatus
_ANSWERED = frozenset({_S.ACQUITTEMENT_RECU, _S.REFUSE, _S.INFORMATION_DISPONIBLE})

MOVES: Mapping[HeliosStatus | None, frozenset[HeliosStatus]] = {
    None: frozenset({_S.POSTE, _S.EN_ATTENTE_D_ETRE_SIGNE, _S.EN_ATTENTE_D_ETRE_TELETRANSMIS}),
    # in error: the collectivité closed before anybody signed or sent it
    _S.EN_ATTENTE_D_ETRE_SIGNE: frozenset({_S.POSTE, _S.EN_ATTENTE_D_ETRE_TELETRANSMIS, _S.ERREUR}),
    _S.EN_ATTENTE_D_ETRE_TELETRANSMIS: frozenset({_S.POSTE, _S.ERREUR}),
    _S.POSTE: frozenset({_S.EN_ATTENTE_DE_TRANSMISSION, _S.ERREUR}),
    _S.EN_ATTENTE_DE_TRANSMISSION: frozenset({_S.TRANSMIS, _S.TRANSMIS_SANS_ACQUITTEMENT, _S.ERREUR}),
    # Sent again, identical, because an operator asked for it.
    _S.TRANSMIS: _ANSWERED | {_S.ERREUR, _S.EN_ATTENTE_DE_TRANSMISSION},
    _S.TRANSMIS_SANS_ACQUITTEMENT: frozenset({_S.ERREUR, _S.EN_ATTENTE_DE_TRANSMISSION}),
    # A flow put in error by hand may still be answered: what the State says counts. Reposting is the administrator's.
    _S.ERREUR: _ANSWERED | {_S.POSTE},
    # A later acquit may say more than the first; nothing goes back from "information disponible".
    _S.ACQUITTEMENT_RECU: frozenset({_S.REFUSE, _S.INFORMATION_DISPONIBLE, _S.EN_ATTENTE_SAE}),
    _S.REFUSE: frozenset({_S.INFORMATION_DISPONIBLE, _S.EN_ATTENTE_SAE}),
    _S.INFORMATION_DISPONIBLE: frozenset({_S.EN_ATTENTE_SAE}),
    _S.EN_ATTENTE_SAE: frozenset(
        {_S.ENVOYE_AU_SAE, _S.ERREUR_ENVOI_SAE, _S.ACCEPTE_PAR_LE_SAE, _S.DOCUMENTS_INDISPONIBLES}
    ),
    _S.ENVOYE_AU_SAE: frozenset({_S.ACCEPTE_PAR_LE_SAE, _S.REFUSE_PAR_LE_SAE, _S.ERREUR_ENVOI_SAE}),
    _S.REFUSE_PAR_LE_SAE: frozenset({_S.EN_ATTENTE_SAE}),
    _S.ERREUR_ENVOI_SAE: frozenset({_S.EN_ATTENTE_SAE, _S.ACCEPTE_PAR_LE_SAE}),
    _S.DOCUMENTS_INDISPONIBLES: frozenset({_S.EN_ATTENTE_SAE}),
}

STATUS_LABELS: Mapping[HeliosStatus, str] = {
    _S.ERREUR: "Erreur",
    _S.ANNULE: "Annulé",
    _S.POSTE: "Posté",
    _S.EN_ATTENTE_DE_TRANSMISSION: "En attente de transmission. Fichier valide.",
    _S.TRANSMIS: "Transmis",
    _S.ACQUITTEMENT_RECU: "Acquittement reçu",
    _S.VALIDE: "Validé. Non utilisé en Helios.",
    _S.REFUSE: "Refusé",
    _S.EN_TRAITEMENT: "En traitement",
    _S.INFORMATION_DISPONIBLE: "Information disponible",
    _S.ENVOYE_AU_SAE: "Envoyé au SAE",
    _S.ACCEPTE_PAR_LE_SAE: "Accepter par le SAE",
    _S.REFUSE_PAR_LE_SAE: "Refuser par le SAE",
    _S.EN_ATTENTE_D_ETRE_SIGNE: "En attente d'être signé",
    _S.EN_ATTENTE_D_ETRE_TELETRANSMIS: "En attente d'être postée",
    _S.EN_ATTENTE_SAE: "En attente de transmission au SAE",
    _S.ERREUR_ENVOI_SAE: "Erreur lors de l'envoi au SAE",
    _S.A_DETRUIRE: "A détruire",
    _S.DETRUITE: "Détruite",
    _S.DOCUMENTS_INDISPONIBLES: "Impossible d'envoyer au SAE (documents indisponibles)",
    _S.TRANSMIS_SANS_ACQUITTEMENT: "Transmis. Aucun Ack attendu.",
}
"""S2LOW's labels, faults of grammar included: clients show and compare them."""

TO_SIGN_TEXT = "Fichier en attente d'être signé"
TO_TRANSMIT_TEXT = "Fichier en attente d'être télétransmis"
POSTED_TEXT = "Fichier bien reçu par la plate-forme S2low"


def may_move(origin: HeliosStatus | None, to: HeliosStatus) -> bool:
    """Whether a transaction may go from one status to another (None: it is being created)."""
    return to in MOVES.get(origin, frozenset())


def after_transmission(root: str | None) -> HeliosStatus:
    """The status of a flow once sent: nobody answers to a PES_ACQUIT_RETOUR."""
    return _S.TRANSMIS_SANS_ACQUITTEMENT if root == ACQUIT_RETOUR_ROOT else _S.TRANSMIS


def after_acquit(acquit: DgfipReturn) -> HeliosStatus:
    """The status that an acquit gives. "Information disponible" does not mean accepted: clients read the acquit."""
    if acquit.kind is ReturnKind.NON_ACQUIT:
        return _S.REFUSE
    if acquit.kind is not ReturnKind.ACQUIT:
        raise ValueError("only an acquit answers a flow")
    return _S.INFORMATION_DISPONIBLE if acquit.has_acquit else _S.ACQUITTEMENT_RECU


def queued_text(number: HeliosId, passtrans: bool) -> str:
    """Status 2."""
    return f"Transaction {number} dans la file d'attente{_channel(passtrans)}"


def transmitted_text(number: HeliosId, passtrans: bool) -> str:
    """Status 3 or 24."""
    return f"Transaction {number} transmise au serveur.{_channel(passtrans)}"


def answered_text(number: HeliosId, status: HeliosStatus) -> str:
    """Status 4, 6 or 8 ("acceptee" without accent, as in S2LOW)."""
    texts = {
        _S.ACQUITTEMENT_RECU: f"Transaction {number} acceptee",
        _S.REFUSE: f"Transaction {number} refusée",
        _S.INFORMATION_DISPONIBLE: f"Transaction {number} : information disponible",
    }
    return texts[status]


def error_text(message: str) -> str:
    """Status -1: the words of the refusal, cut to what a status message may hold."""
    return message[:WORKFLOW_MESSAGE_LENGTH]


def _channel(passtrans: bool) -> str:
    return " [Passtrans]" if passtrans else ""
