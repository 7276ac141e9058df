"""What the command line refuses by itself is told in French, whatever click calls it."""

from importlib import import_module
from inspect import getsource

import pytest
from click.testing import CliRunner

from tdt.admin.french import MODULES, WORDS
from tdt.cli import main

REFUSED = (
    (("flot",), "La commande flot n'existe pas."),
    (("--rien",), "L'option --rien n'existe pas."),
    (("sandbox",), "Il manque l'option '--dir'"),
    (("sandbox", "--dir"), "L'option --dir veut une valeur."),
    (("sandbox", "--dir", "d", "--port", "x"), "Valeur refusée pour '--port' : « x » n'est pas un nombre"),
    (("sandbox", "--dir", "d", "--port", "70000"), "70000 est hors de"),
    (("sandbox", "--dir", "d", "trop"), "Argument en trop (trop)"),
    (("box", "list", "--state", "lu"), "« lu » n'est pas l'un de"),
    (("box", "show"), "Il manque l'argument 'RECEIVED'"),
)


@pytest.mark.parametrize(("given", "told"), REFUSED, ids=[" ".join(given) for given, _ in REFUSED])
def test_a_refusal_of_the_command_line_is_in_french(given: tuple[str, ...], told: str) -> None:
    found = CliRunner().invoke(main, given)
    assert found.exit_code == 2
    assert told in found.output
    assert ("Usage :" in found.output) is ("donne l'aide" in found.output)
    assert not {"Error", "Usage:", "Try"} & set(found.output.split())


def test_click_still_says_what_is_translated() -> None:
    text = "".join(getsource(import_module(f"click.{name}")) for name in MODULES)
    spelt = text.replace("\\n", "\n").replace("\\t", "\t")
    assert [words for words in WORDS if words not in spelt] == []
