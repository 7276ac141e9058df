"""Numbers of bordereaux and pièces as they are compared: the DGFiP may write them without their leading zeros."""

import re

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def number_of(text: str) -> int | None:
    """What identifies a bordereau or a pièce; None of what is no number, or too long to be one."""
    text = text.strip()
    return int(text) if _NUMBER.fullmatch(text) else None
