"""What a PES_AsapRetour says of an avis des sommes à payer, with the official labels of its refusals."""

from collections.abc import Mapping

SENT: Mapping[str, str] = {"Postalisation": "posted", "NotificationParMail": "notified", "Rejet": "rejected"}
"""By element: what became of the avis."""

REJECTIONS: Mapping[str, Mapping[str, str]] = {
    "MotifRejetPostalisation": {
        "01": "ERR008 - Différence majeure détectée entre les lignes d'adresse renseignées dans l'index et le bloc "
        "adresse",
        "02": "ERR012 - Anomalie dans le bloc adresse destinataire",
        "03": "ERR020 - Erreur de conversion du PDF en AFP",
        "04": "ERR021 - Erreur de recto verso",
        "05": "ERR022 - Non-respect de la zone de silence de la marge de droite",
        "06": "ERR023 - Non-respect de la zone de silence au-dessus du pavé adresse",
        "07": "WAR022 - Non-respect de la zone de silence autour du CODE 2D",
        "08": "Autre",
    },
    "MotifRejetNotificationParMail": {"01": "Adresse mail blacklistée", "02": "Adresse mail erroné"},
}
"""By element, then by code."""
