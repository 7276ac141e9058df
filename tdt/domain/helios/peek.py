"""Whom a file of the DGFiP seems to answer, before it is read: a look at its first bytes, for its turn alone."""

from tdt.domain.helios.returns import ReturnReader
from tdt.domain.turns import Look

PEEKED = 16 * 1024
"""Bytes looked at: the header of a PES is in the first two thousand."""


def peek(start: bytes) -> Look:
    """The NomFic and the SIRET that the header of a file tells. Never raises, whatever the bytes; nothing is proof."""
    reader = ReturnReader()
    reader.feed(start[:PEEKED])
    said = reader.said
    nomfic, siret = str(said.get("nomfic", "")), str(said.get("id_coll", ""))
    return Look((nomfic,) if nomfic else (), (siret,) if siret else ())
