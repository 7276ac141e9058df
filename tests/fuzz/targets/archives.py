"""Archives: the tar.gz of envelopes that clients made, headers of tar, sets of schemas."""

import gzip
import io
import tarfile
import tempfile
import zlib
from pathlib import Path

from tdt.documents.envelope_reader import ArchiveFault, EnvelopeReader, ReaderLimits
from tdt.documents.schema_archive import digest, pack, read_set, unpack
from tdt.documents.spool import Spool
from tdt.documents.tar_headers import BLOCK, TarFault, read_header, read_records
from tdt.domain.errors import Refused
from tests.actes_archives import Acte, acte_parcel
from tests.fuzz.targets.base import DIRECTORY, Target, check_told, cut, numbered

LIMITS = ReaderLimits(unpacked_bytes=1 << 22, members=30)


def archive(data: bytes) -> None:
    """However it is cut an archive holds the same files, or is refused."""
    assert _members([data]) == _members(list(cut(data)))


def unpacked(data: bytes) -> None:
    """The same from the tar, packed here: mutations reach the headers."""
    packed = zlib.compressobj(1, zlib.DEFLATED, 31)
    archive(packed.compress(data) + packed.flush())


def _members(chunks: list[bytes]) -> object:
    reader = EnvelopeReader(Spool(DIRECTORY, 1 << 23), LIMITS)
    try:
        for chunk in chunks:
            reader.feed(chunk)
        reader.end()
        names = list(reader.members)
        assert all(name and "/" not in name and not name.startswith(".") for name in names)
        return [(name, writer.size) for name, writer in reader.members.items()]
    except ArchiveFault as error:
        check_told(error.message)
        return None
    finally:
        reader.discard()


def tar_header(data: bytes) -> None:
    """A block with a right sum, so that the rest is reached; the same bytes as records."""
    block = bytearray(data[:BLOCK].ljust(BLOCK, b"\0"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    try:
        header = read_header(bytes(block))
        assert header.size >= 0
        header.check_regular(header.name)
    except TarFault as error:
        check_told(str(error))
    for kind in ("L", "x", "g"):
        try:
            assert set(read_records(kind, data)) <= {"path", "size"}
        except TarFault as error:
            check_told(str(error))


def schemas(data: bytes) -> None:
    """A set that an operator was given: taken whole, or refused; what is kept of it is what it held."""
    with tempfile.NamedTemporaryFile(prefix="tdt-fuzz-") as file:
        file.write(data)
        file.flush()
        try:
            files = read_set(Path(file.name))
        except Refused as error:
            assert "Traceback" not in error.message
            return
    assert digest(unpack(pack(files))) == digest(files)


def _tar(kind: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as made:
        for name, content in (("./a.xml", b"<a/>"), ("b" * 120 + ".pdf", b"%PDF-1.4"), ("é.xml", b"")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def _tars() -> list[bytes]:
    return [_tar(kind) for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)[:2]]


def _archives() -> dict[str, bytes]:
    packed = [gzip.compress(data, 9, mtime=0) for data in _tars()]
    return numbered([acte_parcel(Acte()).build(), *packed, packed[0][:200], packed[0] + packed[1]])


def _sets() -> dict[str, bytes]:
    files = {"a/x.xsd": b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>', "b.xsd": b"<x/>"}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return {"zip": pack(files), "tar": file.getvalue(), "tgz": gzip.compress(file.getvalue(), mtime=0)}


TARGETS = [
    Target("archive", archive, _archives),
    Target("tar", unpacked, lambda: numbered(_tars())),
    Target("tar_header", tar_header, lambda: numbered([_tars()[0][:512], b"16 path=\xc3\xa9.xml\n", b"11 size=42\n"])),
    Target("schemas", schemas, _sets),
]
