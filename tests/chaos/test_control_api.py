"""The campaign knows every key and value of the control API, or says why it leaves one out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tdt.simulators import dgfip, dgfip_intake, prefecture, prefecture_desk, prefecture_variants
from tdt.simulators.dgfip_retour import KINDS, RESTITUTIONS, SEQUENCES
from tdt.simulators.dgfip_retour_blocks import STATES
from tdt.simulators.journal import Journal
from tdt.simulators.letters import KINDS as LETTERS
from tests.chaos.odd import CLASSIFICATION, LEFT_OUT, ODD
from tests.chaos.state import DGFIP, DGFIP_NORMAL, ORDERS, PREFECTURE, PREFECTURE_NORMAL, Behaviour

SANDBOX = Path(__file__).parents[2] / "docs" / "sandbox.md"
SIMULATORS = {"prefecture": (PREFECTURE, PREFECTURE_NORMAL), "dgfip": (DGFIP, DGFIP_NORMAL)}
ASKED = {
    "POST /prefecture/behaviour",
    "POST /dgfip/behaviour",
    "POST /prefecture/release",
    "GET /prefecture/acts",
    "GET /prefecture/received",
    "GET /dgfip/received",
    f"POST {CLASSIFICATION}",  # in long campaigns, once
    *(f"POST {path}" for path, _ in ODD),
}
CHOSEN: Mapping[str, Mapping[str, Iterable[str]]] = {
    "prefecture": {
        "answer": re.findall(r"(?:^|\|)([a-z-]+:?)", re.sub(r"\([^)]*\)", "", prefecture_desk.ANSWER.pattern)),
        "mail_shape": prefecture_variants.MAIL_SHAPES,
        "encoding": prefecture_variants.ENCODINGS,
        "hold": prefecture_variants.HOLDS,
    },
    "dgfip": {"acquit": dgfip.MODES, "retours": ("none", *SEQUENCES)},
}
"""What the code of the simulators takes where it takes one of a few words; `anomaly:` goes on with a number."""


def known(ways: Iterable[Behaviour], normal: Mapping[str, Any]) -> dict[str, set[Any]]:
    """The values that the campaign gives to each key."""
    found: dict[str, set[Any]] = defaultdict(set)
    for changes in (normal, *(way.changes for way in ways)):
        for key, value in changes.items():
            found[key].add(value)
    return found


def in_words_of_the_docs(key: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    if key == "credentials":
        return "login:password"
    if key == "outage":
        return "/path"
    return re.sub(r"(?<=anomaly:).+", "NNN", value)


def documented(simulator: str) -> dict[str, set[str]]:
    """The keys of the table of behaviours in docs/sandbox.md, each with the texts that it may have."""
    text = SANDBOX.read_text(encoding="utf-8")
    begin = text.index(f"`POST /{simulator}/behaviour`")
    table = re.search(r"(?:^\|.*\n)+", text[begin:], re.MULTILINE)
    assert table is not None
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table[0], re.MULTILINE)
    return {key: set(re.findall(r'`"([^"`]+)"`', rest)) for key, rest in rows}


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_each_key_of_a_behaviour_is_changed_and_put_back(simulator: str) -> None:
    ways, normal = SIMULATORS[simulator]
    keys = set(prefecture.BEHAVIOUR_CHECKS if simulator == "prefecture" else dgfip.CHECKS)
    defaults = prefecture_desk.DEFAULTS if simulator == "prefecture" else dgfip_intake.DEFAULTS
    assert {key for way in ways for key in way.changes} == keys
    assert set(normal) == keys == set(defaults)
    assert set(documented(simulator)) == keys


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_each_value_of_a_behaviour_is_known(simulator: str) -> None:
    values = known(*SIMULATORS[simulator])
    for key, words in CHOSEN[simulator].items():
        unknown = [word for word in words if not any(str(value).startswith(word) for value in values[key])]
        assert unknown == [], f"{simulator} {key}"
    for key, said in documented(simulator).items():
        if key == "acquit":
            continue  # in a table of its own, compared by the code above
        assert said <= {in_words_of_the_docs(key, value) for value in values[key]}, f"{simulator} {key}"


def test_each_acquit_of_the_docs_is_known() -> None:
    text = SANDBOX.read_text(encoding="utf-8")
    table = re.search(r"\| `acquit` \| answer \|\n\|---\|---\|\n((?:\|.*\n)+)", text)
    assert table is not None
    said = {name for row in table[1].splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert said == known(*SIMULATORS["dgfip"])["acquit"] == set(dgfip.MODES)


def test_each_path_is_asked_or_left_out(tmp_path: Path) -> None:
    config = {
        **{"trigramme": "TDT", "quadrigramme": "TACT", "classification_date": "2019-03-01", "registry": []},
        **{"maildir": str(tmp_path), "port": 0},
    }
    journals = [Journal(tmp_path / name) for name in SIMULATORS]
    try:
        routes = [
            *prefecture.Prefecture(config, journals[0]).routes(),
            *dgfip.Dgfip({}, journals[1]).routes(),
        ]
    finally:
        for journal in journals:
            journal.close()
    there = {f"{route.method} {route.path}" for route in routes} | {"POST /reset"}
    left_out = {name for name in LEFT_OUT if name.startswith(("GET ", "POST "))}
    assert there == ASKED | left_out
    assert not ASKED & left_out
    text = SANDBOX.read_text(encoding="utf-8")
    assert set(re.findall(r"`((?:GET|POST) /[^`\s]+)`", text)) <= there


def asked_of(path: str) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = defaultdict(set)
    for body in (body for there, body in ODD if there == path):
        for key, value in body.items():
            found[key].update(value if isinstance(value, list) else [value])
    return found


def left_out(beginning: str) -> set[str]:
    return {name.removeprefix(beginning) for name in LEFT_OUT if name.startswith(beginning)}


def test_each_pes_retour_is_asked_for() -> None:
    asked = asked_of("/dgfip/retour")
    assert set(asked) == set(dgfip.RETOUR_ORDER)
    assert asked["kind"] == set(KINDS)
    assert asked["restitution"] | left_out("retour restitution=") == set(RESTITUTIONS)
    states = {state for states in STATES.values() for state in states}
    assert asked["state"] | left_out("retour state=") == states
    assert not asked["state"] & left_out("retour state=")


def test_each_odd_thing_is_asked_for() -> None:
    assert asked_of("/dgfip/other")["kind"] == set(dgfip.OTHERS)
    assert asked_of("/prefecture/notice")["kind"] == set(prefecture.NOTICES)
    assert asked_of("/prefecture/letters")["messages"] == set(LETTERS)
    assert set(asked_of("/prefecture/letters")) == {"id_acte", "messages", "date"}
    assert set(ORDERS) == set(prefecture.ORDERS)
