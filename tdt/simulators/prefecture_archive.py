"""What a received archive holds: every name, the XML, the first bytes of each document; one pass, memory flat."""

import gzip
import re
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

# Sums that no honest archive reaches: 150 MiB of compressed documents, XML of a few MiB (budgets).
MEMBERS_LIMIT = 1_000
EXPANDED_LIMIT = 1 << 30
XML_LIMIT = 16 << 20
XML_TOTAL_LIMIT = 48 << 20
HEAD = 1024
CHUNK = 1 << 20


class ArchiveError(Exception):
    """Not a gzipped tar that we can read to its end."""


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    size: int
    head: bytes


@dataclass(slots=True)
class Archive:
    """`faults`: what is wrong in the container itself (folders, links, names twice)."""

    members: dict[str, Member] = field(default_factory=dict)
    xml: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read_archive(path: Path) -> Archive:
    """Read it whole (call it from a thread). Raises ArchiveError."""
    archive = Archive()
    try:
        with gzip.open(path) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as tar:
            expanded = 0
            for info in tar:
                expanded += info.size
                if expanded > EXPANDED_LIMIT or len(archive.members) >= MEMBERS_LIMIT:
                    raise ArchiveError("archive hors limites")
                _read_member(archive, tar, info)
            while unzipped.read(CHUNK):  # the end of the gzip stream carries its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise ArchiveError(f"archive illisible : {error}") from error
    if not archive.members:
        raise ArchiveError("archive vide")
    return archive


def _read_member(archive: Archive, tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
    name = re.sub(r"[^A-Za-z0-9_.\-/]", "?", info.name)  # it is repeated in XML and mails
    file = tar.extractfile(info) if info.isreg() else None
    if file is None or "/" in name or name != info.name:
        archive.faults.append(f"entrée refusée dans l'archive : {name}")
        return
    if name in archive.members:
        archive.faults.append(f"nom présent deux fois dans l'archive : {name}")
    keep = name.endswith(".xml") and info.size <= XML_LIMIT
    keep = keep and info.size + sum(map(len, archive.xml.values())) <= XML_TOTAL_LIMIT
    head, data = _drain(file, keep)
    archive.members[name] = Member(name, info.size, head)
    if keep:
        archive.xml[name] = data


def _drain(file: IO[bytes], keep: bool) -> tuple[bytes, bytes]:
    """The first bytes, and all of them when they are wanted."""
    if keep:
        data = file.read()
        return data[:HEAD], data
    return file.read(HEAD), b""
