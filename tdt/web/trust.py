"""What the server believes now of client certificates; reloaded while it runs, the last good state kept on a fault."""

import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from tdt.config import Server
from tdt.domain.identity import Identity, certificate_hash
from tdt.web.handshake import telling_object
from tdt.web.revocation import Revocations, read_crls
from tdt.web.tls import ChainVerifier, Stamp, build_context, read_certificates, stamp

REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _State:
    context: ssl.SSLContext | None
    transmit: ChainVerifier
    revocations: Revocations
    stamp: Stamp


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
            server.crl_directory,
        )
        self._leaves: OrderedDict[bytes, x509.Certificate] = OrderedDict()
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
        if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
            return "expired"
        return self._state.revocations.refusal(leaf, self._server.crl_required, now)

    def identify(self, der: bytes) -> Identity:
        """Who the certificate says that its holder is. Raises ValueError when it cannot be read."""
        leaf = self._leaf(der)
        refusal = self._state.transmit.refusal(der, self._now())
        return Identity(
            certificate_hash=certificate_hash(der),
            der=der,
            subject_dn=leaf.subject.rfc4514_string(),
            issuer_dn=leaf.issuer.rfc4514_string(),
            not_after=leaf.not_valid_after_utc,
            transmit=not refusal,
            refusal=refusal,
        )

    def _leaf(self, der: bytes) -> x509.Certificate:
        leaf = self._leaves.get(der)
        if leaf is None:
            leaf = self._leaves[der] = x509.load_der_x509_certificate(der)
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
            transmit=ChainVerifier(read_certificates(server.transmit_authorities)),
            revocations=Revocations(authorities, read_crls(server.crl_directory)),
            stamp=seen,
        )
