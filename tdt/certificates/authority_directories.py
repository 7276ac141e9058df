"""Directories of authorities, such as those of S2LOW: what lies there is read, good authorities are added to ours."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tdt.certificates.files import MALFORMED, PEM_MARK, read_certificates, replace_file
from tdt.certificates.rgs import fingerprint
from tdt.certificates.rgs_import import is_authority

REVOCATION_LIST = re.compile(r"[0-9a-f]{8}\.r[0-9]+")
"""The hashed names that OpenSSL gives to revocation lists (`c_rehash`); those of certificates end in `.0`."""
PEM_CRL = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate of a directory, or a file that gives none: `note` says in French what was done, or why not."""

    file: Path
    note: str
    certificate: x509.Certificate | None = None
    new: bool = False


def compare(source: Path, target: Path, now: datetime) -> list[Found]:
    """What of `source` is to be added to `target`, what is there already, what is left out and why.

    A certificate counts once, whatever its names (a file and its hashed link). Raises OSError, or ConfigError when
    `target` itself holds something that is no certificate.
    """
    held = {fingerprint(one) for one in read_certificates(str(target))} if target.exists() else set()
    seen: set[str] = set()
    found = []
    for file in sorted(path for path in source.iterdir() if not path.name.startswith(".") and not path.is_dir()):
        for one in _read(file, now):
            if one.certificate is None:
                found.append(one)
                continue
            digest = fingerprint(one.certificate)
            if digest not in seen:
                known = digest in held
                found.append(Found(file, "déjà là" if known else "ajoutée", one.certificate, new=not known))
            seen.add(digest)
    return found


def write(target: Path, found: Iterable[Found]) -> None:
    """Add the new certificates, one PEM file each; nothing is removed nor replaced."""
    target.mkdir(parents=True, exist_ok=True)
    for one in found:
        if one.new and one.certificate is not None:
            replace_file(target / _file_name(one.certificate), one.certificate.public_bytes(Encoding.PEM))


def _read(file: Path, now: datetime) -> Iterator[Found]:
    try:
        data = file.read_bytes()
    except OSError as error:
        yield Found(file, f"laissé de côté : illisible ({error.strerror})")
        return
    if REVOCATION_LIST.fullmatch(file.name) or PEM_CRL in data:
        yield Found(file, "laissé de côté : liste de révocation, sa place est dans [server] crl_directory")
        return
    try:
        certificates = (
            x509.load_pem_x509_certificates(data) if PEM_MARK in data else [x509.load_der_x509_certificate(data)]
        )
    except MALFORMED:
        yield Found(file, "laissé de côté : pas un certificat")
        return
    for certificate in certificates:
        subject = certificate.subject.rfc4514_string()
        if not is_authority(certificate):
            yield Found(file, f"laissé de côté : « {subject} » n'est pas une autorité")
        elif certificate.not_valid_after_utc < now:
            yield Found(file, f"laissé de côté : « {subject} » est expirée")
        else:
            yield Found(file, "", certificate)


def _file_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = re.sub(r"[^a-z0-9]+", "-", str(names[0].value).lower() if names else "").strip("-")[:60]
    return f"{name or 'autorite'}-{fingerprint(certificate)[:24]}.pem"
