"""The French texts of the notices: what ends, when, for whom, what to do, and who must act."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.domain.calendar import paris_date
from tdt.domain.expiry import Ending, Kind, Party

MONTHS = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
)
SHOWN = 30
"""Parties named in one notice."""
TITLE_LENGTH = 200
WIDTH = 76

TITLES = {
    Kind.ACCOUNT: "Certificat à renouveler",
    Kind.SERVER: "Certificat du serveur à renouveler",
    Kind.SIGNING: "Certificat de signature de la plateforme à renouveler",
    Kind.STATE: "Certificat de liaison avec l'État à renouveler",
    Kind.AUTHORITY: "Autorité de certification à remplacer",
    Kind.CRL: "Liste de révocation à mettre à jour",
    Kind.CONVENTION: "Convention de télétransmission à prolonger",
}

WHAT = {
    Kind.ACCOUNT: "Le certificat électronique suivant arrive à expiration :",
    Kind.SERVER: "Un certificat du serveur de télétransmission arrive à expiration :",
    Kind.SIGNING: "Un certificat avec lequel la plateforme signe arrive à expiration :",
    Kind.STATE: "Un certificat des liaisons avec l'État arrive à expiration :",
    Kind.AUTHORITY: "Le certificat d'une autorité acceptée par le serveur arrive à expiration :",
    Kind.CRL: "Une liste de révocation arrive au terme de sa validité :",
    Kind.CONVENTION: "Une convention de télétransmission arrive à son terme :",
}

EFFECTS = {
    Kind.ACCOUNT: "Passé cette date, ce certificat ne permettra plus de se connecter : ni dépôt ni consultation.",
    Kind.SERVER: "Passé cette date, plus aucun logiciel ni navigateur n'acceptera de se connecter au serveur.",
    Kind.SIGNING: "Passé cette date, ce que la plateforme signe (les soldes du jour) ne sera plus reçu pour valable.",
    Kind.STATE: "Passé cette date, les échanges avec l'État par cette liaison s'arrêteront ; les flux attendront.",
    Kind.AUTHORITY: "Passé cette date, les certificats délivrés par cette autorité seront refusés.",
    Kind.CRL: (
        "Passé cette date, une révocation récente peut rester inconnue ; si une liste en cours de validité est exigée, "
        "les certificats de cette autorité seront refusés."
    ),
    Kind.CONVENTION: "Passé cette date, les transmissions de ce module ne seront plus couvertes par cette convention.",
}

REMEDIES = {
    Kind.ACCOUNT: (
        "Le titulaire commande dès maintenant un nouveau certificat, de même niveau, à son prestataire de "
        "certification (comptez plusieurs semaines). L'administrateur de la collectivité, ou l'exploitant de la "
        "plateforme, l'enregistre ensuite sur chaque compte concerné, avant cette date."
    ),
    Kind.SERVER: (
        "L'exploitant remplace le fichier par le nouveau certificat et sa chaîne (et la clé si elle change) ; "
        "la commande « tdt certificates » montre ensuite la nouvelle date."
    ),
    Kind.SIGNING: (
        "L'exploitant fait renouveler le certificat et remplace les fichiers de la section [signing] ; ils sont relus "
        "à chaque usage."
    ),
    Kind.STATE: (
        "L'exploitant obtient le nouveau certificat auprès du service de l'État concerné, ou de son prestataire, et "
        "remplace le fichier ; il est relu à chaque échange."
    ),
    Kind.AUTHORITY: (
        "L'exploitant ajoute le nouveau certificat de l'autorité à côté de l'ancien, puis vérifie auprès des "
        "collectivités concernées que leurs certificats en dépendent bien."
    ),
    Kind.CRL: (
        "L'exploitant vérifie que la liste est bien récupérée à l'adresse de publication de l'autorité ; si celle-ci "
        "ne publie plus, il la contacte."
    ),
    Kind.CONVENTION: (
        "La collectivité signe un avenant ou une nouvelle convention avec le représentant de l'État ou le comptable "
        "public ; l'administrateur ou l'exploitant l'enregistre avant cette date."
    ),
}


@dataclass(frozen=True, slots=True)
class Text:
    """What is mailed; `title` is one line."""

    title: str
    body: str


def write_notice(ending: Ending, parties: Sequence[Party], now: datetime, platform: str) -> Text:
    """The notice about what ends for these parties; `platform` is the public address of the server."""
    if ending.ends_on is None:
        raise ValueError("an end that is unknown is not announced")
    left = _days_left((ending.ends_on - paris_date(now)).days)
    lines = ["Bonjour,", "", WHAT[ending.kind], "", f"    {one_line(ending.name)}"]
    lines += [f"    fin : {long_date(ending.ends_on)} ({left})"]
    if ending.where and not parties:
        lines.append(f"    fichier : {one_line(ending.where)}")
    if parties:
        lines += ["", "Comptes concernés :" if ending.kind is Kind.ACCOUNT else "Collectivité concernée :", ""]
        lines += [f"    - {one_line(party.label)}" for party in parties[:SHOWN]]
        if len(parties) > SHOWN:
            lines.append(f"    - et {len(parties) - SHOWN} autres")
    for paragraph in (EFFECTS[ending.kind], f"Que faire, et qui : {REMEDIES[ending.kind]}"):
        lines += ["", *textwrap.wrap(paragraph, WIDTH)]
    lines += ["", "-- ", f"Message automatique de la plateforme de télétransmission {platform}", ""]
    title = f"{TITLES[ending.kind]} {_when(ending, now)} : {_whose(ending, parties)}"
    return Text(one_line(title)[:TITLE_LENGTH], "\n".join(lines))


def _whose(ending: Ending, parties: Sequence[Party]) -> str:
    if ending.kind is not Kind.ACCOUNT or not parties:
        return f"{parties[0].label}, {ending.name}" if parties else ending.name
    more = f" et {len(parties) - 1} autre{'s' if len(parties) > 2 else ''}" if len(parties) > 1 else ""
    return parties[0].label + more


def _when(ending: Ending, now: datetime) -> str:
    day = long_date(ending.ends_on) if ending.ends_on is not None else ""
    over = ending.ends_at is not None and ending.ends_at < now
    return f"(date dépassée : {day})" if over else f"avant le {day}"


def _days_left(days: int) -> str:
    if days < 0:
        return "date dépassée"
    if days == 0:
        return "aujourd'hui"
    return f"dans {days} jour{'s' if days > 1 else ''}"


def long_date(day: date) -> str:
    """`1er mars 2027`."""
    return f"{'1er' if day.day == 1 else day.day} {MONTHS[day.month - 1]} {day.year}"


def one_line(text: str) -> str:
    """Names come from certificates and forms: no line break nor control character goes on."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
