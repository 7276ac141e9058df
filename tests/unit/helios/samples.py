"""Access to the HELIOS samples of tests/data, and readers fed in pieces."""

import os
from pathlib import Path

from tdt.domain.helios.model import DgfipReturn, PesHeader
from tdt.domain.helios.pes import PesReader
from tdt.domain.helios.returns import ReturnReader

DATA = Path(__file__).parents[2] / "data" / "helios"
SHARED = Path(os.environ.get("TDT_SHARED") or Path(__file__).parents[4] / "shared") / "data" / "helios"
"""The reference samples beside the repository, when they are there."""


def sample(name: str) -> bytes:
    return (DATA / name).read_bytes()


def read_pes(data: bytes, step: int = 1 << 16) -> PesHeader:
    reader = PesReader()
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader.close()


def read_return(data: bytes, step: int = 1 << 16) -> DgfipReturn:
    reader = ReturnReader()
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader.close()
