"""What the server believes now of client certificates; reloaded while it runs, the last good state kept on a fault."""

import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from tdt.certificates.chain import VERDICT_HOLDS
from tdt.certificates.files import Stamp, read_certificates, stamp
from tdt.certificates.revocation import Revocations, read_crls
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

    def __init__(self, server: Server, now: Callable[[], datetime], tell: Callable[[str], None] = lambda _: None):
        self._server = server
        self._objects = telling_object(tell)
        self._now = now
        self._paths = (
            server.certificate,
            server.key,
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
            if len(self._leaves) > REMEMBERED:
                self._leaves.popitem(last=False)
        return leaf

    def _load(self) -> _State:
        # the stamp first: a file changed while we read is then seen by the next reload
        seen = stamp(self._paths)
        server = self._server
        tls = server.client_certificate == "tls"
        authorities = read_certificates(server.connect_authorities)
        return _State(
            context=build_context(server, lambda: self.context, self._objects) if tls else None,
            transmit=Assessor(read_certificates(server.transmit_authorities), load_issuers(server.rgs)),
            revocations=Revocations(authorities, read_crls(server.crl_directory)),
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
