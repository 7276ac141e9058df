"""RGS levels: the file rgs.toml, and what it makes of a client certificate."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tdt.certificates.chain import Chain, ChainVerifier
from tdt.certificates.files import MALFORMED
from tdt.config import ConfigError
from tdt.domain.rgs import RANKS, Holder, Issuer, Level, Policy, RevocationPolicy, Verdict, judge, strays

REMEMBERED = 4096
SHA256 = re.compile(r"[0-9a-f]{64}")
ANY_POLICY = "2.5.29.32.0"
"""RFC 5280 §4.2.1.4: says nothing of what a certificate is for."""


# ---------------------------------------------------------------------------------------------- rgs.toml


class PolicyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table `[[authority.policy]]`."""

    oid: str
    level: str
    holder: Holder


class AuthorityEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table `[[authority]]`."""

    subject: str
    policy: list[PolicyEntry]
    sha256: str = ""
    revocation: RevocationPolicy | None = None


def load_issuers(path: str) -> tuple[Issuer, ...]:
    """The authorities that the file declares, none for an empty path. Raises OSError, or ConfigError: every fault."""
    if not path:
        return ()
    try:
        return read_issuers(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8"]) from error
    except ConfigError as error:
        raise ConfigError([f"{path}: {fault}" for fault in error.faults]) from error


def read_issuers(text: str) -> tuple[Issuer, ...]:
    """The authorities of the text of an rgs.toml. Raises ConfigError with every fault."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([str(error)]) from error
    faults = [f"{key}: unknown key" for key in document if key != "authority"]
    tables = document.get("authority", [])
    if not isinstance(tables, list):
        raise ConfigError([*faults, "authority: must be tables [[authority]]"])
    issuers = []
    for number, table in enumerate(tables, 1):
        found = list(_authority_faults(table))
        faults += [f"[[authority]] {number}: {fault}" for fault in found]
        if not found:
            issuers.append(_issuer(msgspec.convert(table, AuthorityEntry)))
    faults += _doubles(issuers)
    if faults:
        raise ConfigError(faults)
    return tuple(issuers)


def _authority_faults(table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "must be a table"
        return
    yield from _key_faults(table, AuthorityEntry, skip="policy")
    subject, sha256 = table.get("subject"), table.get("sha256")
    if isinstance(subject, str) and not normal_name(subject):
        yield f"subject: {subject!r} is not a distinguished name (RFC 4514)"
    if isinstance(sha256, str) and sha256 and not SHA256.fullmatch(_plain_digest(sha256)):
        yield "sha256: must be 64 hexadecimal digits"
    policies = table.get("policy", [])
    if not isinstance(policies, list) or not policies:
        yield "policy: at least one table [[authority.policy]]"
        return
    for number, policy in enumerate(policies, 1):
        for fault in _policy_faults(policy):
            yield f"policy {number}: {fault}"


def _policy_faults(table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "must be a table"
        return
    yield from _key_faults(table, PolicyEntry)
    oid, level = table.get("oid"), table.get("level")
    if isinstance(oid, str) and not is_policy(oid):
        yield f"oid: {oid!r} is not the identifier of a policy"
    if isinstance(level, str) and level not in (Level.ONE, Level.TWO):
        yield f'level: {level!r}, must be "*" or "**"'


def _key_faults(table: dict[str, Any], entry: type[msgspec.Struct], skip: str = "") -> Iterator[str]:
    fields = {field.name: field for field in msgspec.structs.fields(entry)}
    for key, value in table.items():
        if key not in fields:
            yield f"{key}: unknown key"
        elif key != skip:
            try:
                msgspec.convert(value, fields[key].type)
            except msgspec.ValidationError as error:
                yield f"{key}: {error}"
    yield from (
        f"{name}: missing" for name, field in fields.items() if field.required and name not in table and name != skip
    )


def _doubles(issuers: Iterable[Issuer]) -> Iterator[str]:
    seen = set()
    for issuer in issuers:
        key = (issuer.subject, issuer.sha256)
        if key in seen:
            yield f"[[authority]] {issuer.subject!r} {issuer.sha256}: declared twice".replace("  ", " ")
        seen.add(key)


def _issuer(entry: AuthorityEntry) -> Issuer:
    policies = tuple(Policy(policy.oid, Level(policy.level), policy.holder) for policy in entry.policy)
    return Issuer(normal_name(entry.subject), _plain_digest(entry.sha256), policies, entry.revocation)


def is_policy(oid: str) -> bool:
    """Is this an object identifier in dotted form, that can stand for a level?"""
    try:
        return x509.ObjectIdentifier(oid).dotted_string == oid != ANY_POLICY
    except ValueError:
        return False


def normal_name(subject: str) -> str:
    """The name as cryptography writes it, whatever the escapes; empty if it is none."""
    try:
        return x509.Name.from_rfc4514_string(subject).rfc4514_string()
    except ValueError:
        return ""


def _plain_digest(text: str) -> str:
    return text.replace(":", "").lower()


# ---------------------------------------------------------------------------------------------- a certificate


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a certificate is worth: may it télétransmettre (`refusal` empty), at which level, by which chain."""

    chain: Chain
    policies: tuple[str, ...]
    level: Level
    holder: Holder | None
    refusal: str
    fingerprints: tuple[str, ...] = ()
    """The SHA-256 of the certificates of the chain."""


class Assessor:
    """The authorities accepted for télétransmission and the levels declared, applied to client certificates."""

    def __init__(self, authorities: Sequence[x509.Certificate], issuers: Sequence[Issuer]):
        self.issuers = tuple(issuers)
        self._verifier = ChainVerifier(authorities)
        self._authorities = tuple(authorities)
        self._known: dict[bytes, tuple[Chain, str, Assessment]] = {}

    def assess(self, der: bytes, now: datetime) -> Assessment:
        """Raises ValueError when the certificate cannot be read."""
        chain, detail = self._verifier.chain(der, now), self._verifier.refusal(der, now)
        known = self._known.get(der)
        if known is not None and known[0] is chain and known[1] == detail:
            return known[2]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        assessment = self._assess(x509.load_der_x509_certificate(der), chain, detail)
        self._known[der] = (chain, detail, assessment)
        return assessment

    def _assess(self, leaf: x509.Certificate, chain: Chain, detail: str) -> Assessment:
        policies = list_policies(leaf)
        if not chain:
            reason = strays(leaf.issuer.rfc4514_string(), policies, detail)
            return Assessment(chain, policies, Level.NONE, None, reason)
        digests = tuple(fingerprint(one) for one in chain)
        if not self.issuers:
            return Assessment(chain, policies, Level.NONE, None, "", digests)
        verdict = self._judge(chain[min(1, len(chain) - 1)], policies)
        return Assessment(chain, policies, verdict.level, verdict.holder, verdict.reason, digests)

    def _judge(self, issuer: x509.Certificate, policies: Sequence[str]) -> Verdict:
        # an authority renewed with its key has two certificates: either may stand in the chain, either may be declared
        twins = [issuer, *(one for one in self._authorities if one != issuer and _same_authority(one, issuer))]
        subject = issuer.subject.rfc4514_string()
        verdicts = [judge(self.issuers, subject, fingerprint(twin), policies) for twin in twins]
        return max(verdicts, key=lambda verdict: RANKS[verdict.level])


def list_policies(certificate: x509.Certificate) -> tuple[str, ...]:
    """The policy identifiers of a certificate (RFC 5280 §4.2.1.4), in their order; none if they cannot be read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.CertificatePolicies)
    except (x509.ExtensionNotFound, *MALFORMED):
        return ()
    return tuple(policy.policy_identifier.dotted_string for policy in extension.value)


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of the certificate, in lower-case hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _same_authority(one: x509.Certificate, other: x509.Certificate) -> bool:
    return one.subject == other.subject and _public_key(one) == _public_key(other)


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
