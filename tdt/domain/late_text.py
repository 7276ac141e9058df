"""The French texts of the alerts of lateness: what is late, since when, why, who must act, what to do."""

import textwrap
from collections.abc import Sequence
from datetime import datetime

from tdt.domain.calendar import PARIS
from tdt.domain.limits import RULES, Item, Late
from tdt.domain.notice_text import TITLE_LENGTH, WIDTH, Text, one_line

SHOWN = 100
"""Named in one mail; `tdt status` shows what is open."""


def write_late(kind: Late, items: Sequence[tuple[Item, str]], platform: str) -> Text:
    """The mail about what is late for one rule; each item with why."""
    rule = RULES[kind]
    many = sum(item.count for item, _ in items)
    title = rule.what if many == 1 else f"{rule.what} ({many})"
    lines = ["Bonjour,", "", f"{rule.what} :", ""]
    lines += [f"    - {_line(item, reason)}" for item, reason in items[:SHOWN]]
    if len(items) > SHOWN:
        lines.append(f"    - et {sum(item.count for item, _ in items[SHOWN:])} autres")
    said = [f"À faire par : {rule.who}.", *textwrap.wrap(f"Que faire : {rule.todo}", WIDTH)]
    end = ["", *said, "", "-- ", f"Message automatique de la plateforme de télétransmission {platform}"]
    return Text(one_line(title)[:TITLE_LENGTH], "\n".join([*lines, *end, ""]))


def _line(item: Item, reason: str) -> str:
    parts = [item.subject if item.count == 1 else f"{item.subject} ({item.count})"]
    parts += [text for text in (item.name, item.authority) if text]
    parts += [f"depuis le {_at(item.since)}"]
    if item.route:
        parts.append(f"route {item.route}")
    return one_line(", ".join([*parts, reason]))


def _at(at: datetime) -> str:
    return f"{at.astimezone(PARIS):%d/%m/%Y %H:%M}"
