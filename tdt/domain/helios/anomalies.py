"""What each NumAnoAck of a PES_ACQUIT means, who must act and how; and the Hélios numbers that labels begin with.

The list of codes is closed. A code out of it, and a label of unknown words, are shown as received: nothing is invented.
"""

import re
from collections.abc import Mapping

from tdt.domain.helios.remedies import AGENT, COMPTABLE, EDITEUR, ORDONNATEUR, Remedy

NEW_COPY = "déposer le flux corrigé sous un nouveau NomFic"
SIGN_AGAIN = f"signer à nouveau dans le parapheur, sans rien modifier ensuite, puis {NEW_COPY}"
NOT_SENT_TWICE = "vérifier auprès du comptable si l'envoi précédent est intégré ; si oui, ne rien renvoyer"

ANOMALIES: Mapping[str, Remedy] = {
    f"ERREUR_{code}": Remedy(cause, who, remedy)
    for code, cause, who, remedy in (
        (
            "CONNECTION_IMPOSSIBLE_A_LA_BASE",
            "Hélios n'a pas pu joindre sa propre base : le contenu du flux n'est pas en cause.",
            COMPTABLE,
            f"signaler l'incident à l'assistance Hélios ; une fois rétabli, {NEW_COPY}",
        ),
        (
            "ENCODING",
            "Le flux n'est pas réellement écrit dans l'encodage qu'il annonce.",
            EDITEUR,
            f"écrire le fichier en ISO-8859-1, caractères compris, puis {NEW_COPY}",
        ),
        (
            "FLUX_VIDE",
            "Le flux ne porte ni bordereau, ni pièce jointe, ni marché.",
            AGENT,
            f"vérifier la sélection faite dans le logiciel, l'exporter à nouveau, puis {NEW_COPY}",
        ),
        (
            "SCHEMA_INCOMPLET",
            "Il manque au flux des éléments que le schéma PES rend obligatoires.",
            EDITEUR,
            f"compléter l'export selon le schéma en vigueur, puis {NEW_COPY}",
        ),
        (
            "CODIFICATION",
            "Une valeur n'est pas dans la liste de codes permise.",
            AGENT,
            f"choisir un code de la liste pour la donnée que le libellé désigne, puis {NEW_COPY}",
        ),
        (
            "CODIQUE",
            "Le codique du poste comptable (IdPost) est inconnu d'Hélios ou n'est pas celui de la collectivité.",
            AGENT,
            f"demander le bon codique à la trésorerie, le corriger dans le logiciel, puis {NEW_COPY}",
        ),
        (
            "SIRET",
            "Le SIRET (IdColl) n'est pas celui qu'Hélios connaît pour ce budget.",
            AGENT,
            f"comparer avec la trésorerie le SIRET du budget, le corriger, puis {NEW_COPY}",
        ),
        (
            "CODE_COLLECTIVITE_BUDGET",
            "Le couple CodCol et CodBud ne désigne aucun budget tenu par ce poste comptable.",
            AGENT,
            f"demander à la trésorerie le code collectivité et le code budget, les corriger, puis {NEW_COPY}",
        ),
        (
            "VERSION_PES",
            "La version du protocole annoncée par le flux (IdVer) n'est pas acceptée.",
            EDITEUR,
            f"produire le flux dans la version en vigueur, puis {NEW_COPY}",
        ),
        (
            "VERSION_PJ",
            "La version annoncée par le bloc des pièces jointes n'est pas acceptée.",
            EDITEUR,
            f"annoncer la version 1 dans l'en-tête de PES_PJ, puis {NEW_COPY}",
        ),
        (
            "SIGNATURE_INVALIDE",
            "La signature ne correspond pas au contenu : il a changé depuis qu'elle a été faite.",
            ORDONNATEUR,
            SIGN_AGAIN,
        ),
        (
            "SIGNATURE_ILLISIBLE",
            "Hélios ne sait pas lire la signature du flux.",
            EDITEUR,
            f"vérifier le format XAdES que produit le parapheur, puis {NEW_COPY}",
        ),
        (
            "SIGNATURE_INCOMPLETE",
            "Il manque à la signature des éléments attendus : certificat, date ou politique de signature.",
            EDITEUR,
            f"vérifier les propriétés signées que produit le parapheur, puis {NEW_COPY}",
        ),
        (
            "DOUBLON_BORDEREAU",
            "Ce numéro de bordereau est déjà pris pour cet exercice, ce type et ce budget.",
            AGENT,
            f"{NOT_SENT_TWICE} ; sinon donner au bordereau un autre numéro et {NEW_COPY}",
        ),
        (
            "DOUBLON_PIECE",
            "Ce numéro de mandat ou de titre est déjà pris pour cet exercice et ce budget.",
            AGENT,
            f"{NOT_SENT_TWICE} ; sinon renuméroter la pièce et {NEW_COPY}",
        ),
        (
            "DOUBLON_LIGNE",
            "Une pièce porte deux fois le même numéro de ligne.",
            EDITEUR,
            f"numéroter une seule fois chaque ligne de la pièce, puis {NEW_COPY}",
        ),
        (
            "DOUBLON_PJ",
            "L'identifiant unique de cette pièce jointe a déjà servi.",
            AGENT,
            "si la pièce jointe déjà intégrée est la bonne, ne pas la renvoyer ; sinon la renvoyer sous un autre "
            "identifiant, référence mise à jour dans la pièce comptable",
        ),
        (
            "PES_PARAM",
            "Le paramétrage de la dématérialisation dans Hélios ne permet pas ce flux.",
            COMPTABLE,
            f"vérifier dans Hélios les paramètres de ce budget ; une fois corrigés, {NEW_COPY}",
        ),
        (
            "PES_SIGNATURE",
            "La présence de la signature ne s'accorde pas avec ce que le flux annonce (InfoDematerialisee).",
            EDITEUR,
            f"signer ce qui est annoncé dématérialisé, ou ne pas l'annoncer, puis {NEW_COPY}",
        ),
        (
            "PES_PARAM_SIGNATURE",
            "Le mode de signature du flux n'est pas celui qu'Hélios a en paramètre pour ce budget.",
            COMPTABLE,
            f"accorder avec l'ordonnateur le paramètre d'Hélios et le mode de signature, puis {NEW_COPY}",
        ),
        (
            "CERTIFICAT",
            "Le certificat du signataire n'est pas accepté : échu, révoqué ou d'une autorité non reconnue.",
            ORDONNATEUR,
            f"signer avec un certificat en cours de validité d'une autorité reconnue, puis {NEW_COPY}",
        ),
        (
            "TIMEOUT",
            "Hélios n'a pas traité le flux dans le temps prévu.",
            AGENT,
            f"{NOT_SENT_TWICE} ; sinon partager le flux en plusieurs et {NEW_COPY}",
        ),
        (
            "TAILLE_BORDEREAUX",
            "Un bordereau est trop grand, ou le flux en porte trop.",
            AGENT,
            "répartir les bordereaux entre plusieurs flux",
        ),
        (
            "TAILLE_PIECE",
            "Un bordereau porte trop de pièces, ou une pièce est trop grande.",
            AGENT,
            f"répartir les pièces entre plusieurs bordereaux, puis {NEW_COPY}",
        ),
        (
            "TAILLE_LIGNE",
            "Une pièce porte trop de lignes.",
            AGENT,
            f"répartir les lignes entre plusieurs pièces, puis {NEW_COPY}",
        ),
        (
            "PJ_SIGNEE",
            "La signature d'une pièce jointe n'est pas acceptée.",
            AGENT,
            f"joindre le document non signé, ou le signer à nouveau, puis {NEW_COPY}",
        ),
        (
            "SIGNATURE_EXTERNE",
            "La signature n'est pas dans le flux à l'endroit attendu.",
            EDITEUR,
            f"placer la signature dans le bordereau signé, ou à la fin du flux, puis {NEW_COPY}",
        ),
        (
            "AUTRE",
            "Le motif n'est dit que par le libellé.",
            AGENT,
            f"lire le libellé, appeler la trésorerie s'il ne suffit pas, corriger, puis {NEW_COPY}",
        ),
        (
            "SIGNATURE_BORDEREAU_INVALIDE",
            "La signature du bordereau ne correspond pas à son contenu : il a changé depuis.",
            ORDONNATEUR,
            SIGN_AGAIN,
        ),
        (
            "SIGNATURE_BORDEREAU_ILLISIBLE",
            "Hélios ne sait pas lire la signature du bordereau.",
            EDITEUR,
            f"vérifier le format XAdES que produit le parapheur, puis {NEW_COPY}",
        ),
        (
            "SIGNATURE_BORDEREAU_INCOMPLETE",
            "Il manque à la signature du bordereau des éléments attendus.",
            EDITEUR,
            f"vérifier les propriétés signées que produit le parapheur, puis {NEW_COPY}",
        ),
        (
            "MONTANT_TVA_ZERO_NEGATIF",
            "Un montant de TVA est nul ou négatif là où il doit être positif.",
            AGENT,
            f"corriger le montant de TVA de la ligne, ou ne pas l'écrire s'il n'y a pas de TVA, puis {NEW_COPY}",
        ),
        (
            "PJ",
            "Une pièce jointe manque, est vide ou ne peut pas être rattachée.",
            AGENT,
            f"vérifier le fichier, son nom et sa référence dans la pièce comptable, puis {NEW_COPY}",
        ),
        (
            "CUMUL_MONTANTS",
            "Un total annoncé n'est pas la somme de ses montants.",
            EDITEUR,
            f"recalculer les totaux du bordereau et le cumul annuel, puis {NEW_COPY}",
        ),
    )
}

NUMBERS: Mapping[str, Remedy] = {
    "1971": Remedy(
        "La ligne porte un code fonction que la nomenclature de ce budget n'admet pas.",
        AGENT,
        f"ôter la fonction de la ligne, ou demander au comptable la nomenclature suivie, puis {NEW_COPY}",
    ),
    "1984": Remedy(
        "Une pièce jointe de cet identifiant unique est déjà dans Hélios.",
        AGENT,
        "si c'est le même document, ne pas le renvoyer ; sinon lui donner un autre identifiant, dans PES_PJ et dans la "
        "pièce comptable",
    ),
    "2559": Remedy(
        "Le code service du destinataire n'existe pas, ou n'est plus actif, dans Chorus Pro.",
        AGENT,
        f"chercher dans l'annuaire de Chorus Pro un code service actif, corriger le tiers, puis {NEW_COPY}",
    ),
}
"""By the Hélios number that a label begins with: they say more than their NumAnoAck, mostly ERREUR_AUTRE."""

SCHEMA_REFUSAL = Remedy(
    "Le flux ne respecte pas le schéma PES : il est rejeté en entier, avant toute lecture de son contenu.",
    EDITEUR,
    f"corriger ce que le libellé désigne (ligne, colonne), puis {NEW_COPY}",
)

_NUMBER = re.compile(r"\s*([0-9]{4})\s*-", re.ASCII)
_SCHEMA_REFUSAL = re.compile(r"erreur de validation XSD en bo[iî]te 1", re.IGNORECASE)


def explain(code: str, label: str) -> Remedy | None:
    """What an anomaly means: by the number or the words of its label, else by its code; None of an unknown one."""
    match = _NUMBER.match(label)
    if match is not None and match[1] in NUMBERS:
        return NUMBERS[match[1]]
    if code in ("", "ERREUR_AUTRE") and _SCHEMA_REFUSAL.search(label):
        return SCHEMA_REFUSAL
    return ANOMALIES.get(code.strip())
