"""The calendar of every certificate in play: those of the files that the configuration names, and those of accounts."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.files import MALFORMED, PEM_MARK, list_files
from tdt.config import Config
from tdt.domain.expiry import Ending, HeldCertificate, Kind

Read = Callable[[bytes], list[Ending]]


def list_file_endings(config: Config) -> list[Ending]:
    """What the files of the configuration hold; one that cannot be read is an entry with its fault. Blocks."""
    server = config.server
    found = [*_certificates(Kind.SERVER, "server.certificate", server.certificate)]
    found += _certificates(Kind.SERVER, "server.second_certificate", server.second_certificate)
    found += _certificates(Kind.SIGNING, "signing.certificate", config.signing.certificate)
    found += _certificates(Kind.AUTHORITY, "server.connect_authorities", server.connect_authorities)
    found += _certificates(Kind.AUTHORITY, "server.transmit_authorities", server.transmit_authorities)
    found += _certificates(Kind.AUTHORITY, "helios.signature_authorities", config.helios.signature_authorities)
    found += _certificates(Kind.AUTHORITY, "mail.authorities", config.mail.authorities)
    found += _entries(Kind.CRL, "server.crl_directory", server.crl_directory, _read_list)
    cache = config.revocation_cache
    for file in sorted(cache.glob("*.crl")) if cache.is_dir() else ():
        found += _entries(Kind.CRL, "revocation.cache", str(file), _read_list)
    for name, secrets in sorted(config.credentials.items()):
        found += _certificates(Kind.STATE, f"credentials.{name}.certificate", secrets.certificate)
        found += _certificates(Kind.STATE, f"credentials.{name}.authorities", secrets.authorities)
    return _merged(found)


def list_account_endings(held: Iterable[HeldCertificate]) -> list[Ending]:
    """The certificates of accounts, one entry each, with all those who come in by it. Blocks: it may read many."""
    found = []
    for one in held:
        subject = f"account:{one.certificate_hash}"
        fault = "" if one.ends_at is not None else "date de fin inconnue : certificat jamais enregistré"
        found.append(Ending(Kind.ACCOUNT, subject, one.name, one.ends_at, "account", (one.party,), fault=fault))
        if one.forwarded_pem:
            found.append(_forwarded(one))
    return _merged(found)


def _forwarded(one: HeldCertificate) -> Ending:
    data = one.forwarded_pem.encode()
    try:
        certificate = x509.load_pem_x509_certificate(data)
        name, end = _name(certificate.subject), certificate.not_valid_after_utc
    except MALFORMED:
        fault, subject = "second certificat illisible", f"account:pem:{hashlib.sha256(data).hexdigest()}"
        return Ending(Kind.ACCOUNT, subject, one.name, None, "account", (one.party,), fault=fault)
    subject = f"account:sha256:{_digest(certificate)}"
    return Ending(Kind.ACCOUNT, subject, name, end, "account", (one.party,))


def _certificates(kind: Kind, setting: str, path: str) -> Iterator[Ending]:
    def read(data: bytes) -> list[Ending]:
        if PEM_MARK in data:
            certificates = x509.load_pem_x509_certificates(data)
        else:
            certificates = [x509.load_der_x509_certificate(data)]
        return [
            Ending(kind, f"{kind}:{_digest(one)}", _name(one.subject), one.not_valid_after_utc) for one in certificates
        ]

    return _entries(kind, setting, path, read)


def _read_list(data: bytes) -> list[Ending]:
    load = x509.load_pem_x509_crl if PEM_MARK in data else x509.load_der_x509_crl
    crl = load(data)
    subject = f"{Kind.CRL}:{hashlib.sha256(crl.public_bytes(Encoding.DER)).hexdigest()}"
    fault = "" if crl.next_update_utc is not None else "liste sans date de prochaine mise à jour"
    name = _name(crl.issuer)
    return [Ending(Kind.CRL, subject, name, crl.next_update_utc, begins_at=crl.last_update_utc, fault=fault)]


def _entries(kind: Kind, setting: str, path: str, read: Read) -> Iterator[Ending]:
    try:
        files = list_files(path)
    except OSError as error:
        yield _unreadable(kind, setting, Path(path), error)
        return
    for file in files:
        try:
            found = read(file.read_bytes())
        except (OSError, *MALFORMED) as error:
            yield _unreadable(kind, setting, file, error)
            continue
        for one in found:
            yield replace(one, where=f"{setting} : {file}")


def _unreadable(kind: Kind, setting: str, file: Path, error: Exception) -> Ending:
    fault = f"illisible : {error.strerror if isinstance(error, OSError) else 'ni PEM ni DER valides'}"
    return Ending(kind, f"{kind}:unreadable:{file}", file.name, None, f"{setting} : {file}", fault=fault)


def _merged(endings: Sequence[Ending]) -> list[Ending]:
    """One entry for each subject: a certificate may lie in several files, and belong to several accounts."""
    groups: dict[str, list[Ending]] = {}
    for ending in endings:
        groups.setdefault(ending.subject, []).append(ending)
    return [
        replace(
            next((one for one in group if one.ends_at is not None), group[0]),
            where=", ".join(dict.fromkeys(one.where for one in group)),
            parties=tuple(dict.fromkeys(party for one in group for party in one.parties)),
        )
        for group in groups.values()
    ]


def _digest(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _name(name: x509.Name) -> str:
    return name.rfc4514_string()
