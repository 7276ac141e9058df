"""Read a set of schemas as an operator was given it, a directory, a zip or a tar: only its .xsd, within limits.

Nothing is ever written where an archive says: its files are read in memory, under their names of paths in it.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from tdt.domain.errors import Refused

MOST_FILES = 2000
LARGEST_FILE = 8 << 20
LARGEST_SET = 64 << 20
"""The official sets are 145 schemas of 1.7 MB in all."""
LARGEST_ARCHIVE = 16 << 20
LARGEST_STREAM = 2 * LARGEST_SET
CODE = "SCHEMAS_REFUSES"
CHUNK = 1 << 16
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def read_set(path: Path) -> dict[str, bytes]:
    """The schemas by their path in the set. Raises Refused, in French, for all that is not a plain set of files."""
    try:
        if path.is_dir():
            return _gather(_directory(path))
        if path.stat().st_size > LARGEST_ARCHIVE:
            raise _refused("l'archive est trop volumineuse pour un jeu de schémas")
        if zipfile.is_zipfile(path):
            return _gather(_zip(path))
        return _gather(_tar(path))
    except OSError as error:
        raise _refused(f"{error.filename or path} : {error.strerror or error}") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(error) from error
    except (NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise _damaged(error) from error


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of these schemas, as it is kept."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), files[name], zipfile.ZIP_DEFLATED)
    return made.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """What `pack` kept."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def digest(files: Mapping[str, bytes]) -> bytes:
    """SHA-256 of the set: of its names and bytes, however it was packed."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\n{len(files[name])}\n".encode())
        whole.update(files[name])
    return whole.digest()


def _gather(members: Iterator[tuple[str, Iterator[bytes]]]) -> dict[str, bytes]:
    """Read the schemas of an archive, which says what it wants of their names, number and sizes."""
    files: dict[str, bytes] = {}
    total = count = 0
    for name, chunks in members:
        count += 1
        if count > MOST_FILES:
            raise _refused(f"plus de {MOST_FILES} fichiers")
        path = _check_name(name)
        if path.suffix.lower() != ".xsd":
            continue
        if str(path) in files:
            raise _refused(f"deux fichiers portent le nom {path}")
        content = bytearray()
        for chunk in chunks:
            content += chunk
            total += len(chunk)
            if len(content) > LARGEST_FILE or total > LARGEST_SET:
                raise _refused(f"{path} : trop volumineux pour un jeu de schémas")
        files[str(path)] = bytes(content)
    if not files:
        raise _refused("aucun schéma (.xsd)")
    return files


def _check_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name.isprintable():
        raise _refused(f"chemin interdit : {name!a}")
    return path


def _directory(root: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder) / name
            shown = path.relative_to(root).as_posix()
            if not stat.S_ISREG(path.lstat().st_mode):
                raise _refused(f"{shown} n'est pas un fichier ordinaire")
            yield shown, _chunks(path)
        for entry in Path(folder).iterdir():
            if entry.is_symlink():
                raise _refused(f"{entry.relative_to(root).as_posix()} est un lien")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _read_on(file)


def _read_on(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _zip(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(f"{member.filename!a} est un lien ou un fichier spécial")
            if member.flag_bits & 1:
                raise _refused("l'archive est chiffrée")
            if not member.filename:
                raise _refused("chemin interdit : ''")
            if not member.is_dir():
                with archive.open(member) as file:
                    yield member.filename, _read_on(file)


class _Limited(io.RawIOBase):
    """A stream that is given up after so many bytes: an archive may say that it holds anything."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._left = LARGEST_STREAM

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises Refused beyond the limit."""
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _refused("l'archive contient trop de données")
        return data


def _tar(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    with path.open("rb") as file:
        head = file.read(6)
    opener = next((opener for magic, opener in PACKED.items() if head.startswith(magic)), open)
    with opener(path, "rb") as stream, tarfile.open(fileobj=_Limited(stream), mode="r|") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg():
                raise _refused(f"{member.name!a} est un lien ou un fichier spécial")
            content = archive.extractfile(member)
            assert content is not None
            with content:
                yield member.name.removeprefix("./"), _read_on(content)


PACKED: Mapping[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
"""How a tar may be packed, by its first bytes."""


def _damaged(error: Exception) -> Refused:
    return _refused(f"l'archive est abîmée ou d'une forme inconnue ({error})")


def _refused(reason: str) -> Refused:
    return Refused(f"Jeu de schémas refusé : {reason}.", code=CODE)
