"""The task of a child that compares a signed PES with the one that was deposited."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tdt.documents.child import Task
from tdt.domain.helios.unsigned import Unsigned
from tdt.domain.xml import XmlError

READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class CompareOrder:
    """The deposited file comes first, the signed one second."""


@dataclass(frozen=True, slots=True)
class Compared:
    """`fault`: why the signed one cannot be read. `same`: both say the same, but for the signatures.

    `readable`: whether the deposited one can be read; of what cannot, nothing can be signed.
    """

    signatures: int = 0
    same: bool = False
    readable: bool = True
    fault: str = ""


COMPARE_SIGNED = Task("tdt.documents.unsigned", "compare", CompareOrder, Compared)


def compare(_order: CompareOrder, files: Sequence[int]) -> Compared:
    """Read both, one after the other."""
    try:
        signatures, said = _read(files[1])
    except XmlError as error:
        return Compared(fault=str(error))
    try:
        _, deposited = _read(files[0])
    except XmlError:
        return Compared(signatures, readable=False)
    return Compared(signatures, same=said == deposited)


def _read(file: int) -> tuple[int, bytes]:
    reader, offset = Unsigned(), 0
    while chunk := os.pread(file, READ_BYTES, offset):
        reader.feed(chunk)
        offset += len(chunk)
    digest = reader.close()
    return reader.signatures, digest
