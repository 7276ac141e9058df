"""What the server believes now of client certificates; reloaded while it runs, the last good state kept on a fault."""

import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from tdt.certificates.chain import VERDICT_HOLDS
from tdt.certificates.crl_cache import configured_points, demands, distribution_points, read_cached
from tdt.certificates.files import Stamp, read_certificates, stamp
from tdt.certificates.revocation import Revocations, read_crls
from tdt.certificates.rgs import Assessor, load_issuers
from tdt.config import Revocation, Server
from tdt.domain.identity import Identity, certificate_hash
from tdt.web.handshake import telling_object
from tdt.web.tls import build_context

REMEMBERED = 4096
LEARNT_POINTS = 64
"""Addresses of lists that client certificates may teach us: authorities have few."""


@dataclass(frozen=True, slots=True)
class _State:
    context: ssl.SSLContext | None
    transmit: Assessor
    authorities: tuple[x509.Certificate, ...]
    revocations: Revocations
    points: dict[str, x509.Name]
    """Where the lists of which issuer are."""
    stamp: Stamp
    revoked: dict[bytes, tuple[datetime, str]] = field(default_factory=dict)
    """Verdicts drawn from these lists, and when: they go with the lists."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A certificate seen lately, and what each request asks of it."""

    certificate: x509.Certificate
    hash: str
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
        revocation: Revocation = Revocation(),  # noqa: B008 - frozen
    ):
        self._server = server
        self._revocation = revocation
        if revocation.cache:
            Path(revocation.cache).mkdir(parents=True, exist_ok=True)
        self._learnt: dict[str, x509.Name] = {}
        self._objects = telling_object(tell)
        self._now = now
        self._paths = (
            server.certificate,
            server.key,
            server.connect_authorities,
            server.transmit_authorities,
            server.rgs,
            server.crl_directory,
            revocation.cache,
            *(issuer.certificate for issuer in revocation.issuer),
        )
        self._leaves: OrderedDict[bytes, _Leaf] = OrderedDict()
        self._state = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS context of the next handshake."""
        if self._state.context is None:
            raise RuntimeError("TLS does not end in this process")
        return self._state.context

    @property
    def points(self) -> dict[str, x509.Name]:
        """The addresses of revocation lists, each with the issuer of the list."""
        return self._learnt | self._state.points

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """The authorities whose certificates may connect, and whose lists count."""
        return self._state.authorities

    def reload(self) -> bool:
        """Read the files again when one changed; True when they were. Blocks: call it in a thread.

        Raises ConfigError (or OSError) on a fault and then keeps believing what it believed.
        """
        if stamp(self._paths) == self._state.stamp:
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
        state = self._state
        seen, verdict = state.revoked.get(der, (None, ""))
        if seen is None or not timedelta(0) <= now - seen < VERDICT_HOLDS:
            verdict = state.revocations.refusal(leaf.certificate, self._server.crl_required, now)
            if len(state.revoked) >= REMEMBERED:
                state.revoked.clear()
            state.revoked[der] = (now, verdict)
        return verdict

    def identify(self, der: bytes) -> Identity:
        """Who the certificate says that its holder is. Raises ValueError when it cannot be read."""
        leaf = self._leaf(der)
        found = self._state.transmit.assess(der, self._now())
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
        )

    def _leaf(self, der: bytes) -> _Leaf:
        leaf = self._leaves.get(der)
        if leaf is None:
            leaf = self._leaves[der] = _read_leaf(der)
            self._learn(leaf.certificate)
            if len(self._leaves) > REMEMBERED:
                self._leaves.popitem(last=False)
        return leaf

    def _learn(self, certificate: x509.Certificate) -> None:
        """Where the list of its issuer is, unless the configuration says it. Its chain was verified by TLS."""
        configured = set(self._state.points.values())
        for url, issuer in distribution_points(certificate).items():
            if issuer not in configured and len(self._learnt) < LEARNT_POINTS:
                self._learnt[url] = issuer

    def _load(self) -> _State:
        # the stamp first: a file changed while we read is then seen by the next reload
        seen = stamp(self._paths)
        server = self._server
        tls = server.client_certificate == "tls"
        authorities = read_certificates(server.connect_authorities)
        return _State(
            context=build_context(server, lambda: self.context, self._objects) if tls else None,
            transmit=Assessor(read_certificates(server.transmit_authorities), load_issuers(server.rgs)),
            authorities=authorities,
            revocations=Revocations(
                authorities,
                [*read_crls(server.crl_directory), *read_cached(self._revocation.cache)],
                demands(self._revocation),
            ),
            points=configured_points(self._revocation, authorities),
            stamp=seen,
        )


def _read_leaf(der: bytes) -> _Leaf:
    certificate = x509.load_der_x509_certificate(der)
    return _Leaf(
        certificate=certificate,
        hash=certificate_hash(der),
        subject_dn=certificate.subject.rfc4514_string(),
        issuer_dn=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )
