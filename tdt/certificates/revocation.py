"""Our own check of revocation, from lists and OCSP answers in memory: the handshake verifies the chain alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from tdt.certificates.files import MALFORMED, PEM_MARK, list_files
from tdt.certificates.ocsp import Answer, read_answer
from tdt.config import ConfigError
from tdt.domain.rgs import Issuer, RevocationPolicy, find_issuer

LONGEST_CHAIN = 8
REMEMBERED = 4096
REVOKED = "revoked"
NO_PROOF = "no current revocation information"
NOT_YET = timedelta(minutes=5)
"""Clocks differ a little."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a certificate was looked up in: `source` is `crl`, `ocsp` or `none`; its date, its number if it has one.

    `current`: it was in date. What is out of date still revokes, but proves nothing good.
    """

    source: str
    this_update: datetime | None = None
    next_update: datetime | None = None
    number: int | None = None
    current: bool = False

    def recorded(self) -> dict[str, object]:
        """As the audit keeps it."""
        return {
            "source": self.source,
            "this_update": self.this_update.isoformat() if self.this_update is not None else None,
            "next_update": self.next_update.isoformat() if self.next_update is not None else None,
            "number": self.number,
            "current": self.current,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """Of a certificate: why it must not be served (empty when it may), and what its own revocation rests on.

    `revoked_at`: it is, or one above it, since then; without refusal when that is after the instant asked for.
    """

    refusal: str
    proof: Proof
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _List:
    crl: x509.CertificateRevocationList
    this_update: datetime
    next_update: datetime | None
    number: int | None

    def proof(self, now: datetime) -> Proof:
        current = self.this_update <= now + NOT_YET and (self.next_update is None or self.next_update > now)
        return Proof("crl", self.this_update, self.next_update, self.number, current)


NOTHING = Proof("none")


class Revocations:
    """The lists by issuer, the OCSP answers by certificate. Only what a known authority signed counts.

    `issuers`: those of rgs.toml may say of themselves whether a certificate without current information is refused
    (`hard`) or served (`soft`); `required` is said of the others.
    """

    def __init__(
        self,
        authorities: Sequence[x509.Certificate],
        crls: Sequence[x509.CertificateRevocationList],
        answers: Sequence[ocsp.OCSPResponse] = (),
        issuers: Sequence[Issuer] = (),
        required: bool = False,
    ):
        self._issuers, self._required = tuple(issuers), required
        self._authorities: dict[x509.Name, list[x509.Certificate]] = {}
        for authority in authorities:
            self._authorities.setdefault(authority.subject, []).append(authority)
        self._verdicts: dict[x509.Certificate, datetime | None] = {}
        self._lists: dict[x509.Name, list[_List]] = {}
        for crl in crls:
            issuer = _issuer_of(crl)
            if issuer and any(is_signed_by(crl, authority) for authority in self._authorities.get(issuer, ())):
                self._lists.setdefault(issuer, []).append(_read_list(crl))
        self._answers: Mapping[int, list[Answer]] = _by_serial(answers, authorities)

    def look(self, leaf: x509.Certificate, now: datetime, at: datetime | None = None) -> Finding:
        """What is known now of the certificate and of those above it. What is out of date still revokes.

        `at`: of the certificate as it was at that instant; what was revoked afterwards was not yet.
        """
        certificate, first, told = leaf, NOTHING, None
        for step in range(LONGEST_CHAIN):
            if certificate.issuer == certificate.subject:
                break
            # of several authorities of one name, those whose key signed it
            authorities = [one for one in self._authorities.get(certificate.issuer, ()) if _issued(one, certificate)]
            revoked_at, proof = self._look(certificate, authorities, now)
            first = proof if step == 0 else first
            told = told or revoked_at
            if revoked_at is not None and (at is None or revoked_at <= at):
                return Finding(REVOKED, first, revoked_at)
            if not proof.current and self._is_hard(certificate, authorities):
                return Finding(NO_PROOF, first, told)
            if not authorities:
                break
            certificate = authorities[0]
        return Finding("", first, told)

    def has_current_list(self, issuer: x509.Name, now: datetime) -> bool:
        """Is there a list in date of this authority?"""
        return any(known.proof(now).current for known in self._lists.get(issuer, ()))

    def _look(
        self, certificate: x509.Certificate, authorities: Sequence[x509.Certificate], now: datetime
    ) -> tuple[datetime | None, Proof]:
        answers = [
            answer
            for answer in self._answers.get(certificate.serial_number, ())
            if answer.issuer in authorities and answer.serial == certificate.serial_number
        ]
        lists = self._lists.get(certificate.issuer, [])
        proofs = [known.proof(now) for known in lists] + [_proof_of(answer, now) for answer in answers]
        best = max(proofs, key=_worth, default=NOTHING)
        listed = self._find_listed(certificate, lists)
        if any(answer.revoked for answer in answers):
            told = [one.revoked_at or one.this_update for one in answers if one.revoked]
            proof = max((_proof_of(one, now) for one in answers if one.revoked), key=_worth)
            return min([*told, *([listed] if listed is not None else [])]), proof
        return listed, best

    def _is_hard(self, certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
        name = certificate.issuer.rfc4514_string()
        for authority in authorities:
            declared = find_issuer(self._issuers, name, authority.fingerprint(hashes.SHA256()).hex())
            if declared is not None and declared.revocation is not None:
                return declared.revocation is RevocationPolicy.HARD
        return self._required

    def _find_listed(self, certificate: x509.Certificate, lists: Sequence[_List]) -> datetime | None:
        # looking a serial up walks the whole list: once per certificate, not once per request
        if certificate not in self._verdicts:
            if len(self._verdicts) >= REMEMBERED:
                self._verdicts.clear()
            entries = (one.crl.get_revoked_certificate_by_serial_number(certificate.serial_number) for one in lists)
            dates = [_revoked_at(entry) for entry in entries if entry is not None and not _is_unrevoked(entry)]
            self._verdicts[certificate] = min(dates, default=None)
        return self._verdicts[certificate]


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _worth(proof: Proof) -> tuple[bool, float]:
    """A proof in date is worth more than one that is not, a newer one more than an older one."""
    return proof.current, proof.this_update.timestamp() if proof.this_update is not None else 0.0


def _proof_of(answer: Answer, now: datetime) -> Proof:
    in_time = answer.this_update <= now + NOT_YET and now < (answer.next_update or answer.this_update + NOT_YET)
    return Proof("ocsp", answer.this_update, answer.next_update, None, in_time and answer.known)


def _by_serial(
    answers: Sequence[ocsp.OCSPResponse], authorities: Sequence[x509.Certificate]
) -> Mapping[int, list[Answer]]:
    found: dict[int, list[Answer]] = {}
    for response in answers:
        answer = read_answer(response, authorities)
        if answer is not None:
            found.setdefault(answer.serial, []).append(answer)
    return found


def _issuer_of(crl: x509.CertificateRevocationList) -> x509.Name | None:
    try:
        return crl.issuer
    except MALFORMED:  # what was fetched once stays in the cache, whatever it is: the others must be read
        return None


def _read_list(crl: x509.CertificateRevocationList) -> _List:
    try:
        number: int | None = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, *MALFORMED):
        number = None
    return _List(crl, crl.last_update_utc, crl.next_update_utc, number)


def load_crl(data: bytes) -> x509.CertificateRevocationList:
    """A list, PEM or DER. Raises ValueError."""
    return x509.load_pem_x509_crl(data) if PEM_MARK in data else x509.load_der_x509_crl(data)


def read_crls(path: str) -> list[x509.CertificateRevocationList]:
    """Every CRL of a directory (or file), PEM or DER."""
    found = []
    for file in list_files(path):
        try:
            found.append(load_crl(file.read_bytes()))
        except MALFORMED as error:
            raise ConfigError([f"{file}: not a revocation list ({error})"]) from error
    return found


def read_cache(folder: Path) -> tuple[list[x509.CertificateRevocationList], list[ocsp.OCSPResponse]]:
    """What was fetched: lists (`.crl`) and OCSP answers (`.ocsp`). A file that cannot be read is as one that is not."""
    lists, answers = [], []
    for file in list_files(str(folder)) if folder.is_dir() else []:
        try:
            if file.suffix == ".crl":
                lists.append(load_crl(file.read_bytes()))
            elif file.suffix == ".ocsp":
                answers.append(ocsp.load_der_ocsp_response(file.read_bytes()))
        except (OSError, *MALFORMED):
            continue
    return lists, answers


def is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Did this authority sign the list?"""
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False


def name_of_answer(certificate: x509.Certificate) -> str:
    """The file of the cache that holds the OCSP answer about a certificate."""
    return f"{certificate.fingerprint(hashes.SHA256()).hex()}.ocsp"


def name_of_list(url: str) -> str:
    """The file of the cache that holds the list of an address."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(url.encode())
    return f"{digest.finalize().hex()}.crl"


def _is_unrevoked(entry: x509.RevokedCertificate) -> bool:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *MALFORMED):
        return False
    return reason is x509.ReasonFlags.remove_from_crl


def _revoked_at(entry: x509.RevokedCertificate) -> datetime:
    """Since when: from the day on which its key was lost, when the list tells that day (RFC 5280 §5.3.2)."""
    try:
        lost = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc
    except (x509.ExtensionNotFound, *MALFORMED):
        return entry.revocation_date_utc
    return min(lost, entry.revocation_date_utc)
