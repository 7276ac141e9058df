"""The words of S2LOW for each status of an acte, as its clients show them."""

from collections.abc import Mapping

from tdt.domain.actes.model import ActeStatus

ACTES_STATUS_LABELS: Mapping[ActeStatus, str] = {
    ActeStatus.ERREUR: "Erreur",
    ActeStatus.ANNULE: "Annulé",
    ActeStatus.POSTE: "Posté",
    ActeStatus.EN_ATTENTE_DE_TRANSMISSION: "En attente de transmission",
    ActeStatus.TRANSMIS: "Transmis",
    ActeStatus.ACQUITTEMENT_RECU: "Acquittement reçu",
    ActeStatus.VALIDE: "Validé",
    ActeStatus.REFUSE: "Refusé",
    ActeStatus.DOCUMENT_RECU: "Document reçu",
    ActeStatus.ACQUITTEMENT_ENVOYE: "Acquittement envoyé",
    ActeStatus.DOCUMENT_ENVOYE: "Document envoyé",
    ActeStatus.REFUS_D_ENVOI: "Refus d'envoi",
    ActeStatus.ACQUITTEMENT_DE_DOCUMENT_RECU: "Acquittement de document reçu",
    ActeStatus.ENVOYE_AU_SAE: "Envoyé au SAE",
    ActeStatus.ARCHIVE_PAR_LE_SAE: "Archivé par le SAE",
    ActeStatus.ERREUR_ARCHIVAGE: "Erreur lors de l'archivage",
    ActeStatus.RECU_PAR_LE_SAE: "Reçu par le SAE",
    ActeStatus.DETRUITE: "Détruite",
    ActeStatus.EN_ATTENTE_D_ETRE_POSTEE: "En attente d'être postée",
    ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE: "En attente d'être signé(e)",
    ActeStatus.EN_ATTENTE_SAE: "En attente de transmission au SAE",
    ActeStatus.ERREUR_ENVOI_SAE: "Erreur lors de l'envoi au SAE",
    ActeStatus.DOCUMENT_RECU_SANS_AR: "Document reçu (pas d'AR)",
    ActeStatus.SAE_IMPOSSIBLE: "Impossible d'envoyer au SAE (documents indisponibles)",
}
