"""What the State was asked to do explains what waits for an operator, and an act that was refused."""

from collections.abc import Sequence
from datetime import datetime

from tests.chaos.evidence import Return
from tests.chaos.odd import CLASSIFICATION, STRANGER_ACTE, STRANGER_SIRET
from tests.chaos.timeline import Timeline

REFUSALS = ("prefecture answer=anomaly", "prefecture answer=envelope-anomaly")
STALE = "002 - ODT-VERIF-01"
NO_MESSAGE = "courriel sans message d'ACTES"

MAILS: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("unreadable", NO_MESSAGE, ("odd /prefecture/notice junk",)),
    ("unreadable", "", ("odd /prefecture/mail cut",)),
    ("1-2", f"Aucun acte {STRANGER_ACTE}", ("odd /prefecture/mail stranger",)),
    # received twice, and answered once so, once otherwise
    ("1-2", "AR pour l'acte ", REFUSALS),
    ("1-3", "", (*REFUSALS, "prefecture answer=auto")),
    ("ANO", "", REFUSALS),
)
"""Kind and beginning of the detail of a mail; what the State was asked for. The first that fits counts."""

FILES: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("FICHIER_OCRE", "SIMULATION_", ("odd /dgfip/other ocr",)),
    ("FICHIER_INCONNU", "SIMULATION_", ("odd /dgfip/other unknown_root",)),
    ("FICHIER_VIDE", "SIMULATION_", ("odd /dgfip/other empty",)),
    ("FICHIER_ILLISIBLE", "fichier_", ("odd /dgfip/deposit",)),
    ("RETOUR_SIRET_INCONNU", "PES2R_", (f"odd /dgfip/retour {STRANGER_SIRET}",)),
    ("ACQUIT_SANS_FLUX", "", ("dgfip acquit=stray",)),
    ("ACQUIT_SANS_NOMFIC", "", ("dgfip acquit=technical", "dgfip acquit=no_codcol")),
    # sent twice, a flow is a duplicate to a DGFiP that checks
    ("ACQUIT_", "", ("dgfip acquit=duplicate", "dgfip acquit=auto")),
)
"""Beginnings of the code and of the name of a file of the DGFiP; one of another name lost what was in it."""


def is_explained(timeline: Timeline, received: Return) -> bool:
    """Whether what waits is what the State was asked to send."""
    if received.state != "set_aside":
        return False
    if received.route == "actes":
        causes = next(
            (causes for kind, detail, causes in MAILS if kind == received.kind and received.detail.startswith(detail)),
            (),
        )
    else:
        causes = next(
            (
                causes
                for code, name, causes in FILES
                if received.code.startswith(code) and received.name.startswith(name)
            ),
            (),
        )
    return bool(causes) and any(kind.startswith(causes) for kind in timeline.counts)


def was_stale(timeline: Timeline, words: str, received: Sequence[datetime]) -> bool:
    """Whether an act was refused for its classification by a préfecture that had published a newer one."""
    published = [span.begin for span in timeline.spans if span.detail == CLASSIFICATION]
    late = any(begin <= instant.timestamp() for begin in published for instant in received)
    return STALE in words and late
