"""The expected rights, read from tests/data/rights: rules by endpoint, ways to call it, the words of its answers.

A new route needs its lines in requests.tsv and rules.tsv; the tests that use them then cross it by themselves.
"""

import csv
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tdt.domain.authorities import Module, Permission, Role
from tdt.domain.text import to_ascii_xml

DIRECTORY = Path(__file__).parent / "data/rights"
RELATIONS = ("self", "colleague", "child", "parent", "house", "group", "foreign")
OUTCOMES = ("ok", "refused", "unknown")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
SITE = "https://tdt.example"


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of rules.tsv."""

    path: str
    role: frozenset[str]
    permission: frozenset[str]
    relation: frozenset[str]
    outcome: str
    reference: str


@dataclass(frozen=True, slots=True)
class Way:
    """A line of requests.tsv, or of crossings.tsv, which has no words."""

    path: str
    method: str
    fields: str
    object: str = "-"
    ok: str = "-"
    refused: str = "-"
    unknown: str = "-"

    @property
    def placeholders(self) -> list[str]:
        """What of a collectivité it names."""
        return PLACEHOLDER.findall(self.path + self.fields)


@dataclass(frozen=True, slots=True)
class Cell:
    """One question of the table: `module` is where the caller has its permission; elsewhere it has none."""

    path: str
    role: Role
    permission: Permission
    module: Module
    relation: str


def lines(name: str) -> list[dict[str, str]]:
    """The lines of a file, without its comments; \\n and \\r in a cell are these characters."""
    text = (DIRECTORY / name).read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(kept, delimiter="\t", quoting=csv.QUOTE_NONE))


def _wanted(cell: str, values: tuple[str, ...]) -> frozenset[str]:
    found = frozenset(values) if cell == "*" else frozenset(cell.split(","))
    assert found <= set(values), cell
    return found


def read_rules() -> dict[str, list[Rule]]:
    """The rules by path, in their order."""
    rules: dict[str, list[Rule]] = {}
    for line in lines("rules.tsv"):
        assert line["outcome"] in OUTCOMES
        assert "§" in line["reference"]
        rule = Rule(
            line["path"],
            _wanted(line["role"], tuple(Role)),
            _wanted(line["permission"], tuple(Permission)),
            _wanted(line["relation"], RELATIONS),
            line["outcome"],
            line["reference"],
        )
        rules.setdefault(rule.path, []).append(rule)
    return rules


def read_ways(name: str = "requests.tsv") -> list[Way]:
    """The ways to call the routes."""
    return [
        Way(**{key: value.replace("\\n", "\n").replace("\\r", "\r") for key, value in line.items()})
        for line in lines(name)
    ]


def module_of(path: str) -> Module | None:
    """The module of an endpoint, by its address; of what is in each of them, that of the one that there is."""
    if path == "/api/v1/balances/{balance}":
        return Module.ACTES
    found = re.match(r"/(?:modules/|api/v1/|)(actes|helios|mail)[/-]", path)
    return Module(found[1]) if found else None


def expected(rules: dict[str, list[Rule]], cell: Cell) -> str:
    """The outcome of a cell. A cell that no rule decides is a fault of the file."""
    wanted = module_of(cell.path)
    permission = cell.permission if wanted in (None, cell.module) else Permission.NONE
    for rule in rules[cell.path]:
        if cell.role in rule.role and permission in rule.permission and cell.relation in rule.relation:
            return rule.outcome
    raise AssertionError(f"no rule for {cell}")


def cells(paths: list[str]) -> Iterator[Cell]:
    """Every cell of these endpoints."""
    for values in itertools.product(paths, Role, Permission, Module, RELATIONS):
        yield Cell(*values)


def answer_bytes(words: str, number: int) -> list[tuple[int, bytes]]:
    """The exact answers that a cell of `refused` or `unknown` stands for: status, then body or Location."""
    return [_answer(one.strip(" "), number) for one in words.split("|")]


def _answer(words: str, number: int) -> tuple[int, bytes]:
    shape, _, text = words.partition(" ")
    latin1 = text.encode("latin-1")
    match shape:
        case "GOTO":
            return 302, f"{SITE}{text}".encode()
        case "REPLY":
            return 200, b"KO\n" + escape(text).replace("&#x27;", "&#039;").encode("latin-1") + b"\n"
        case "PRINTED":
            return 200, b"KO\n" + latin1
        case "JSON":
            body = json.dumps({"status": "error", "error-message": text}, separators=(",", ":"))
            return 200, body.encode("ascii")
        case "SYMFONY":
            body = json.dumps({"error": text}, separators=(",", ":")).replace("'", "\\u0027")
            return 400, body.encode("ascii")
        case "STATUS":
            head = b'<?xml version="1.0"?>\n<transaction >\n        <id>%d</id>' % number
            rest = b"<resultat>KO</resultat><message>%b</message><status></status></transaction>\n            "
            return 200, head + rest % to_ascii_xml(text)
        case "LISTE":
            message = to_ascii_xml(text)
            head = b'<?xml version="1.0"?>\n<liste>\n  <resultat>KO</resultat>\n'
            return 200, head + b"  <message>%b</message>\n</liste>\n" % message
        case "GET_RETOUR":
            return 200, _about_retour(b"get_retour", b"id", number, text)
        case "READ":
            return 200, _about_retour(b"transaction", b"idRetour", number, text)
    raise AssertionError(words)


def _about_retour(root: bytes, name: bytes, number: int, text: str) -> bytes:
    head = b'<?xml version="1.0"?>\n<%b>\n  <%b>%d</%b>\n' % (root, name, number, name)
    return head + b"  <resultat>KO</resultat>\n  <message>%b</message>\n</%b>\n" % (to_ascii_xml(text), root)
