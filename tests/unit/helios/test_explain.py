"""What a PES in error tells: every refusal of the workflow that docs/errors.md lists, with the same code."""

import re
from collections.abc import Iterator

import pytest

from tdt.domain.errors import Refused
from tdt.domain.explanation import AGENT, DGFIP
from tdt.domain.helios import rules
from tdt.domain.helios.explain import OTHER, expected, explain
from tdt.domain.helios.explained_refusals import OURS
from tdt.domain.helios.model import HeliosStatus, PesHeader
from tdt.domain.helios.moves import manual_error
from tdt.domain.helios.signing import cancelled
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.ids import HeliosId
from tests.architecture.sources import ROOT, modules

AT_THE_DOOR = {"REFUS", "PES_VIDE", "PES_TAILLE", "PES_DOUBLON", "ROUTE_ABSENTE"}
"""Answers to a deposit: no flow exists yet."""
BEFORE_IT_LEAVES = {"PES_N_ATTEND_PAS", "PES_SIGNE_REFUSE"}
"""Answers to who signs or gives up: the flow goes on waiting."""
BY_HAND = {"PES_RENVOI_REFUSE", "PES_MOUVEMENT_REFUSE", "PES_PEUT_ETRE_ENVOYE"}
"""Answers to an operator: the flow stays where it was."""


def listed() -> Iterator[tuple[str, str]]:
    """The messages of docs/errors.md about PES that turn to -1, each whole, with its code."""
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    table = page.partition("### Deposit and life of a PES")[2].partition("\n### ")[0]
    for line in table.splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if line.startswith("| `") and cells[0].strip("`") not in AT_THE_DOOR:
            for message in re.findall(r"`([^`]+)`", cells[1]):
                if not message.startswith("… "):  # it goes on with the message before
                    yield cells[0].strip("`"), message.replace("Transaction N", "Transaction 12")


@pytest.mark.parametrize(("code", "message"), list(listed()))
def test_what_the_page_of_errors_lists_is_explained_under_its_code(code: str, message: str) -> None:
    told = explain(message)
    assert told.code == code
    assert told.cause and told.who and told.remedy


def test_every_explanation_is_documented() -> None:
    codes = {code for code, _ in listed()}
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    section = page.partition("### What a PES in error tells")[2].partition("\n### ")[0]
    assert {code for code, *_ in OURS} | {OTHER} == codes | set(re.findall(r"^\| `([A-Z_]+)`", section, re.MULTILINE))


def test_every_code_of_the_rules_is_explained() -> None:
    found = set()
    for path in modules("tdt/domain/helios"):
        if path.stem not in ("explain", "explained_refusals", "moves"):
            source = path.read_text(encoding="utf-8")
            found |= set(re.findall(r'(?:code=|, )"((?:PES|HELIOS)_[A-Z_]+)"', source))
    assert {"PES_ENCODAGE", "HELIOS_P_DEST"} <= found
    assert found - AT_THE_DOOR - BEFORE_IT_LEAVES - BY_HAND - {code for code, *_ in OURS} == set()


def test_the_codes_are_those_that_the_rules_raise() -> None:
    empty = PesHeader("PES_Aller", "", None, None, None, None, None, None, (), False)
    with pytest.raises(Refused) as caught:
        rules.check_sendable(empty, "", HeliosId(7))
    assert explain(caught.value.message).code == caught.value.code
    assert explain(rules.already_named(HeliosId(7)).message).code == "PES_NOMFIC_CONNU"
    assert explain(manual_error("la trésorerie l'a demandé")).code == "MANUEL"
    assert explain(cancelled("Anne Martin")).code == "PES_ABANDONNE"


@pytest.mark.parametrize("message", ["", "Passée en erreur par l'administrateur", "Transaction 3 : autre chose"])
def test_words_of_nobody_here(message: str) -> None:
    assert explain(message).code == OTHER


def test_what_is_waited_for() -> None:
    assert {status for status in STATUS_LABELS if (one := expected(status)) and one.who == AGENT} == {
        HeliosStatus.EN_ATTENTE_D_ETRE_TELETRANSMIS
    }
    waited = expected(HeliosStatus.TRANSMIS)
    assert waited is not None and waited.who == DGFIP
    assert expected(HeliosStatus.INFORMATION_DISPONIBLE) is expected(HeliosStatus.ERREUR) is None
    assert expected(HeliosStatus.TRANSMIS_SANS_ACQUITTEMENT) is None
