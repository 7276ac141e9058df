"""What becomes of the SIRET that a flow bears (IdColl): the returns of the DGFiP find their collectivité by it."""

import re
from dataclasses import dataclass
from enum import StrEnum

_SIRET = re.compile(r"[0-9]{14}", re.ASCII)


class SiretDecision(StrEnum):
    """Learnt by itself, proposed to the operator, or nothing to do."""

    LEARN = "learn"
    PROPOSE = "propose"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class SiretStanding:
    """What the platform knows of a SIRET, for one collectivité. A blocked SIRET is held all the same."""

    granted: bool
    """An operator granted its SIREN to the collectivité."""
    mine: bool
    another: bool
    """Another collectivité holds it, or has its SIREN."""


def decide(id_coll: str | None, siren: str, standing: SiretStanding) -> SiretDecision:
    """S2LOW learns any IdColl: a flow could then attract the returns of another collectivité.

    An IdColl that is shorter than a SIRET is nobody's, and nothing is done with it.
    """
    if id_coll is None or _SIRET.fullmatch(id_coll) is None or standing.mine:
        return SiretDecision.NOTHING
    own = id_coll[:9] == siren or standing.granted
    return SiretDecision.LEARN if own and not standing.another else SiretDecision.PROPOSE
