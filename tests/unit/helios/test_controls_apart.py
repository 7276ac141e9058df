"""Two readings of the same annotations, the server's and the simulated DGFiP's, agree where both speak."""

import pytest

from tdt.simulators.dgfip_reader import FlowReader
from tdt.simulators.dgfip_rules import Found, Rules
from tests.unit.helios.test_controls import CASES, FLOW, judge

ALSO_OF_THE_SIMULATOR = {
    "GUICHET_VERSION", "GUICHET_SIGNATURE_ABSENTE", "GUICHET_SIGNATURE_EN_TROP", "GUICHET_NBRPCE", "GUICHET_PJREF",
    "GUICHET_COMPTE_MINUSCULES", "GUICHET_MODREGL", "GUICHET_TYPBORD", "GUICHET_TVA_SANS_LIGNE",
    "GUICHET_TVA_SANS_BORDEREAU", "GUICHET_TVA_NULLE", "GUICHET_COMPTE_ABSENT", "GUICHET_IBAN", "GUICHET_CODE_POSTAL",
    "GUICHET_PAYS", "GUICHET_CIVILITE", "GUICHET_PJ_VERSION", "GUICHET_PJ_NOM", "GUICHET_PJ_VIDE",
}  # fmt: skip
NO_VERSION = "<EnTeteRecette>"
"""An IdVer that is missing: the simulator leaves it to the schema."""
FLOWS = [pytest.param(*case, id=f"{number}-{case[0]}") for number, case in enumerate(CASES) if case[3] != NO_VERSION]


def simulated(text: str) -> Found:
    rules = Rules()
    reader = FlowReader(rules)
    reader.feed(text.encode("latin-1"))
    reader.close()
    return rules.close()


def count(found: Found) -> dict[str, int]:
    """Faults by what is refused with them."""
    return {
        "flux": len(found.flow),
        "bordereau": sum(map(len, found.bordereaux)),
        "PJ": sum(map(len, found.attachments)),
    }


def test_neither_finds_a_fault_in_a_sound_flow() -> None:
    assert judge(FLOW) == []
    assert count(simulated(FLOW)) == {"flux": 0, "bordereau": 0, "PJ": 0}


@pytest.mark.parametrize(("code", "level", "old", "new"), FLOWS)
def test_both_refuse_the_same_with_it(code: str, level: str, old: str, new: str) -> None:
    found = count(simulated(FLOW.replace(old, new)))
    if code in ALSO_OF_THE_SIMULATOR:
        [ours] = judge(FLOW.replace(old, new))
        assert ours.level == level
        assert found[level] >= 1
    else:
        assert sum(found.values()) <= 1
