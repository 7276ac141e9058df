"""An act in error, told to whoever must act: a stable code, the cause, who acts, the remedy. And what is waited for.

The workflow keeps the words of S2LOW and of the ministry, which clients show as they are; an agent understands
`Anomalie signalee par le MI : 002 - ODT-VERIF-01 …` only with what stands here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tdt.domain.actes.model import ActeStatus as S

COLLECTIVITE = "la collectivité"
EXPLOITANT = "l'exploitant de la plate-forme"
PREFECTURE = "la préfecture"
PLATE_FORME = "la plate-forme"
AGENT = "un agent télétransmetteur"

AGAIN = "déposer à nouveau l'acte, sous un autre numéro si la plate-forme refuse le premier"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a transaction is in error, as an agent may read it."""

    code: str
    cause: str
    who: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a transaction waits for, and from whom."""

    who: str
    what: str


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

SEAL = "sceller le budget dans TotEM, déposer le fichier scellé sans le modifier"
_OURS: Sequence[tuple[str, str, str, str, str]] = (
    # code, words that the workflow's text begins with, "Enveloppe invalide : " left out (a regular expression), cause …
    (
        "VIRUS",
        r"Virus détecté : ",
        "L'antivirus a trouvé un virus dans un fichier : rien n'a été transmis.",
        COLLECTIVITE,
        "nettoyer le poste d'où vient le fichier, déposer un fichier sain, sous un autre numéro",
    ),
    (
        "CLASSIFICATION_INUTILISABLE",
        r"La classification reçue ne peut pas servir : ",
        "La classification envoyée par la préfecture est illisible ou incomplète : celle en vigueur est gardée.",
        COLLECTIVITE,
        "la redemander ; si cela dure, l'exploitant regarde le message reçu",
    ),
    (
        "SANS_REPONSE",
        r"Fermeture automatique de la transaction de plus de ",
        "Le ministère n'a pas répondu : nul ne sait s'il a reçu l'envoi. Un accusé qui viendrait encore serait pris.",
        EXPLOITANT,
        "vérifier la boîte aux lettres relevée, demander à la préfecture si elle a l'acte ; ne rien déposer avant",
    ),
    (
        "MANUEL",
        r"Transaction passée manuellement en erreur",
        "L'exploitant de la plate-forme a abandonné cet envoi.",
        EXPLOITANT,
        "dire à la collectivité pourquoi, et si elle doit déposer à nouveau",
    ),
    (
        "FORMAT",
        r"Le format .* du fichier .* n'est pas autorisé",
        "Un fichier n'est ni un PDF, ni une image JPEG ou PNG, ni un budget en XML.",
        COLLECTIVITE,
        f"convertir le fichier en PDF, puis {AGAIN}",
    ),
    (
        "TYPOLOGIE_ABSENTE",
        r"La typologie est absente sur le fichier",
        "La typologie d'un fichier manque.",
        COLLECTIVITE,
        f"donner une typologie à chaque fichier, puis {AGAIN}",
    ),
    (
        "TYPOLOGIE",
        r"La typologie .* n'est pas permise",
        "La typologie d'un fichier n'existe pas pour cette nature d'acte dans la classification de la collectivité.",
        COLLECTIVITE,
        f"mettre à jour la classification, choisir une typologie permise, puis {AGAIN}",
    ),
    (
        "PDF_PROTEGE",
        r"Le fichier .* est un PDF (?:protégé par un mot de passe|verrouillé)",
        "Un PDF est protégé : la préfecture ne pourrait ni le lire ni le garder.",
        COLLECTIVITE,
        f"l'enregistrer sans protection, puis {AGAIN}",
    ),
    (
        "PDF_ILLISIBLE",
        r"Le fichier .* est un PDF (?:endommagé|sans aucune page)",
        "Un PDF est endommagé, incomplet ou vide.",
        COLLECTIVITE,
        f"l'enregistrer à nouveau depuis son logiciel, vérifier qu'il s'ouvre, puis {AGAIN}",
    ),
    (
        "SIGNATAIRE",
        r"La signature .*le certificat du signataire n'est pas accepté",
        "Le certificat d'un signataire a pris fin, est révoqué, ou n'est pas d'une autorité acceptée ici.",
        COLLECTIVITE,
        f"faire signer avec un certificat RGS en cours de validité, puis {AGAIN} ; appeler l'exploitant s'il en est un",
    ),
    (
        "SIGNATURE",
        r"La signature .*n'est pas valide",
        "Une signature ne correspond pas au document : il a été modifié ou enregistré à nouveau après elle.",
        COLLECTIVITE,
        f"faire signer le document définitif sans plus l'enregistrer ensuite, puis {AGAIN}",
    ),
    (
        "CONTROLE_IMPOSSIBLE",
        r"Le fichier .* n'a pas pu être contrôlé",
        "Un fichier demande plus de mémoire ou de temps que la plate-forme n'en donne à un contrôle.",
        COLLECTIVITE,
        f"simplifier le fichier (le réimprimer en PDF), puis {AGAIN} ; si cela dure, appeler l'exploitant",
    ),
    (
        "TAILLE",
        r"La taille de l'archive est trop élevée",
        "L'acte et ses annexes sont trop gros pour @CTES.",
        COLLECTIVITE,
        f"alléger les fichiers (numérisation moins fine, moins d'annexes), puis {AGAIN}",
    ),
    (
        "BUDGET_ILLISIBLE",
        r"Le fichier .* n'est pas un document budgétaire lisible",
        "Le fichier XML n'est pas un budget, ou il est abîmé.",
        COLLECTIVITE,
        SEAL,
    ),
    (
        "BUDGET_NATURE",
        r"Seuls les budgets sont transmis au format XML",
        "Un acte en XML est un budget : nature 5, matière 7.1.",
        COLLECTIVITE,
        "déposer l'acte avec cette nature et cette matière, ou en PDF",
    ),
    (
        "BUDGET_NON_SCELLE",
        r"Le budget .* n'est pas scellé",
        "Le budget n'est pas scellé : l'application de la préfecture ne lit que des budgets scellés.",
        COLLECTIVITE,
        SEAL,
    ),
    (
        "BUDGET_ALTERE",
        r"Le budget .* a été modifié après son scellement",
        "Le budget a été modifié après son scellement.",
        COLLECTIVITE,
        SEAL,
    ),
    (
        "BUDGET_ETRANGER",
        r"Le budget .* est celui du SIREN",
        "Le budget est celui d'un autre établissement.",
        COLLECTIVITE,
        "vérifier le fichier choisi, ou déposer depuis le compte de cet établissement",
    ),
    (
        "BUDGET_DECISION",
        r"La nature de décision du budget .* est inconnue",
        "La nature de décision du budget est inconnue.",
        COLLECTIVITE,
        "la corriger dans le logiciel financier, puis sceller le budget à nouveau",
    ),
    (
        "BUDGET_EXERCICE",
        r"L'exercice du budget",
        "L'exercice du budget ne va pas avec la date de la décision.",
        COLLECTIVITE,
        "vérifier le fichier choisi et la date de l'acte",
    ),
    (
        "BUDGET_ANNEXES",
        r"Les pièces jointes doivent être au format PDF",
        "Les annexes d'un budget en XML sont des PDF.",
        COLLECTIVITE,
        "convertir les annexes en PDF, puis déposer l'acte à nouveau",
    ),
)
_INVALID = "Enveloppe invalide : "
_OUR_PATTERNS = [(re.compile(words), Explanation(code, *told)) for code, words, *told in _OURS]
_CLOSED = re.compile(r"Refusé : la collectivité a fermé le ")

EXPECTED: Mapping[S, Expected] = {
    S.EN_ATTENTE_D_ETRE_POSTEE: Expected(AGENT, "confirmer la télétransmission"),
    S.EN_ATTENTE_D_ETRE_SIGNEE: Expected(AGENT, "signer l'acte"),
    S.POSTE: Expected(PLATE_FORME, "vérifier les fichiers"),
    S.EN_ATTENTE_DE_TRANSMISSION: Expected(PLATE_FORME, "transmettre à la préfecture"),
    S.TRANSMIS: Expected(PREFECTURE, "accuser réception, en général en quelques minutes les jours ouvrés"),
    S.DOCUMENT_RECU: Expected(PLATE_FORME, "accuser réception du courrier"),
    S.EN_ATTENTE_SAE: Expected("le logiciel de l'archiviste", "venir chercher l'acte"),
    S.ENVOYE_AU_SAE: Expected("le système d'archivage", "accuser réception"),
}


def expected(status: S) -> Expected | None:
    """What is waited for in this status; None when nobody has to do anything."""
    return EXPECTED.get(status)


def explain(message: str) -> Explanation:
    """What the words of a workflow that ended at -1 mean."""
    for pattern, table, prefix in ((_ANOMALY, _ACTE, "ANOMALIE_ACTE"), (_ENVELOPE, _ENVELOPPE, "ANOMALIE_ENVELOPPE")):
        if (match := pattern.match(message)) is not None:
            return _anomaly(match, table, prefix)
    reason = message.removeprefix(_INVALID)
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
    if message.startswith(_INVALID):
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
