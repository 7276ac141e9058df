"""The fields of S2LOW's administration forms: what it demands of each, and its words when one does not comply."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tdt.domain.text import is_email

INTEGER = re.compile(r"[-+]?[0-9]+")


class Kind(StrEnum):
    """What a value must be when it is there."""

    TEXT = "text"
    INTEGER = "integer"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a form, under the label that the messages give it. `length`: at most so many characters."""

    label: str
    value: str
    mandatory: bool = False
    length: int | None = None
    kind: Kind = Kind.TEXT


def check_fields(fields: Iterable[Field]) -> str:
    """What is wrong, a line each, in the order of the fields; empty when all is well."""
    return "".join(line for one in fields for line in _faults(one))


def _faults(one: Field) -> Iterable[str]:
    if one.mandatory and not one.value:
        yield f"{one.label} doit être présent.\n"
    if one.value in ("", "0"):  # PHP takes 0 for empty: S2LOW checks nothing of it
        return
    if one.kind is Kind.INTEGER and INTEGER.fullmatch(one.value) is None:
        yield f"{one.label} doit être un entier.\n"
    if one.kind is Kind.EMAIL and not is_email(one.value):
        yield f"{one.label} doit être une adresse électronique valide.\n"
    if one.length is not None and len(one.value) > one.length:
        yield f"Le champ {one.label} est trop long ({one.length} caractères maxi autorisés).\n"


def break_lines(text: str) -> str:
    """PHP's nl2br, which S2LOW applies to these messages even in its JSON."""
    return text.replace("\n", "<br />\n")
