"""Whose what waits in the operator's box probably is, and why."""

import pytest

from tdt.domain.box import Known, propose_owner


@pytest.mark.parametrize(
    ("known", "why", "command"),
    [
        (Known(1, "forged", 5, 5, "Ville", "1", "A", None), "rien ne prouve", "tdt box show 1"),
        (Known(2, "acquit", None, 5, "Ville", "", "", 9), "flux helios:9", "tdt box assign 2 --flow 9"),
        (Known(3, "1-2", None, 5, "Ville", "1", "A", None), "l'acte A", "tdt box assign 3 --authority 5 --act A"),
        (Known(4, "1-2", None, 5, "Ville", "1", "", None), "SIREN 1", "tdt box assign 4 --authority 5"),
        (Known(5, "1-2", None, 5, "Ville", "", "", None), "la désigne", "tdt box assign 5 --authority 5"),
        (Known(6, "1-2", 5, None, "Ville", "", "", None), "décision", "tdt box retry 6"),
        (Known(7, "1-2", None, None, "", "1", "", None), "qu'aucune collectivité n'a", "tdt box show 7"),
        (Known(8, "1-2", None, None, "", "", "", None), "rien ne dit", "tdt box show 8"),
    ],
)
def test_the_surest_clue_speaks(known: Known, why: str, command: str) -> None:
    proposed = propose_owner(known)
    assert why in proposed.why and proposed.command == command
