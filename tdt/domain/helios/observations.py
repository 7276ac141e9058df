"""What each ObsEtat of a PES_Retour means: why the comptable rejects a mandat or a titre, or keeps it waiting.

The schema leaves the field free: it holds a code, the label of the code, or anything. What is not recognised is shown
as received, without a word of ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tdt.domain.helios.news import Side
from tdt.domain.helios.remedies import AGENT, COMPTABLE, EDITEUR, ORDONNATEUR, Remedy

NEW_BORDEREAU = "émettre la pièce corrigée dans un nouveau bordereau"
JOIN = "joindre les pièces justificatives à la nouvelle pièce, ou les transmettre si le comptable l'accepte"


@dataclass(frozen=True, slots=True)
class Observation:
    """A code of the list: its official label, and what it means."""

    code: str
    label: str
    told: Remedy


_DEPENSE = (
    (
        "01",
        "Absence totale ou invalidité des pièces justificatives",
        AGENT,
        "Le mandat n'a aucune pièce valable.",
        JOIN,
    ),
    ("02", "Insuffisance pièces justificatives", AGENT, "Il manque des pièces à l'appui du mandat.", JOIN),
    (
        "03",
        "Insuffisance de crédits budgétaires",
        ORDONNATEUR,
        "Les crédits ouverts au chapitre ou à l'article ne couvrent pas le mandat.",
        f"faire voter ou virer les crédits, les transmettre, puis {NEW_BORDEREAU}",
    ),
    (
        "04",
        "Liquidation erronée",
        AGENT,
        "Le montant mandaté n'est pas celui que les pièces justifient.",
        f"recalculer la somme due d'après les pièces, puis {NEW_BORDEREAU}",
    ),
    (
        "05",
        "Absence certification service fait et caractère exécutoire",
        ORDONNATEUR,
        "Rien n'atteste que le service est fait, ni que l'acte est exécutoire.",
        f"certifier le service fait, signer le bordereau, puis {NEW_BORDEREAU}",
    ),
    ("06", "Autre motif", AGENT, "Le motif est dans le commentaire.", "lire le commentaire, ou appeler la trésorerie"),
    (
        "07",
        "Double paiement",
        AGENT,
        "La même dette a déjà été payée, ou est déjà mandatée.",
        "rechercher le premier mandat ; ne mandater à nouveau que si la dette est une autre",
    ),
    (
        "09",
        "Domiciliation bancaire absente ou erronée",
        AGENT,
        "Le compte du créancier manque ou n'est pas bon.",
        f"demander son IBAN au créancier, corriger le tiers, puis {NEW_BORDEREAU}",
    ),
    (
        "10",
        "Récupération avance non effectuée",
        AGENT,
        "L'avance versée sur le marché devait être reprise sur ce paiement.",
        f"déduire la part d'avance à reprendre, puis {NEW_BORDEREAU}",
    ),
    (
        "11",
        "Incompétence du donneur d'ordre",
        ORDONNATEUR,
        "Le signataire n'avait pas pouvoir d'ordonner cette dépense.",
        "faire signer par qui en a le pouvoir, ou transmettre sa délégation au comptable",
    ),
    (
        "13",
        "Prescription et déchéance",
        ORDONNATEUR,
        "La dette est trop ancienne pour être payée.",
        "ne pas mandater à nouveau, ou prendre la décision qui relève le créancier de la prescription",
    ),
    (
        "16",
        "Mandant non établi au nom du véritable créancier",
        AGENT,
        "Le tiers du mandat n'est pas celui à qui la somme est due.",
        f"rétablir le bon créancier (cession, opposition, changement de nom), puis {NEW_BORDEREAU}",
    ),
    (
        "23",
        "Erreur d'imputation comptable et budgétaire",
        AGENT,
        "Le compte ou le chapitre ne convient pas à cette dépense.",
        f"corriger l'imputation, puis {NEW_BORDEREAU}",
    ),
    (
        "24",
        "Rejet technique",
        COMPTABLE,
        "La pièce n'a pas pu être traitée pour une raison technique.",
        "demander au comptable ce qui a échoué, et si la pièce doit être émise à nouveau",
    ),
)

_RECETTE = (
    (
        "01",
        "Absence caractère exécutoire",
        ORDONNATEUR,
        "Rien n'atteste que le titre est exécutoire.",
        f"signer le bordereau de titres, puis {NEW_BORDEREAU}",
    ),
    (
        "02",
        "Absence indication créance",
        AGENT,
        "Le titre ne dit pas de quelle créance il s'agit.",
        f"écrire l'objet et les bases de la créance, puis {NEW_BORDEREAU}",
    ),
    (
        "03",
        "Absence indication débiteur",
        AGENT,
        "Le titre ne permet pas d'identifier le débiteur.",
        f"compléter nom, adresse et identifiant du débiteur, puis {NEW_BORDEREAU}",
    ),
    (
        "04",
        "Iputation budgétaire erronée",
        AGENT,
        "Le compte ou le chapitre ne convient pas à cette recette.",
        f"corriger l'imputation, puis {NEW_BORDEREAU}",
    ),
    (
        "05",
        "Prescription",
        ORDONNATEUR,
        "La créance est trop ancienne pour être mise en recouvrement.",
        "ne pas émettre à nouveau ; décider de ce que devient la créance",
    ),
    ("06", "Autres", AGENT, "Le motif est dans le commentaire.", "lire le commentaire, ou appeler la trésorerie"),
    (
        "07",
        "Absence de référence à la pièce d'origine",
        AGENT,
        "La pièce en corrige une autre sans dire laquelle.",
        f"rattacher la pièce au titre d'origine (exercice, numéro, ligne), puis {NEW_BORDEREAU}",
    ),
    (
        "08",
        "Type de bordereau de titre inexistant",
        EDITEUR,
        "Le type du bordereau n'existe pas dans Hélios.",
        f"choisir un type de bordereau permis (TypBord), puis {NEW_BORDEREAU}",
    ),
    (
        "09",
        "Exercice Bordereau non ouvert",
        AGENT,
        "L'exercice du bordereau n'est pas ouvert dans Hélios.",
        "corriger l'exercice, ou attendre que le comptable l'ouvre, puis émettre à nouveau",
    ),
    (
        "10",
        "Bordereau sans date d'émission",
        AGENT,
        "La date d'émission du bordereau manque.",
        f"dater le bordereau, puis {NEW_BORDEREAU}",
    ),
    (
        "11",
        "Montant du bordereau incohérent",
        EDITEUR,
        "Le total du bordereau n'est pas la somme de ses titres.",
        f"recalculer les totaux, puis {NEW_BORDEREAU}",
    ),
    (
        "12",
        "Absence de signature sur bordereau",
        ORDONNATEUR,
        "Le bordereau n'est pas signé.",
        f"signer le bordereau, puis {NEW_BORDEREAU}",
    ),
    (
        "13",
        "Absence de TVA pour collectivités assujetties",
        AGENT,
        "Le budget est assujetti à la TVA et le titre n'en porte pas.",
        f"ajouter la TVA de chaque ligne, puis {NEW_BORDEREAU}",
    ),
    (
        "14",
        "Incompétence du donneur d'ordre",
        ORDONNATEUR,
        "Le signataire n'avait pas pouvoir d'émettre ce titre.",
        "faire signer par qui en a le pouvoir, ou transmettre sa délégation au comptable",
    ),
    ("15", "Insuffisance pièces justificatives", AGENT, "Il manque des pièces à l'appui du titre.", JOIN),
    ("16", "Absence ou invalidité des pièces justificatives", AGENT, "Le titre n'a aucune pièce valable.", JOIN),
    (
        "17",
        "Domiciliation bancaire absente ou erronée",
        AGENT,
        "Le compte du débiteur manque ou n'est pas bon.",
        f"demander son IBAN au débiteur, corriger le tiers, puis {NEW_BORDEREAU}",
    ),
    (
        "18",
        "Numéro de bordereau en doublon",
        AGENT,
        "Un autre bordereau a déjà ce numéro.",
        "vérifier que le bordereau n'est pas déjà pris en charge ; sinon l'émettre sous un autre numéro",
    ),
    (
        "19",
        "Complément information nécessaire",
        AGENT,
        "Le comptable attend une précision.",
        "donner au comptable ce qu'il demande",
    ),
    (
        "20",
        "Attente titre récapitulatif",
        AGENT,
        "Le titre qui récapitule ces recettes n'est pas arrivé.",
        "émettre le titre récapitulatif",
    ),
    (
        "21",
        "Titre incomplet",
        AGENT,
        "Il manque des données au titre.",
        f"compléter le titre avec le comptable, puis {NEW_BORDEREAU}",
    ),
    (
        "22",
        "Exercice rôle clôturé",
        AGENT,
        "L'exercice du rôle est clos.",
        "émettre le rôle sur l'exercice ouvert",
    ),
    (
        "23",
        "Numéro de rôle non unique",
        AGENT,
        "Un autre rôle a déjà ce numéro.",
        "donner au rôle un autre numéro, puis l'émettre à nouveau",
    ),
    (
        "24",
        "Exercice rôle initial clôturé",
        AGENT,
        "L'exercice du rôle que celui-ci corrige est clos.",
        "voir avec le comptable comment corriger un rôle d'un exercice clos",
    ),
    (
        "25",
        "Rôle initial inexistant",
        AGENT,
        "Le rôle que celui-ci corrige est introuvable.",
        "corriger la référence du rôle d'origine, puis émettre à nouveau",
    ),
    (
        "26",
        "Rôle initial non pris en compte",
        COMPTABLE,
        "Le rôle que celui-ci corrige n'est pas encore pris en charge.",
        "prendre en charge le rôle d'origine, ou dire ce qui l'empêche",
    ),
    (
        "27",
        "Date prélèvement incorrect",
        AGENT,
        "La date du prélèvement ne convient pas.",
        f"choisir une date de prélèvement à venir et permise, puis {NEW_BORDEREAU}",
    ),
    (
        "28",
        "Numéro article non unique",
        EDITEUR,
        "Deux articles du rôle ont le même numéro.",
        "numéroter une seule fois chaque article, puis émettre à nouveau",
    ),
    (
        "29",
        "Date ASP incorrecte",
        AGENT,
        "La date de l'avis des sommes à payer ne convient pas.",
        f"corriger cette date, puis {NEW_BORDEREAU}",
    ),
    (
        "30",
        "Code produit inconnu",
        AGENT,
        "Le code produit local n'est pas connu d'Hélios pour ce budget.",
        f"demander au comptable la liste des codes, corriger la ligne, puis {NEW_BORDEREAU}",
    ),
    (
        "31",
        "SIRET collectivité bénéficiaire inexistant",
        AGENT,
        "Hélios ne connaît pas la collectivité à qui la recette revient.",
        f"corriger le SIRET de la bénéficiaire, puis {NEW_BORDEREAU}",
    ),
    (
        "32",
        "Collectivité non assujettie à TVA",
        AGENT,
        "Le titre porte de la TVA et le budget n'y est pas assujetti.",
        f"ôter la TVA, ou faire corriger l'assujettissement dans Hélios, puis {NEW_BORDEREAU}",
    ),
    (
        "33",
        "Montant majorable",
        AGENT,
        "La majoration annoncée ne s'accorde pas avec le montant.",
        f"corriger la majoration ou le montant de la ligne, puis {NEW_BORDEREAU}",
    ),
    (
        "34",
        "Montant prélèvement",
        AGENT,
        "Le montant à prélever ne s'accorde pas avec le titre.",
        f"corriger le montant du prélèvement, puis {NEW_BORDEREAU}",
    ),
    (
        "35",
        "Domiciliation erronée",
        AGENT,
        "Le compte à débiter n'est pas bon.",
        f"corriger l'IBAN du débiteur, puis {NEW_BORDEREAU}",
    ),
    (
        "36",
        "Domiciliation inexistante",
        AGENT,
        "Le compte à débiter manque.",
        f"demander son IBAN au débiteur, puis {NEW_BORDEREAU}",
    ),
    (
        "37",
        "Rapprochement rôle impossible",
        COMPTABLE,
        "Hélios ne sait pas rapprocher ce rôle de ses articles.",
        "dire à l'ordonnateur quelle référence ne convient pas",
    ),
    (
        "38",
        "Forçage accordé par ordonnateur",
        COMPTABLE,
        "L'ordonnateur a accepté que la pièce soit prise malgré l'anomalie.",
        "achever la prise en charge ; la collectivité n'a rien à faire",
    ),
    (
        "39",
        "Accord pour forçage du responsable du poste comptable",
        COMPTABLE,
        "Le responsable du poste a accepté que la pièce soit prise malgré l'anomalie.",
        "achever la prise en charge ; la collectivité n'a rien à faire",
    ),
    (
        "40",
        "Accord pour forçage par ordonnateur à venir",
        ORDONNATEUR,
        "Le comptable attend l'accord de l'ordonnateur pour prendre la pièce malgré l'anomalie.",
        "donner ou refuser cet accord au comptable",
    ),
)

OBSERVATIONS: Mapping[tuple[Side, str], Observation] = {
    (side, code): Observation(code, label, Remedy(cause, who, remedy))
    for side, rows in ((Side.DEPENSE, _DEPENSE), (Side.RECETTE, _RECETTE))
    for code, label, who, cause, remedy in rows
}

_CODED = re.compile(r"([0-9]{2})(?:\s*[-–:.]?\s+(.*))?", re.ASCII | re.DOTALL)


def find_observation(side: Side, text: str) -> Observation | None:
    """The observation that a free text is: a code alone, the official label, or both; None of anything else."""
    words = text.strip()
    match = _CODED.fullmatch(words)
    if match is not None:
        found = OBSERVATIONS.get((side, match[1]))
        if found is not None and (match[2] is None or _same(match[2], found.label)):
            return found
    return next((one for (of, _), one in OBSERVATIONS.items() if of is side and _same(words, one.label)), None)


def _same(text: str, label: str) -> bool:
    return text.strip().rstrip(".").casefold() == label.casefold()
