"""How old each state may become: for every status of an acte and of a PES, every job, file, mail and route.

What goes beyond is *late*: an operator is told which, why, who must act and what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tdt.domain import explanation as who
from tdt.domain.actes.model import ActeStatus as A
from tdt.domain.helios.model import HeliosStatus as H


class Late(StrEnum):
    """What is late."""

    ACTE_POSTED = "acte.posted"
    ACTE_WAITING = "acte.waiting"
    ACTE_HELD = "acte.held"
    ACTE_UNANSWERED = "acte.unanswered"
    ACTE_LETTER = "acte.letter"
    ACTE_AGENT = "acte.agent"
    ACTE_ARCHIVING = "acte.archiving"
    HELIOS_POSTED = "helios.posted"
    HELIOS_WAITING = "helios.waiting"
    HELIOS_ACQUIT = "helios.acquit"
    HELIOS_AGENT = "helios.agent"
    HELIOS_ARCHIVING = "helios.archiving"
    JOB_OVERDUE = "job.overdue"
    JOB_RUNNING = "job.running"
    JOB_RETRYING = "job.retrying"
    JOB_DEAD = "job.dead"
    SPOOL = "spool"
    UNCERTAIN = "uncertain"
    RECEIVED = "received"
    BOX = "box"
    NOTICES = "notices"
    ACTE_MAILS = "acte_mails"
    LISTENER = "listener"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an operator reads of a kind: what is late, who must act, what to do."""

    what: str
    who: str
    todo: str


FLOW_ACTES = "« tdt flow actes:NUMÉRO »"
FLOW_HELIOS = "« tdt flow helios:NUMÉRO »"

RULES: Mapping[Late, Rule] = {
    Late.ACTE_POSTED: Rule(
        "Acte posté dont les contrôles ne se terminent pas",
        who.EXPLOITANT,
        f"Lire la raison et {FLOW_ACTES} ; vérifier l'antivirus et les processus de travail.",
    ),
    Late.ACTE_WAITING: Rule(
        "Acte qui ne part pas vers la préfecture",
        who.EXPLOITANT,
        f"Lire la raison et {FLOW_ACTES} ; vérifier la route, sa fenêtre d'envoi et le serveur du ministère.",
    ),
    Late.ACTE_HELD: Rule(
        "Acte retenu depuis longtemps par sa convention ou par l'exploitant",
        "l'exploitant de la plate-forme et la collectivité",
        "Enregistrer ou prolonger la convention, lever la suspension (« tdt release »), ou passer l'acte en erreur.",
    ),
    Late.ACTE_UNANSWERED: Rule(
        "Acte transmis auquel le ministère n'a pas répondu",
        who.PREFECTURE,
        "Vérifier que la boîte de la route est relevée, puis demander au ministère. Rien n'est renvoyé tout seul.",
    ),
    Late.ACTE_LETTER: Rule(
        "Courrier de la préfecture dont l'accusé de réception n'est pas parti",
        who.EXPLOITANT,
        f"Lire la raison et {FLOW_ACTES} ; vérifier la route et le serveur du ministère.",
    ),
    Late.ACTE_AGENT: Rule(
        "Acte qui attend d'être signé ou confirmé par un agent",
        who.AGENT,
        "La collectivité le signe, le confirme ou l'abandonne.",
    ),
    Late.ACTE_ARCHIVING: Rule(
        "Acte dont l'archivage ne se termine pas",
        who.ARCHIVISTE,
        "Le logiciel de l'archiviste vient le prendre, ou dit ce qu'il en est ; vérifier qu'il est en service.",
    ),
    Late.HELIOS_POSTED: Rule(
        "PES posté dont les contrôles ne se terminent pas",
        who.EXPLOITANT,
        f"Lire la raison et {FLOW_HELIOS} ; vérifier l'antivirus et les processus de travail.",
    ),
    Late.HELIOS_WAITING: Rule(
        "PES qui ne part pas vers la DGFiP",
        who.EXPLOITANT,
        f"Lire la raison et {FLOW_HELIOS} ; vérifier la convention, la fenêtre d'envoi et la passerelle.",
    ),
    Late.HELIOS_ACQUIT: Rule(
        "PES transmis sans acquit",
        who.DGFIP,
        "Vérifier que la route reçoit, puis demander à la trésorerie. Rien n'est renvoyé tout seul.",
    ),
    Late.HELIOS_AGENT: Rule(
        "PES qui attend d'être signé ou télétransmis par un agent",
        who.AGENT,
        "La collectivité le signe, le télétransmet ou l'abandonne.",
    ),
    Late.HELIOS_ARCHIVING: Rule(
        "PES dont l'archivage ne se termine pas",
        who.ARCHIVISTE,
        "Le logiciel de l'archiviste vient le prendre, ou dit ce qu'il en est ; vérifier qu'il est en service.",
    ),
    Late.JOB_OVERDUE: Rule(
        "Travaux qui devraient être faits et que personne ne prend",
        who.EXPLOITANT,
        "Vérifier que des processus de travail tournent et suffisent (« systemctl status 'tdt*' », métriques).",
    ),
    Late.JOB_RUNNING: Rule(
        "Travail en cours depuis trop longtemps",
        who.EXPLOITANT,
        "Regarder le journal du processus qui l'a en main ; le redémarrer : un autre le reprendra.",
    ),
    Late.JOB_RETRYING: Rule(
        "Travail repris encore et encore sans aboutir",
        who.EXPLOITANT,
        "Lire la raison et le journal ; ôter la cause : il se fera de lui-même.",
    ),
    Late.JOB_DEAD: Rule(
        "Travail mis de côté",
        who.EXPLOITANT,
        "« tdt requeue » : en lire la raison, ôter la cause, le relancer. Un envoi incertain : « tdt release ».",
    ),
    Late.SPOOL: Rule(
        "Contenus qui restent dans le dépôt local sans être archivés",
        who.EXPLOITANT,
        "Vérifier les processus de travail et la place de la base : jusque-là le dépôt local en est la seule copie.",
    ),
    Late.UNCERTAIN: Rule(
        "Envoi incertain que rien n'a tranché",
        who.EXPLOITANT,
        "« tdt release » montre ce qui le tranche et quand ; il se décide aussi à la main.",
    ),
    Late.RECEIVED: Rule(
        "Courriel ou fichier de l'État reçu et pas encore lu",
        who.EXPLOITANT,
        "Lire la raison et le journal (« job.failed ») ; vérifier les processus de travail.",
    ),
    Late.BOX: Rule(
        "Courriel ou fichier de l'État qui attend dans la boîte de l'exploitant",
        who.EXPLOITANT,
        "« tdt box » : l'attribuer ou l'écarter.",
    ),
    Late.NOTICES: Rule(
        "Avis qui ne partent pas par courriel",
        who.EXPLOITANT,
        "Vérifier le serveur de courrier ([mail]) et le journal.",
    ),
    Late.ACTE_MAILS: Rule(
        "Courriels sur les actes qui ne partent pas",
        who.EXPLOITANT,
        "Vérifier le serveur de courrier ([mail]) et le journal.",
    ),
    Late.LISTENER: Rule(
        "Route dont la réception n'est plus relevée",
        who.EXPLOITANT,
        "Vérifier le serveur de la route, ses identifiants, les processus de travail (journal : route.listen_failed).",
    ),
}

ANSWERED = "L'État a répondu : la collectivité clôt ou archive quand elle veut, rien n'est attendu."
IN_ERROR = "Finie pour la collectivité : seul un geste, ou une réponse tardive de l'État, l'en fait sortir."
CLOSED = "Close : elle peut encore être archivée ou annulée, rien n'est attendu."
NOTHING_SENT = "Rien n'est attendu : la réponse de la collectivité a ses propres délais, que « tdt flow » montre."
UNUSED = "Aucun chemin n'y mène : l'état n'existe que dans la liste de S2LOW."
FINAL = "État final."

ACTES: Mapping[A, Late | str] = {
    A.ERREUR: IN_ERROR,
    A.ANNULE: FINAL,
    A.POSTE: Late.ACTE_POSTED,
    A.EN_ATTENTE_DE_TRANSMISSION: Late.ACTE_WAITING,
    A.TRANSMIS: Late.ACTE_UNANSWERED,
    A.ACQUITTEMENT_RECU: ANSWERED,
    A.VALIDE: CLOSED,
    A.REFUSE: CLOSED,
    A.DOCUMENT_RECU: Late.ACTE_LETTER,
    A.ACQUITTEMENT_ENVOYE: NOTHING_SENT,
    A.DOCUMENT_ENVOYE: FINAL,
    A.REFUS_D_ENVOI: FINAL,
    A.ACQUITTEMENT_DE_DOCUMENT_RECU: FINAL,
    A.ENVOYE_AU_SAE: Late.ACTE_ARCHIVING,
    A.ARCHIVE_PAR_LE_SAE: CLOSED,
    A.ERREUR_ARCHIVAGE: Late.ACTE_ARCHIVING,
    A.RECU_PAR_LE_SAE: FINAL,
    A.DETRUITE: FINAL,
    A.EN_ATTENTE_D_ETRE_POSTEE: Late.ACTE_AGENT,
    A.EN_ATTENTE_D_ETRE_SIGNEE: Late.ACTE_AGENT,
    A.EN_ATTENTE_SAE: Late.ACTE_ARCHIVING,
    A.ERREUR_ENVOI_SAE: Late.ACTE_ARCHIVING,
    A.DOCUMENT_RECU_SANS_AR: FINAL,
    A.SAE_IMPOSSIBLE: FINAL,
}
"""Of each status: what is late when it lasts, or why it may last for ever."""

HELIOS: Mapping[H, Late | str] = {
    H.ERREUR: IN_ERROR,
    H.ANNULE: FINAL,
    H.POSTE: Late.HELIOS_POSTED,
    H.EN_ATTENTE_DE_TRANSMISSION: Late.HELIOS_WAITING,
    H.TRANSMIS: Late.HELIOS_ACQUIT,
    H.ACQUITTEMENT_RECU: ANSWERED,
    H.VALIDE: FINAL,
    H.REFUSE: ANSWERED,
    H.EN_TRAITEMENT: UNUSED,
    H.INFORMATION_DISPONIBLE: ANSWERED,
    H.ENVOYE_AU_SAE: Late.HELIOS_ARCHIVING,
    H.ACCEPTE_PAR_LE_SAE: FINAL,
    H.REFUSE_PAR_LE_SAE: Late.HELIOS_ARCHIVING,
    H.EN_ATTENTE_D_ETRE_SIGNE: Late.HELIOS_AGENT,
    H.EN_ATTENTE_D_ETRE_TELETRANSMIS: Late.HELIOS_AGENT,
    H.EN_ATTENTE_SAE: Late.HELIOS_ARCHIVING,
    H.ERREUR_ENVOI_SAE: Late.HELIOS_ARCHIVING,
    H.A_DETRUIRE: UNUSED,
    H.DETRUITE: FINAL,
    H.DOCUMENTS_INDISPONIBLES: Late.HELIOS_ARCHIVING,
    H.TRANSMIS_SANS_ACQUITTEMENT: "Personne ne répond à un PES_ACQUIT_RETOUR : rien n'est attendu.",
}
"""The same."""

TOLD_ELSEWHERE = frozenset({Late.HELIOS_POSTED, Late.HELIOS_WAITING, Late.HELIOS_ACQUIT})
"""Told by the alerts of HELIOS (domain/helios/alerts), with their limits: counted here, told there."""

Ages = Mapping[Late, timedelta]
"""How long is too long; what is not there never is."""


def instants_before(ages: Ages, now: datetime) -> Mapping[Late, datetime]:
    """What is so since before this instant is late now."""
    return {kind: now - age for kind, age in ages.items()}


def late_at(kind: Late | str | None, since: datetime, ages: Ages) -> datetime | None:
    """When what is in a state since then becomes late; None when it never does."""
    age = ages.get(kind) if isinstance(kind, Late) else None
    return since + age if age is not None else None


@dataclass(frozen=True, slots=True)
class Item:
    """Something late. `subject`: `acte:12`, `job:7`, `route:3`; `error`: the last error of its work, None when it has
    no work; `count`: how many are told as one; `name`: what it is called, for people."""

    kind: Late
    subject: str
    since: datetime
    authority_id: int | None = None
    authority: str = ""
    name: str = ""
    count: int = 1
    error: str | None = ""
    route_id: int | None = None
    route: str = ""


CAUSES: Mapping[str, str] = {
    "CONVENTION_RETENUE": "retenu",
    "FENETRE_TRANSMISSION": "une fenêtre d'envoi de la route le fait attendre",
    "LIAISON_SUSPENDUE": "son distant ne répond pas : il part de lui-même ensuite (« tdt admin breakers list »)",
    "ENVOIS_SIMULTANES": "la route porte déjà autant d'envois à la fois qu'elle en admet",
    "ANTIVIRUS_INDISPONIBLE": "l'antivirus ne répond pas",
    "ANTIVIRUS_LIMITE": "l'antivirus ne lit pas un fichier de cette taille",
    "CERTIFICAT_INATTENDU": "le serveur de l'État a un autre certificat que celui attendu",
    "INDISPONIBLE": "un service nécessaire ne répond pas (le journal dit lequel : job.failed)",
    "INCERTAIN": "une tentative est incertaine : sa preuve, ou la fin de la fenêtre, est attendue",
    "ENVOI_INCERTAIN": "une tentative est incertaine : un exploitant doit décider",
    "REGLAGE": "un réglage est inutilisable",
}
"""What the code of an error means for whoever waits."""

NO_WORK = "aucun travail n'est plus prévu pour lui : « tdt release » le reprend"
NOT_TRIED = "pas encore essayé"
AWAITED = "la réponse est attendue, et la réception de la route est bien relevée"
DEAF = "la réception de la route « {} » n'est plus relevée : la réponse est peut-être déjà là"
PEOPLE = "une personne, ou son logiciel, doit agir"


UNSAID: Mapping[Late, str] = {
    Late.JOB_OVERDUE: "aucun processus de travail ne les prend",
    Late.JOB_RUNNING: "le processus qui l'a en main vit et ne le finit pas",
    Late.LISTENER: "aucun processus de travail ne la relève",
    Late.BOX: "rien ne dit à qui il est",
}
"""Why, where no error says it."""


def why(item: Item, deaf_routes: Mapping[int, str]) -> str:
    """In French, why it does not move on. `deaf_routes`: the names of those that nobody hears any more."""
    if item.kind in (Late.ACTE_UNANSWERED, Late.HELIOS_ACQUIT):
        deaf = deaf_routes.get(item.route_id) if item.route_id is not None else None
        return DEAF.format(deaf) if deaf is not None else AWAITED
    if item.kind in (Late.ACTE_AGENT, Late.HELIOS_AGENT, Late.ACTE_ARCHIVING, Late.HELIOS_ARCHIVING):
        return PEOPLE
    if item.error is None:
        return NO_WORK
    if item.kind in UNSAID and not item.error:
        return UNSAID[item.kind]
    code, colon, rest = item.error.partition(" : ")
    told = CAUSES.get(code)
    if told is None:
        return item.error or NOT_TRIED
    return f"{told} : {rest}" if colon and rest else f"{told} [{code}]"
