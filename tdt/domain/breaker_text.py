"""The French text of the alert of a breaker: who does not answer, since when, what waits, what to do."""

import textwrap

from tdt.domain.breaker import Breaker, Remote
from tdt.domain.calendar import PARIS
from tdt.domain.notice_text import TITLE_LENGTH, WIDTH, Text, one_line

NAMES = {
    Remote.ACTES: "le ministère (actes)",
    Remote.HELIOS: "la DGFiP (Hélios)",
    Remote.RECEPTION: "la réception",
    Remote.ANTIVIRUS: "l'antivirus",
    Remote.MAIL: "le serveur de courrier",
}
OPEN = "Plus de liaison avec {}"
WAITS = (
    "Ce qui doit y aller attend et rien n'est perdu : un essai est fait de temps en temps, et tout part de soi-même "
    "dès qu'il aboutit."
)
TODO = (
    "Que faire : « tdt admin breakers list » dit où en est chaque liaison. Si rien n'est annoncé de l'autre côté, "
    "vérifier le réseau, le certificat et les réglages de la route ; une fois la cause levée, « tdt admin breakers "
    "close » évite d'attendre le prochain essai. Une fermeture annoncée s'inscrit avec « tdt admin maintenance add »."
)


def name_of(remote: Remote, route: str) -> str:
    """Who does not answer, by which route."""
    return f"{NAMES[remote]}, route {route}" if route else NAMES[remote]


def write_open(remote: Remote, route: str, breaker: Breaker, platform: str) -> Text:
    """The mail about a breaker that stays open."""
    since = f"{breaker.opened_at.astimezone(PARIS):%d/%m/%Y à %H:%M}" if breaker.opened_at is not None else ""
    title = OPEN.format(name_of(remote, route))
    said = "Ouvert par un exploitant." if breaker.forced else f"Dernier échec : {breaker.last_error}"
    parts = [f"{title} depuis le {since}.", said, WAITS, TODO]
    lines = ["Bonjour,", ""]
    for part in parts:
        lines += [*textwrap.wrap(part, WIDTH), ""]
    end = ["-- ", f"Message automatique de la plateforme de télétransmission {platform}", ""]
    return Text(one_line(title)[:TITLE_LENGTH], "\n".join([*lines, *end]))
