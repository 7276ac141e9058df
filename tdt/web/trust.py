"""What the server believes now of client certificates; reloaded while it runs, the last good state kept on a fault."""

import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from tdt.certificates.chain import VERDICT_HOLDS
from tdt.certificates.files import MALFORMED, Stamp, read_certificates, stamp
from tdt.certificates.revocation import Finding, Revocations, read_cache, read_crls
from tdt.certificates.rgs import Assessor, load_issuers
from tdt.config import Server
from tdt.domain.identity import Identity, certificate_hash
from tdt.web.handshake import telling_object
from tdt.web.tls import build_context

REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _State:
    context: ssl.SSLContext | None
    transmit: Assessor
    revocations: Revocations
    stamp: Stamp
    findings: dict[bytes, tuple[datetime, Finding]] = field(default_factory=dict)
    """Verdicts drawn from these lists and answers, and when: they go with them."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A certificate seen lately, and what each request asks of it."""

    certificate: x509.Certificate
    hash: str
    sha256: str
    subject_dn: str
    issuer_dn: str
    not_before: datetime
    not_after: datetime


class Trust:
    """The certificates, authorities and revocation lists of `[server]`, and the verdicts drawn from them."""

    def __init__(
        self,
        server: Server,
        now: Callable[[], datetime],
        tell: Callable[[str], None] = lambda _: None,
        cache: Path | None = None,
        count: Callable[[str], None] = lambda _: None,
    ):
        self._server, self._cache = server, cache
        self._objects = telling_object(tell, count)
        self._now = now
        self._files = (
            server.certificate,
            server.key,
            server.second_certificate,
            server.second_key,
            server.connect_authorities,
            server.transmit_authorities,
            server.rgs,
            server.crl_directory,
        )
        self._leaves: OrderedDict[bytes, _Leaf] = OrderedDict()
        self._state = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS context of the next handshake."""
        if self._state.context is None:
            raise RuntimeError("TLS does not end in this process")
        return self._state.context

    def reload(self) -> bool:
        """Read the files again when one changed; True when they were. Blocks: call it in a thread.

        Raises ConfigError (or OSError) on a fault and then keeps believing what it believed.
        """
        if stamp(self._paths()) == self._state.stamp:
            return False
        self._state = self._load()
        return True

    def refusal(self, der: bytes) -> str:
        """Why a connection with this certificate must be closed, empty when it may stay: revoked or ended since.

        A resumed TLS session is not verified again by OpenSSL, so the dates are looked at here too.
        """
        leaf, now = self._leaf(der), self._now()
        if not leaf.not_before <= now <= leaf.not_after:
            return "expired"
        return self._look(der, leaf, now).refusal

    def _look(self, der: bytes, leaf: _Leaf, now: datetime) -> Finding:
        findings = self._state.findings
        seen, finding = findings.get(der, (None, None))
        if finding is None or seen is None or not timedelta(0) <= now - seen < VERDICT_HOLDS:
            finding = self._state.revocations.look(leaf.certificate, now)
            if len(findings) >= REMEMBERED:
                findings.clear()
            findings[der] = (now, finding)
        return finding

    def identify(self, der: bytes) -> Identity:
        """Who the certificate says that its holder is. Raises ValueError when it cannot be read."""
        leaf, now = self._leaf(der), self._now()
        found, proof = self._state.transmit.assess(der, now), self._look(der, leaf, now).proof
        return Identity(
            certificate_hash=leaf.hash,
            der=der,
            subject_dn=leaf.subject_dn,
            issuer_dn=leaf.issuer_dn,
            not_after=leaf.not_after,
            transmit=not found.refusal,
            refusal=found.refusal,
            level=found.level,
            holder=found.holder,
            policies=found.policies,
            evidence={
                "certificate": leaf.sha256,
                "chain": list(found.fingerprints),
                "level": str(found.level),
                "holder": str(found.holder) if found.holder is not None else None,
                "policies": list(found.policies),
                "revocation": proof.recorded(),
            },
        )

    def _leaf(self, der: bytes) -> _Leaf:
        leaf = self._leaves.get(der)
        if leaf is None:
            leaf = self._leaves[der] = _read_leaf(der)
            if len(self._leaves) > REMEMBERED:
                self._leaves.popitem(last=False)
        return leaf

    def _paths(self) -> Sequence[str]:
        # the folder of what is fetched comes with the first list
        return (*self._files, str(self._cache)) if self._cache is not None and self._cache.is_dir() else self._files

    def _load(self) -> _State:
        # the stamp first: a file changed while we read is then seen by the next reload
        seen = stamp(self._paths())
        server = self._server
        tls = server.client_certificate == "tls"
        authorities = read_certificates(server.connect_authorities)
        issuers = load_issuers(server.rgs)
        fetched, answers = read_cache(self._cache) if self._cache is not None else ([], [])
        crls = [*read_crls(server.crl_directory), *fetched]
        return _State(
            context=build_context(server, lambda: self.context, self._objects) if tls else None,
            transmit=Assessor(read_certificates(server.transmit_authorities), issuers),
            revocations=Revocations(authorities, crls, answers, issuers, server.crl_required),
            stamp=seen,
        )


def _read_leaf(der: bytes) -> _Leaf:
    try:
        certificate = x509.load_der_x509_certificate(der)
        return _Leaf(
            certificate=certificate,
            hash=certificate_hash(der),
            sha256=hashlib.sha256(der).hexdigest(),
            subject_dn=certificate.subject.rfc4514_string(),
            issuer_dn=certificate.issuer.rfc4514_string(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except MALFORMED as error:
        raise ValueError(str(error)) from error
