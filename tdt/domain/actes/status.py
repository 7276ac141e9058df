"""The life of an ACTES transaction: allowed moves, labels and the words written in its workflow, as S2LOW has them."""

from collections.abc import Mapping
from datetime import date

from tdt.domain.actes.model import ActeStatus as S
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

STATUS_LABELS: Mapping[S, str] = {
    S.ERREUR: "Erreur",
    S.ANNULE: "Annulé",
    S.POSTE: "Posté",
    S.EN_ATTENTE_DE_TRANSMISSION: "En attente de transmission",
    S.TRANSMIS: "Transmis",
    S.ACQUITTEMENT_RECU: "Acquittement reçu",
    S.VALIDE: "Validé",
    S.REFUSE: "Refusé",
    S.DOCUMENT_RECU: "Document reçu",
    S.ACQUITTEMENT_ENVOYE: "Acquittement envoyé",
    S.DOCUMENT_ENVOYE: "Document envoyé",
    S.REFUS_D_ENVOI: "Refus d'envoie",
    S.ACQUITTEMENT_DE_DOCUMENT_RECU: "Acquittement de document reçu",
    S.ENVOYE_AU_SAE: "Envoyé au SAE",
    S.ARCHIVE_PAR_LE_SAE: "Archivé par le SAE",
    S.ERREUR_ARCHIVAGE: "Erreur lors de l'archivage",
    S.RECU_PAR_LE_SAE: "Reçu par le SAE",
    S.DETRUITE: "Détruite",
    S.EN_ATTENTE_D_ETRE_POSTEE: "En attente d'être postée",
    S.EN_ATTENTE_D_ETRE_SIGNEE: "En attente d'être signé",
    S.EN_ATTENTE_SAE: "En attente de transmission au SAE",
    S.ERREUR_ENVOI_SAE: "Erreur lors de l'envoi au SAE",
    S.DOCUMENT_RECU_SANS_AR: "Document reçu (pas d'AR)",
    S.SAE_IMPOSSIBLE: "Impossible d'envoyer au SAE (documents indisponibles)",
}
"""What `actes_status.php` answers, in its order. Spellings are S2LOW's ("Refus d'envoie")."""

_SAE_API_TARGETS = {
    S.ENVOYE_AU_SAE,
    S.ARCHIVE_PAR_LE_SAE,
    S.ERREUR_ARCHIVAGE,
    S.EN_ATTENTE_SAE,
    S.ERREUR_ENVOI_SAE,
}

MOVES: Mapping[S, frozenset[S]] = {
    # deposit, local checks, transmission
    S.EN_ATTENTE_D_ETRE_POSTEE: frozenset({S.POSTE, S.ERREUR}),
    S.EN_ATTENTE_D_ETRE_SIGNEE: frozenset({S.POSTE, S.REFUSE, S.ERREUR}),
    S.POSTE: frozenset({S.EN_ATTENTE_DE_TRANSMISSION, S.ERREUR}),
    S.EN_ATTENTE_DE_TRANSMISSION: frozenset({S.TRANSMIS, S.ERREUR}),
    S.TRANSMIS: frozenset({S.ACQUITTEMENT_RECU, S.ERREUR}),
    # After the AR S2LOW still lets an envelope anomaly turn the act to -1. Not here: the AR is the evidence of the
    # transmission, and the anomaly of a repeated sending must not undo it.
    S.ACQUITTEMENT_RECU: frozenset({S.ANNULE, S.VALIDE, S.REFUSE}) | _SAE_API_TARGETS,
    # the AR of an annulation may come after the collectivité has closed the act, or begun to archive it
    S.VALIDE: frozenset({S.ANNULE}) | _SAE_API_TARGETS,
    S.REFUSE: frozenset({S.ANNULE}),
    # what the préfecture sends: answered by an automatic AR (types 3, 4) or by nothing (types 2, 5)
    S.DOCUMENT_RECU: frozenset({S.ACQUITTEMENT_ENVOYE}),
    # archiving
    S.EN_ATTENTE_SAE: frozenset({S.ANNULE, S.ENVOYE_AU_SAE, S.ERREUR_ENVOI_SAE, S.ARCHIVE_PAR_LE_SAE}),
    S.ENVOYE_AU_SAE: frozenset(
        {S.ANNULE, S.ARCHIVE_PAR_LE_SAE, S.ERREUR_ARCHIVAGE, S.EN_ATTENTE_SAE, S.ERREUR_ENVOI_SAE}
    ),
    S.ERREUR_ARCHIVAGE: frozenset(
        {S.ANNULE, S.EN_ATTENTE_SAE, S.ENVOYE_AU_SAE, S.ARCHIVE_PAR_LE_SAE, S.VALIDE, S.REFUSE}
    ),
    S.ERREUR_ENVOI_SAE: frozenset({S.ANNULE, S.EN_ATTENTE_SAE, S.ARCHIVE_PAR_LE_SAE, S.VALIDE, S.REFUSE}),
    S.ARCHIVE_PAR_LE_SAE: frozenset({S.ANNULE}),
    # What S2LOW never does. To 3: the answer to a transaction that we had given up (thirty days, or by hand) is not
    # lost, it passes by 3 to where the answer leads. To 1 and 2: by hand, what surely is not with the ministry.
    S.ERREUR: frozenset({S.TRANSMIS, S.POSTE, S.EN_ATTENTE_DE_TRANSMISSION}),
}
"""Every allowed move of a transaction; a status that is not a key is final."""

DEPOT_INITIAL = "Dépôt initial"
DEPOT_EN_ATTENTE = "Dépôt dans un état d'attente"
DEPOT_A_SIGNER = "En attente d'être signé"
SIGNED = "L'acte a été signé électroniquement"
VALIDATION_OK = "Accepté par le TdT : validation OK"
DOCUMENT_RECU = "Reçu par le Tdt"
DOCUMENT_RECU_SANS_AR = "Reçu par le Tdt (pas d'AR envoyé)"
ACQUITTEMENT_ENVOYE = "Acquittement envoyé"

INVALID_ENVELOPE = "Enveloppe invalide : "
"""What stands before the reason when an act that was answered OK turns to -1 in the analysis."""

_FERMETURE_AUTOMATIQUE = "Fermeture automatique de la transaction de plus de "
ERREUR_MANUELLE = "Transaction passée manuellement en erreur"
REPONSE_TARDIVE = "Une réponse du ministère est arrivée après la fermeture : la transaction est de nouveau transmise"


def may_move(origin: S, target: S) -> bool:
    """Whether a transaction may go from one status to the other."""
    return target in MOVES.get(origin, frozenset())


def closed_unanswered(days: int) -> str:
    """Words of 3 → -1 when the ministry has said nothing for so many days (S2LOW: 30)."""
    return f"{_FERMETURE_AUTOMATIQUE}{days} jours"


def is_given_up(message: str) -> bool:
    """Whether a -1 with these words is ours, not the ministry's: an answer may still come."""
    return message == ERREUR_MANUELLE or message.startswith(_FERMETURE_AUTOMATIQUE)


def posted_by_agent(name: str) -> str:
    """Words of 17 → 1, confirmed by the agent of this name."""
    return _clip(f"La transaction a été postée par l'agent télétransmetteur {name}")


def posted_without_signature(transaction: int) -> str:
    """Words of 18 → 1 of an act that nobody signed."""
    return f"La transaction {transaction} a été posté sans signature"


def invalid_envelope(reason: str) -> str:
    """Words of 1 → -1."""
    return _clip(INVALID_ENVELOPE + reason)


def refused_together(transaction: int, reason: str) -> str:
    """Words of 1 → -1 of what travels in one envelope with a transaction that is refused."""
    inner = reason.removeprefix(INVALID_ENVELOPE)
    return invalid_envelope(f"la transaction {transaction} de la même enveloppe est refusée ({inner})")


def transmitted(ministry: str) -> str:
    """Words of 2 → 3. `ministry` is the acronym of the configuration (MI), here and below."""
    return f"Transmis au {ministry}"


def acknowledged(ministry: str, day: date) -> str:
    """Words of 3 → 4, for an act or for an answer to the préfecture."""
    return f"Reçu par le {ministry} le {day.isoformat()}"


def acte_anomaly(ministry: str, nature: str, detail: str) -> str:
    """Words of 3 → -1 on a message 1-3 (S2LOW writes "signalee" without accent)."""
    return _clip(f"Anomalie signalee par le {ministry} : {nature} - {detail}")


def envelope_anomaly(ministry: str, nature: str, detail: str) -> str:
    """Words of → -1 for every transaction of a refused envelope."""
    return _clip(f"Enveloppe rejetée par le {ministry} ({nature} : {detail})")


def cancelled(ministry: str, day: date) -> str:
    """Words of 4 → 0 of the act and 3 → 4 of its annulation."""
    return f"Annulation reçue par le {ministry} le {day.isoformat()}"


def classification_updated(day: date) -> str:
    """Words of 3 → 4 of a classification request answered by a 7-2."""
    return f"Mise à jour de la classification (date de classification: {day.isoformat()})"


def classification_unchanged(day: date) -> str:
    """Words of 3 → 4 of a classification request answered by a 7-3."""
    return f"Classification sans changement (date de classification: {day.isoformat()})"


def resent(refused: int) -> str:
    """First words of an act that is sent again."""
    return f"Renvoi de la transaction {refused}, sous le même numéro"


def classification_unusable(why: str) -> str:
    """Words of 3 → -1 of a classification request whose 7-2 cannot be used."""
    return _clip(f"La classification reçue ne peut pas servir : {why}. Celle en vigueur est gardée ; redemandez-la.")


STALE_CLASSIFICATION, STALE_DETAIL = "2", "ODT-VERIF-01"


def is_stale_classification(nature: str, detail: str) -> bool:
    """Whether a message 1-3 says that the classification used is not the one in force."""
    return nature.strip().lstrip("0") == STALE_CLASSIFICATION or STALE_DETAIL in detail


def stale_classification(used: date | None, in_force: date | None) -> str:
    """What follows the words of the anomaly: what happened, and what to do."""
    with_date = f" du {used:%d/%m/%Y}" if used is not None else ""
    newer = f" (celle du {in_force:%d/%m/%Y} est en vigueur)" if in_force is not None else ""
    return (
        f". La classification{with_date} utilisée n'est plus à jour{newer} : elle est redemandée à la préfecture. Dès "
        "qu'elle est reçue, renvoyez l'acte : il part sous le même numéro avec la nouvelle."
    )


def _clip(text: str) -> str:
    return text[:WORKFLOW_MESSAGE_LENGTH]
