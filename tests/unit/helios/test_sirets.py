"""Which SIRET of a flow a collectivité gets by itself."""

import pytest

from tdt.domain.helios.sirets import SiretDecision, SiretStanding, decide

SIREN = "123456782"
OWN, FOREIGN = f"{SIREN}00010", "98765432400010"
FREE = SiretStanding(granted=False, mine=False, another=False)
GRANTED = SiretStanding(granted=True, mine=False, another=False)
TAKEN = SiretStanding(granted=False, mine=False, another=True)
BOTH = SiretStanding(granted=True, mine=False, another=True)
MINE = SiretStanding(granted=False, mine=True, another=False)
SHARED = SiretStanding(granted=False, mine=True, another=True)


@pytest.mark.parametrize(
    ("id_coll", "standing", "decision"),
    [
        (OWN, FREE, SiretDecision.LEARN),
        (OWN, TAKEN, SiretDecision.PROPOSE),
        (OWN, MINE, SiretDecision.NOTHING),
        (OWN, SHARED, SiretDecision.NOTHING),
        (FOREIGN, FREE, SiretDecision.PROPOSE),
        (FOREIGN, GRANTED, SiretDecision.LEARN),
        (FOREIGN, BOTH, SiretDecision.PROPOSE),
        (FOREIGN, TAKEN, SiretDecision.PROPOSE),
        (FOREIGN, MINE, SiretDecision.NOTHING),
        (None, FREE, SiretDecision.NOTHING),
        # shorter than a SIRET, or none
        (SIREN, FREE, SiretDecision.NOTHING),
        (OWN[:-1], GRANTED, SiretDecision.NOTHING),
        (OWN[:-1] + "x", FREE, SiretDecision.NOTHING),
        (OWN[:-1] + "\n", FREE, SiretDecision.NOTHING),
        (OWN + "0", FREE, SiretDecision.NOTHING),
        (OWN[:-1] + "٣", FREE, SiretDecision.NOTHING),
    ],
)
def test_decisions(id_coll: str | None, standing: SiretStanding, decision: SiretDecision) -> None:
    assert decide(id_coll, SIREN, standing) is decision
