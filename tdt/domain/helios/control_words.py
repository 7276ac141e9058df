"""The controls in words: what is refused with a fault, why, what was expected, what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from tdt.domain.helios.findings import Level

LEVELS: Mapping[str, Level] = {
    "PES_DepenseAller": "bordereau",
    "PES_RecetteAller": "bordereau",
    "PES_Facture": "facture",
    "PES_Marche": "marché",
    "PES_PJ": "PJ",
}
"""What is refused with a fault that says no more: the unit of the block where it stands."""


@dataclass(frozen=True, slots=True)
class Control:
    """`level` is None where it depends on the block."""

    level: Level | None
    message: str
    expected: str
    remedy: str


TIERS = "Corriger la fiche du tiers dans le logiciel, puis refaire le flux."
ACCOUNT = "Corriger les coordonnées bancaires du tiers dans le logiciel, puis refaire le flux."
EDITOR = "Signaler ce défaut à l'éditeur du logiciel, qui remplit cette balise."
PIECE = "Corriger la pièce dans le logiciel, puis refaire le bordereau."
ATTACHMENT = "Corriger la pièce jointe dans le logiciel, puis refaire le flux."

CONTROLS: Mapping[str, Control] = {
    # the whole flow
    "GUICHET_VERSION": Control(
        "flux", "La version de ce domaine (IdVer) vaut « {found} ».", "2", "Régler la version du PES du logiciel sur 2."
    ),
    "GUICHET_CODCOL_ZERO": Control(
        "flux",
        "Le code de la collectivité (CodCol) vaut 000.",
        "les trois chiffres du code dans Hélios",
        "Renseigner dans le logiciel le code collectivité que donne le comptable.",
    ),
    "GUICHET_SIGNATURE_ABSENTE": Control(
        "flux",
        "Les bordereaux sont dits dématérialisés (InfoDematerialisee = 1), mais aucun n'est signé.",
        "une signature de chaque bordereau, ou de tout le flux",
        "Signer le flux avant de l'envoyer, ou le refaire avec InfoDematerialisee à 0.",
    ),
    "GUICHET_SIGNATURE_EN_TROP": Control(
        "flux",
        "Un bordereau est signé, mais les bordereaux ne sont pas dits dématérialisés (InfoDematerialisee = 0).",
        "InfoDematerialisee à 1, ou pas de signature",
        "Régler le logiciel : dématérialisation des bordereaux, puis refaire le flux et le signer de nouveau.",
    ),
    "GUICHET_ID_DOUBLE": Control(
        "flux", "L'identifiant « {found} » (attribut Id) est porté par deux éléments.", "un identifiant unique", EDITOR
    ),
    "GUICHET_NBRPCE": Control("flux", "Le nombre de pièces (NbrPce) vaut « {found} ».", "1 ou plus", EDITOR),
    "GUICHET_MONTANT_BORDEREAU": Control(
        "flux", "Le montant du bordereau (MtBordHt) vaut « {found} ».", "un montant supérieur à 0,00", PIECE
    ),
    "GUICHET_IDPCE": Control("flux", "Le numéro du titre (IdPce) vaut « {found} ».", "un numéro supérieur à 0", PIECE),
    "GUICHET_PJREF": Control(
        "flux",
        "Une référence de pièce jointe (PJRef) n'a pas de {what}.",
        "Support et IdUnique",
        "Rattacher de nouveau la pièce jointe dans le logiciel ; si cela persiste, voir l'éditeur.",
    ),
    "GUICHET_COMPTE_MINUSCULES": Control(
        "flux", "{name} contient des minuscules : « {found} ».", "des majuscules", ACCOUNT
    ),
    "GUICHET_MODREGL": Control("flux", "Le mode de règlement (ModRegl) vaut « {found} ».", "01 à 11", PIECE),
    # a bordereau
    "GUICHET_BORDEREAU_DOUBLE": Control(
        "bordereau",
        "Le bordereau « {found} » est deux fois dans ce flux, pour le même exercice et le même type.",
        "un numéro par exercice et par type de bordereau",
        "Retirer le double, ou lui donner le numéro suivant.",
    ),
    "GUICHET_BORDEREAU_CONNU": Control(
        "bordereau",
        "Le bordereau « {found} » est déjà parti, pour le même exercice et le même type, dans le flux {what}.",
        "un numéro qui n'a pas servi",
        "Si c'est le même bordereau, ne pas le renvoyer ; sinon, lui donner le numéro suivant.",
    ),
    "GUICHET_TYPBORD": Control(
        "bordereau", "Le type de bordereau {found} ne vient que de la DGFiP.", "01, 02, 03 (06 pour un rôle)", PIECE
    ),
    "GUICHET_CUMUL": Control(
        "bordereau",
        "Le cumul annuel (MtCumulAnnuel) d'un bordereau dématérialisé est absent ou nul.",
        "un montant supérieur à 0,00",
        "Refaire le bordereau avec le cumul annuel ; s'il manque toujours, voir l'éditeur.",
    ),
    "GUICHET_TVA_SANS_LIGNE": Control(
        "bordereau",
        "Le bordereau a de la TVA ({found}), aucune de ses lignes n'en a.",
        "au moins une ligne dont MtTVA est supérieur à 0,00",
        PIECE,
    ),
    "GUICHET_TVA_SANS_BORDEREAU": Control(
        "bordereau",
        "Une ligne a de la TVA, le bordereau n'en a pas (MtBordTVA).",
        "MtBordTVA supérieur à 0,00",
        PIECE,
    ),
    "GUICHET_TVA_NULLE": Control(
        "bordereau", "La TVA du bordereau (MtBordTVA) vaut « {found} ».", "pas de balise, ou un montant", EDITOR
    ),
    "GUICHET_TYPPCE": Control(
        "bordereau", "Le type de pièce {found} ne vient que de la DGFiP.", "un type de pièce de l'ordonnateur", PIECE
    ),
    "GUICHET_IDROL": Control(
        "bordereau",
        "Un numéro de rôle (IdRol) est donné hors d'un titre récapitulatif avec rôle (01, 06, 01).",
        "pas de balise IdRol",
        PIECE,
    ),
    "GUICHET_MONTANT_NUL": Control(
        "bordereau", "Le montant de la ligne (MtHT) vaut « {found} ».", "un montant autre que 0,00", PIECE
    ),
    "GUICHET_MAJORATION": Control("bordereau", "{name} {what}.", "DteMajo et TxMajo avec Majo = 1 seulement", PIECE),
    "GUICHET_ICS": Control(
        "bordereau",
        "L'ancien identifiant de créancier (AncienICS) vaut « {found} ».",
        "6 chiffres, ou 13 caractères",
        "Corriger le mandat de prélèvement du tiers dans le logiciel.",
    ),
    "GUICHET_RATTACHEMENT": Control("bordereau", "Le rattachement à une pièce d'origine {what}.", "{wanted}", PIECE),
    "GUICHET_COMPTE_ABSENT": Control(
        "bordereau",
        "Le mode de règlement {found} (virement) demande un compte, le tiers n'en a pas.",
        "un bloc CpteBancaire",
        "Ajouter les coordonnées bancaires du tiers, ou changer le mode de règlement.",
    ),
    "GUICHET_COMPTE_EN_TROP": Control(
        "bordereau",
        "Le mode de règlement {found} ne veut pas de compte, le tiers en a un.",
        "pas de bloc CpteBancaire",
        "Retirer le compte de la ligne, ou changer le mode de règlement.",
    ),
    # where it depends on the block
    "GUICHET_IBAN": Control(None, "L'IBAN « {found} » est faux : sa clé ou sa longueur.", "un IBAN juste", ACCOUNT),
    "GUICHET_RIB": Control(
        None, "La clé du RIB ne correspond pas à la banque, au guichet et au compte.", "clé RIB", ACCOUNT
    ),
    "GUICHET_RIB_INCOMPLET": Control(
        None, "Le RIB est incomplet : il manque {what}.", "CodeEtab, CodeGuic, IdCpte et CleRib ensemble", ACCOUNT
    ),
    "GUICHET_IBAN_INCOMPLET": Control(
        None, "{what} est donné sans l'autre.", "IdPayInt et IdBancInt ensemble, ou aucun", ACCOUNT
    ),
    "GUICHET_BIC_ABSENT": Control(None, "Le compte « {found} » est à l'étranger et n'a pas de BIC.", "un BIC", ACCOUNT),
    "GUICHET_CODE_POSTAL": Control(
        None,
        "Le code postal vaut « {found} ».",
        "5 chiffres",
        "Corriger l'adresse du tiers ; à l'étranger : 99999, et le code étranger devant la ville.",
    ),
    "GUICHET_PAYS": Control(None, "{what}.", "CodPays si CodRes = 1 ; sinon rien, ou 100", TIERS),
    "GUICHET_CIVILITE": Control("bordereau", "{name} {what}.", "{wanted}", TIERS),
    "GUICHET_NAISSANCE": Control(
        "bordereau", "{name} est donné pour un tiers qui n'est pas une personne physique.", "CatTiers = 01", TIERS
    ),
    "GUICHET_TIERS_IDENTIFIANT": Control("bordereau", "L'identifiant du tiers « {found} » {what}.", "{wanted}", TIERS),
    # a PJ
    "GUICHET_PJ_VERSION": Control("PJ", "La version des PJ (IdVer) vaut « {found} ».", "1", EDITOR),
    "GUICHET_PJ_DOUBLE": Control(
        "PJ",
        "L'identifiant unique « {found} » est celui de deux PJ de ce flux.",
        "un identifiant par PJ, jamais repris",
        "Retirer le double, ou donner à la PJ un nouvel identifiant.",
    ),
    "GUICHET_PJ_NOM": Control(
        "PJ",
        "Le nom de la PJ (NomPJ) est « {found} ».",
        "un nom qui finit par une extension de 2 à 4 caractères",
        ATTACHMENT,
    ),
    "GUICHET_PJ_VIDE": Control("PJ", "Le fichier de la PJ est vide.", "un fichier", ATTACHMENT),
    "GUICHET_PJ_REFCOMPTA": Control("PJ", "La référence comptable (RefCompta) {what}.", "{wanted}", ATTACHMENT),
    # invoices
    "GUICHET_FACTURE_EMETTEUR": Control(
        "facture",
        "L'émetteur des avis des sommes à payer n'a pas de {name}.",
        "Adresse et Signataire",
        "Compléter la fiche de la collectivité émettrice dans le logiciel de facturation.",
    ),
    "GUICHET_FACTURE_INCOMPLETE": Control(
        "facture", "L'avis des sommes à payer n'a pas de {name}.", "RefTitre et TalonOptique2Lignes", EDITOR
    ),
    "GUICHET_FACTURE_TITRE_DOUBLE": Control(
        "facture",
        "Le titre {found} a deux factures dans ce flux.",
        "une facture par titre",
        "Retirer la facture en double.",
    ),
}
