"""The files of certificates, keys and revocation lists that the configuration names: read, listed, watched."""

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from tdt.config import ConfigError

PEM_MARK = b"-----BEGIN"
MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for what it cannot read: not only ValueError."""
Stamp = tuple[tuple[str, int, int], ...]


def read_certificates(path: str) -> tuple[x509.Certificate, ...]:
    """Every CA certificate of a file or of the files of a directory, PEM (several in one file) or DER."""
    found: list[x509.Certificate] = []
    for file in list_files(path):
        data = file.read_bytes()
        try:
            if PEM_MARK in data:
                found += x509.load_pem_x509_certificates(data)
            else:
                found.append(x509.load_der_x509_certificate(data))
        except MALFORMED as error:
            raise ConfigError([f"{file}: not a certificate ({error})"]) from error
    return tuple(found)


def list_files(path: str) -> list[Path]:
    """The file, or the files of the directory (hidden ones left out), in order; nothing for an empty setting."""
    if not path:
        return []
    root = Path(path)
    if not root.is_dir():
        return [root]
    return sorted(file for file in root.iterdir() if file.is_file() and not file.name.startswith("."))


def stamp(paths: Sequence[str]) -> Stamp:
    """What changes when any of these files or directories changes."""
    stats = [(file, file.stat()) for path in paths for file in list_files(path)]
    return tuple((str(file), stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whole; the rights of the old one are kept."""
    making = path.with_name(f".{path.name}.making")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    making.rename(path)
