"""An act in error, told to whoever must act: a stable code, the cause, who acts, the remedy. And what is waited for.

The workflow keeps the words of S2LOW and of the ministry, which clients show as they are; an agent understands
`Anomalie signalee par le MI : 002 - ODT-VERIF-01 …` only with what stands here.
"""

import re
from collections.abc import Mapping

from tdt.domain.actes.explained_refusals import AGAIN, OURS
from tdt.domain.actes.model import ActeStatus as S
from tdt.domain.actes.status import INVALID_ENVELOPE
from tdt.domain.explanation import (
    AGENT,
    ARCHIVISTE,
    COLLECTIVITE,
    EXPLOITANT,
    PLATE_FORME,
    PREFECTURE,
    SAE,
    Expected,
    Explanation,
)

_ACTE: Mapping[str, tuple[str, str, str]] = {
    "001": (
        "L'acte a déjà été transmis, ou son numéro ne va pas.",
        COLLECTIVITE,
        "vérifier si un acte de ce numéro a déjà reçu son accusé ; sinon, le déposer sous un autre numéro",
    ),
    "002": (
        "La classification des matières utilisée n'est plus à jour.",
        COLLECTIVITE,
        "attendre la nouvelle classification, demandée à la préfecture, puis renvoyer l'acte : il part avec elle, sous "
        "le même numéro",
    ),
    "003": (
        "La matière est incomplète ou inconnue de la préfecture, qui en veut peut-être un niveau plus précis.",
        COLLECTIVITE,
        f"choisir la matière la plus précise de la classification, puis {AGAIN}",
    ),
    "004": (
        "Un champ obligatoire manque (objet, date, nature, matière).",
        COLLECTIVITE,
        f"compléter les champs, puis {AGAIN}",
    ),
    "005": (
        "Un champ est refusé : le détail de la préfecture dit lequel.",
        COLLECTIVITE,
        f"corriger ce champ, puis {AGAIN}",
    ),
    "006": (
        "Il manque un fichier de l'acte ou de ses annexes.",
        EXPLOITANT,
        f"vérifier l'archive transmise ; la collectivité pourra ensuite {AGAIN}",
    ),
    "007": (
        "Un fichier est refusé : format, typologie ou fichier illisible.",
        COLLECTIVITE,
        f"corriger le fichier ou sa typologie, puis {AGAIN}",
    ),
    "999": (
        "La préfecture refuse l'acte pour une raison qu'elle dit dans son détail.",
        COLLECTIVITE,
        f"lire le détail, appeler la préfecture s'il ne suffit pas, puis {AGAIN}",
    ),
}
_ENVELOPPE: Mapping[str, tuple[str, str, str]] = {
    "001": (
        "Il manque un fichier dans l'enveloppe.",
        EXPLOITANT,
        f"vérifier l'archive transmise ; la collectivité pourra ensuite {AGAIN}",
    ),
    "002": (
        "Un fichier de l'enveloppe est refusé : format ou fichier illisible.",
        COLLECTIVITE,
        f"corriger le fichier, puis {AGAIN}",
    ),
    "003": (
        "La préfecture n'a pas pu lire l'enveloppe ou un de ses messages.",
        EXPLOITANT,
        "comparer l'archive transmise avec le schéma de l'État, corriger, faire déposer à nouveau",
    ),
    "004": (
        "Un champ de l'enveloppe manque : coordonnées ou identité de la collectivité.",
        EXPLOITANT,
        "compléter la fiche de la collectivité (référent, téléphone, adresse électronique), faire déposer à nouveau",
    ),
    "005": (
        "Un champ de l'enveloppe ne va pas : SIREN, nature, département ou arrondissement inconnus de la préfecture.",
        EXPLOITANT,
        "comparer la fiche de la collectivité avec ce que la préfecture a enregistré, faire déposer à nouveau",
    ),
    "100": (
        "La préfecture refuse l'enveloppe pour une raison qu'elle dit dans son détail.",
        EXPLOITANT,
        "lire le détail, appeler la préfecture s'il ne suffit pas",
    ),
}
_ENVELOPPE = {**_ENVELOPPE, "999": _ENVELOPPE["100"]}

_CHECKS: Mapping[str, tuple[str, str, str]] = {
    "ODT-VERIF-01": _ACTE["002"],
    "ODT-VERIF-17": (
        "La préfecture n'a pas reconnu le type du message envoyé, sans doute à cause du nom de son fichier.",
        EXPLOITANT,
        "vérifier le nom du fichier du message dans l'archive transmise, faire déposer à nouveau",
    ),
    "PREF-VERIF-02": (
        "Le SIREN de la collectivité n'est pas encore enregistré à la préfecture.",
        COLLECTIVITE,
        f"demander à la préfecture d'enregistrer la collectivité (convention de télétransmission), puis {AGAIN}",
    ),
}
"""What the ministry writes before the detail, more precise than its number."""

_ANOMALY = re.compile(r"Anomalie signalee par le [^:]+ : (?P<nature>\S*) - (?P<detail>.*)", re.DOTALL)
_ENVELOPE = re.compile(r"Enveloppe rejetée par le [^(]+ \((?P<nature>\S*) : (?P<detail>.*)", re.DOTALL)
_CHECK = re.compile(r"\b(?:ODT|PREF)-VERIF-[0-9]+\b")

_OUR_PATTERNS = [(re.compile(words), Explanation(code, *told)) for code, words, *told in OURS]
_CLOSED = re.compile(r"Refusé : la collectivité a fermé le ")

EXPECTED: Mapping[S, Expected] = {
    S.EN_ATTENTE_D_ETRE_POSTEE: Expected(AGENT, "confirmer la télétransmission"),
    S.EN_ATTENTE_D_ETRE_SIGNEE: Expected(AGENT, "signer l'acte"),
    S.POSTE: Expected(PLATE_FORME, "vérifier les fichiers"),
    S.EN_ATTENTE_DE_TRANSMISSION: Expected(PLATE_FORME, "transmettre à la préfecture"),
    S.TRANSMIS: Expected(PREFECTURE, "accuser réception, en général en quelques minutes les jours ouvrés"),
    S.DOCUMENT_RECU: Expected(PLATE_FORME, "accuser réception du courrier"),
    S.EN_ATTENTE_SAE: Expected(ARCHIVISTE, "venir chercher l'acte"),
    S.ENVOYE_AU_SAE: Expected(SAE, "accuser réception"),
}


def expected(status: S) -> Expected | None:
    """What is waited for in this status; None when nobody has to do anything."""
    return EXPECTED.get(status)


def explain(message: str) -> Explanation:
    """What the words of a workflow that ended at -1 mean."""
    for pattern, table, prefix in ((_ANOMALY, _ACTE, "ANOMALIE_ACTE"), (_ENVELOPE, _ENVELOPPE, "ANOMALIE_ENVELOPPE")):
        if (match := pattern.match(message)) is not None:
            return _anomaly(match, table, prefix)
    reason = message.removeprefix(INVALID_ENVELOPE)
    for words, explanation in _OUR_PATTERNS:
        if words.match(reason):
            return explanation
    if _CLOSED.match(message):
        return Explanation(
            "COLLECTIVITE_FERMEE",
            "La collectivité a quitté cette plate-forme avant que le dépôt soit confirmé.",
            COLLECTIVITE,
            "déposer l'acte sur sa nouvelle plate-forme",
        )
    if message.startswith(INVALID_ENVELOPE):
        return Explanation(
            "ENVELOPPE_INVALIDE",
            "Le message construit par la plate-forme est refusé par ses propres contrôles.",
            EXPLOITANT,
            "lire la raison, corriger la fiche de la collectivité ou signaler le défaut, puis faire déposer à nouveau",
        )
    return Explanation(
        "AUTRE", "Le message du cycle de vie dit la raison.", EXPLOITANT, "lire la raison, aider la collectivité"
    )


def _anomaly(match: re.Match[str], table: Mapping[str, tuple[str, str, str]], prefix: str) -> Explanation:
    check = _CHECK.search(match["detail"])
    if check is not None and check[0] in _CHECKS:
        return Explanation(check[0].replace("-", "_"), *_CHECKS[check[0]])
    nature = match["nature"].zfill(3)
    return Explanation(f"{prefix}_{nature}" if nature in table else prefix, *table.get(nature, table["999"]))
