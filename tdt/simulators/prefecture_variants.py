"""The ways in which what the ministry mails departs from its own rules, seen in the field, and when it mails at all."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from lxml import etree

from tdt.simulators.prefecture_grammar import ACTES

MAIL_SHAPES = ("plain", "logo", "nested")
ENCODINGS = ("latin-1", "utf-8 as latin-1")
HOLDS = ("never", "closed days", "always")
DEFAULTS: dict[str, Any] = {
    "mail_shape": "plain",
    "encoding": "latin-1",
    "echo_papier": True,
    "serial_offset": 0,
    "hold": "never",
}
OPENING = time(8, 0)
MULTI_CANAL = (
    "Notre service de contrôle de légalité a identifié qu'il s'agit d'un acte dont la transmission est effectuée en "
    "multi canal."
)
JUNK = b"From: prix@gagnants.test\r\nSubject: Vous avez gagn\xe9\r\n\r\nCliquez ici.\r\n"
FAR = 10 * 365 * 86400.0
"""Seconds after which a mail that is held leaves by itself: never, for a sandbox."""


def as_sent(data: bytes, behaviour: Mapping[str, Any]) -> bytes:
    """An XML of ours as the behaviour wants its bytes: under the same declaration, of another encoding."""
    return data if behaviour["encoding"] == "latin-1" else data.decode("iso-8859-1").encode("utf-8")


def as_echoed(acte: etree._Element, behaviour: Mapping[str, Any]) -> etree._Element:
    """The act as the answer repeats it: also without its DocumentPapier, as before 2017."""
    if not behaviour["echo_papier"]:
        for papier in acte.findall(f"{{{ACTES}}}DocumentPapier"):
            acte.remove(papier)
    return acte


def leaving_at(now: datetime, delay: float, hold: str) -> float:
    """When a mail leaves (seconds of the epoch): after its delay, at the next opening, or when it is released."""
    if hold == "always":
        return now.timestamp() + FAR
    at = now + timedelta(seconds=delay)
    if hold == "closed days" and not _is_working(at.date()):
        day = at.date()
        while not _is_working(day):
            day += timedelta(days=1)
        at = datetime.combine(day, OPENING, now.tzinfo)
    return at.timestamp()


def _is_working(day: date) -> bool:
    """Monday to Friday; the simulator knows no public holiday."""
    return day.weekday() < 5
