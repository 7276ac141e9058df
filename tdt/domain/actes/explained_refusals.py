"""Our own refusals of an act, explained: code, words of the workflow, cause, who must act, remedy."""

from collections.abc import Sequence

from tdt.domain.explanation import COLLECTIVITE, EXPLOITANT

AGAIN = "déposer à nouveau l'acte, sous un autre numéro si la plate-forme refuse le premier"

SEAL = "sceller le budget dans TotEM, déposer le fichier scellé sans le modifier"
OURS: Sequence[tuple[str, str, str, str, str]] = (
    # code, words that the workflow's text begins with, "Enveloppe invalide : " left out (a regular expression), cause …
    (
        "VIRUS",
        r"Virus détecté : ",
        "L'antivirus a trouvé un virus dans un fichier : rien n'a été transmis.",
        COLLECTIVITE,
        "nettoyer le poste d'où vient le fichier, déposer un fichier sain, sous un autre numéro",
    ),
    (
        "ACTE_ALTERE",
        r"(?:Le fichier .*|L'archive de l'acte) a été altérée? depuis",
        "Les octets gardés par la plate-forme ne sont plus ceux qu'elle a reçus ou préparés : rien n'a été transmis.",
        EXPLOITANT,
        f"examiner le stockage, le restaurer et remettre l'acte en file ; sinon la collectivité peut {AGAIN}",
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
        "ENVELOPPE_COMMUNE",
        r"la transaction [0-9]+ de la même enveloppe est refusée",
        "Une autre transaction de la même enveloppe est refusée : rien de l'enveloppe n'est transmis.",
        COLLECTIVITE,
        "corriger la transaction refusée, puis envoyer l'enveloppe à nouveau",
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
