"""The letters of the préfecture: the names that their files take here."""

import re
from collections.abc import Sequence

LONGEST = 100
"""What a tar holds without making a folder of the name."""

_ODD = re.compile(r"[^A-Za-z0-9._+=@ -]")


def flat_names(names: Sequence[str]) -> list[str]:
    """Names for the entries of one archive: as received when a flat tar can hold them, else the nearest that it can.

    Plain ASCII, no folder, no name twice; extensions stay.
    """
    kept: list[str] = []
    for number, name in enumerate(names):
        plain = _ODD.sub("_", name).lstrip(".") or f"fichier-{number}"
        plain = plain if len(plain) <= LONGEST else plain[-LONGEST:]
        taken = {one.casefold() for one in kept}
        while plain.casefold() in taken:
            plain = f"{number}-{plain}"[:LONGEST]
        kept.append(plain)
    return kept
