"""The refusals of a PES, explained: code, words of the workflow, cause, who must act, remedy."""

from collections.abc import Sequence

from tdt.domain.explanation import COLLECTIVITE, EXPLOITANT

AGAIN = "puis déposer le flux à nouveau"
EDITEUR = "si le logiciel ne le permet pas, en parler à son éditeur"

OURS: Sequence[tuple[str, str, str, str, str]] = (
    # code, words that the text begins with, "Transaction N : " left out (a regular expression), cause …
    (
        "PES_INTROUVABLE",
        r"fichier non trouvé en local ou sur le cloud|le fichier est introuvable",
        "Le fichier déposé n'est plus dans le stockage de la plate-forme.",
        EXPLOITANT,
        "restaurer le stockage ; la collectivité peut sinon déposer le flux à nouveau",
    ),
    (
        "PES_VIRUS",
        r"un virus a été detecté dans le fichier PES",
        "L'antivirus a trouvé un virus dans le flux, le plus souvent dans une pièce jointe : rien n'a été transmis.",
        COLLECTIVITE,
        f"nettoyer le poste d'où vient la pièce, la remplacer par une pièce saine, {AGAIN}",
    ),
    (
        "PES_ENCODAGE",
        r"ce fichier n'est pas encodé en ISO-8859-1",
        "La DGFiP ne prend que des flux en ISO-8859-1, déclarés ainsi dès la première ligne.",
        COLLECTIVITE,
        f"produire le flux en ISO-8859-1 sans le modifier ensuite dans un éditeur de texte, {AGAIN} ; {EDITEUR}",
    ),
    (
        "PES_ILLISIBLE",
        r"ce fichier n'est pas en XML",
        "Le flux est incomplet ou abîmé, ou ce n'est pas un fichier XML.",
        COLLECTIVITE,
        f"l'exporter à nouveau depuis le logiciel financier, {AGAIN}",
    ),
    (
        "PES_SANS_DOMAINE",
        r"ce fichier ne contient ni bordereau, ni PJ, ni marché",
        "Le flux est vide : la DGFiP n'y répondrait jamais.",
        COLLECTIVITE,
        f"y mettre les bordereaux ou les pièces attendus, {AGAIN}",
    ),
    (
        "PES_SANS_NOMFIC",
        r"La balise Enveloppe/Parametre/NomFic n'est pas présente ou est vide",
        "Le flux n'a pas de nom (NomFic) : son acquit ne pourrait pas être rapproché de lui.",
        COLLECTIVITE,
        f"donner un NomFic au flux, {AGAIN} ; {EDITEUR}",
    ),
    (
        "PES_CODCOL",
        r"Le CodCol est trop long",
        "Le code de la collectivité (CodCol) a plus de trois chiffres.",
        COLLECTIVITE,
        f"corriger le CodCol dans le logiciel financier (la trésorerie le connaît), {AGAIN}",
    ),
    (
        "PES_IDCOLL",
        r"La balise IdCol est trop longue",
        "L'identifiant de la collectivité (IdColl) a plus de quatorze chiffres : ce n'est pas un SIRET.",
        COLLECTIVITE,
        f"mettre le SIRET du budget dans IdColl, {AGAIN}",
    ),
    (
        "PES_METADONNEES",
        r"problème d'enregistrement du PES Aller en base de données",
        "Le NomFic a plus de 255 caractères, le CodBud plus de 2, ou l'IdPost plus de 7.",
        COLLECTIVITE,
        f"corriger l'en-tête du flux, {AGAIN}",
    ),
    (
        "PES_ALTERE",
        r"Le fichier a été modifé depuis son postage|le fichier a été altéré depuis son postage",
        "Le fichier gardé par la plate-forme n'est plus celui qui a été déposé : rien n'a été transmis.",
        EXPLOITANT,
        "examiner le stockage, le restaurer et remettre le flux en file ; sinon la collectivité le dépose à nouveau",
    ),
    (
        "PES_SIGNATAIRE",
        r"La signature du fichier est invalide : .*le certificat du signataire n'est pas accepté : ",
        "Le flux n'a pas été modifié, mais le certificat de qui l'a signé ne valait pas à la date de la signature : "
        "fini, révoqué, ou d'une autorité que la plate-forme n'accepte pas. La fin du message dit lequel.",
        COLLECTIVITE,
        f"faire signer le flux avec un certificat RGS en cours de validité, {AGAIN} ; si l'autorité manque, "
        "l'exploitant peut l'ajouter ([helios] signature_authorities)",
    ),
    (
        "CONTROLE_IMPOSSIBLE",
        r"La signature du fichier est invalide : le fichier n'a pas pu être contrôlé",
        "La vérification des signatures demande plus de mémoire ou de temps que la plate-forme n'en donne à un flux.",
        EXPLOITANT,
        "augmenter [documents] memory_bytes ou seconds, puis remettre le flux à l'état posté (tdt admin helios repost) "
        "; la collectivité peut aussi répartir ses bordereaux sur plusieurs flux",
    ),
    (
        "PES_SIGNATURE",
        r"La signature du fichier est invalide",
        "Une signature du flux n'est pas valide ; la fin du message dit pourquoi.",
        COLLECTIVITE,
        "faire signer le flux définitif, sans plus le modifier ensuite, avec un certificat en cours de validité d'une "
        f"autorité reconnue, {AGAIN}",
    ),
    (
        "PES_NOMFIC_CONNU",
        r"ce fichier existe déjà sur la plateforme",
        "Un autre flux porte déjà ce NomFic pour ce CodCol : les acquits des deux ne se distingueraient pas.",
        COLLECTIVITE,
        f"vérifier si ce flux n'a pas déjà été transmis ; sinon lui donner un autre NomFic, {AGAIN} ; {EDITEUR}",
    ),
    (
        "PES_ENTETE",
        r"La balise EnTetePES",
        "L'en-tête du flux est incomplet (CodCol, IdPost ou CodBud) : la DGFiP ne saurait pas à quelle trésorerie "
        "le donner.",
        COLLECTIVITE,
        f"compléter le paramétrage du logiciel financier (la trésorerie connaît ces codes), {AGAIN}",
    ),
    (
        "HELIOS_P_DEST",
        r"les propriétés Helios FTP ne sont pas configurées correctement",
        "Le serveur de la DGFiP qui héberge la trésorerie (P_DEST) n'est pas renseigné pour la collectivité.",
        EXPLOITANT,
        "demander le P_DEST à la trésorerie, l'enregistrer sur la fiche de la collectivité, puis remettre le flux à "
        "l'état posté (tdt admin helios repost)",
    ),
    (
        "PES_AIGUILLAGE",
        r"la transaction a été aiguillée sur la mauvaise file passtrans",
        "Le flux avait été confié à une liaison avec la DGFiP qui n'est pas celle de la collectivité.",
        EXPLOITANT,
        "vérifier la route de la collectivité, puis remettre le flux à l'état posté (tdt admin helios repost)",
    ),
    (
        "PES_ACQUIT_INVALIDE",
        r"erreur retournée par Helios",
        "La DGFiP a répondu par un acquit qui ne respecte pas son schéma : en général, elle a rejeté tout le flux.",
        COLLECTIVITE,
        f"lire la raison dans l'acquit, corriger le flux, {AGAIN} ; l'exploitant aide à lire l'acquit",
    ),
    (
        "MANUEL",
        r"Transaction passée manuellement en erreur",
        "L'exploitant de la plate-forme a abandonné ce flux ; la fin du message dit pourquoi. Un acquit qui viendrait "
        "encore serait pris.",
        EXPLOITANT,
        "dire à la collectivité si elle doit déposer à nouveau, ou remettre le flux à l'état posté",
    ),
    (
        "PES_ABANDONNE",
        r"Abandonné avant sa télétransmission par ",
        "Le flux a été abandonné avant d'être signé ou télétransmis ; la fin du message dit par qui.",
        COLLECTIVITE,
        "rien à faire, ou déposer le flux corrigé : le même fichier ne se dépose pas deux fois",
    ),
    (
        "COLLECTIVITE_FERMEE",
        r"Refusé : la collectivité a fermé le ",
        "La collectivité a quitté cette plate-forme avant que le flux soit signé ou télétransmis.",
        COLLECTIVITE,
        "déposer le flux sur sa nouvelle plate-forme",
    ),
)
