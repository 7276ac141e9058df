"""TLS of the server: who may connect, who may télétransmettre, and the live replacement of all of it."""

import ssl
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from tdt.config import ConfigError, Server

PEM_MARK = b"-----BEGIN"
REMEMBERED = 4096
VERDICT_HOLDS = timedelta(minutes=1)
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
        except ValueError as error:
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


class ChainVerifier:
    """Does a client certificate lead to these authorities? A verdict holds for a minute; a reload forgets it."""

    def __init__(self, authorities: Sequence[x509.Certificate]):
        # as `openssl verify` does, a chain must end at a self-signed authority
        self._roots = [authority for authority in authorities if authority.issuer == authority.subject]
        self._intermediates = [authority for authority in authorities if authority.issuer != authority.subject]
        self._verdicts: dict[bytes, tuple[datetime, str]] = {}

    def refusal(self, der: bytes, now: datetime) -> str:
        """Why the certificate is not accepted, empty when it is."""
        seen, verdict = self._verdicts.get(der, (None, ""))
        if seen is not None and timedelta(0) <= now - seen < VERDICT_HOLDS:
            return verdict
        if len(self._verdicts) >= REMEMBERED:
            self._verdicts.clear()
        verdict = self._verify(der, now)
        self._verdicts[der] = (now, verdict)
        return verdict

    def _verify(self, der: bytes, now: datetime) -> str:
        if not self._roots:
            return "aucune autorité n'est acceptée pour la télétransmission"
        builder = PolicyBuilder().store(Store(self._roots)).time(now)
        # client certificates rarely carry a SAN, which the usual profile demands
        builder = builder.extension_policies(ca_policy=_authority_policy(), ee_policy=ExtensionPolicy.permit_all())
        try:
            builder.build_client_verifier().verify(x509.load_der_x509_certificate(der), self._intermediates)
        except (VerificationError, ValueError) as error:
            return str(error)
        return ""


def _authority_policy() -> ExtensionPolicy:
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_may_sign)
    )


def _check_is_authority(_policy: object, _certificate: x509.Certificate, extension: x509.BasicConstraints) -> None:
    if not extension.ca:
        raise ValueError("an issuer of the chain is not an authority")


def _check_may_sign(_policy: object, _certificate: x509.Certificate, extension: x509.KeyUsage | None) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("an issuer of the chain may not sign certificates")


def build_context(
    server: Server, current: Callable[[], ssl.SSLContext], objects: type[ssl.SSLObject]
) -> ssl.SSLContext:
    """A context that demands a client certificate of the connect authorities; `current` gives the live one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = objects
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if server.tls_minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    # one ticket: none stalls clients without TCP_NODELAY by 40 ms, two cost CPU, stateful ones cost memory
    context.num_tickets = 1
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(server.certificate, server.key or None)
        for file in list_files(server.connect_authorities):
            _load_authorities(context, file)
    except OSError as error:
        # ssl.SSLError is an OSError: an unreadable or unfit certificate, key or authority
        raise ConfigError([f"TLS files of [server]: {error}"]) from error
    if not context.get_ca_certs():
        raise ConfigError(["server.connect_authorities: no certificate authority found"])

    def use_current(connection: ssl.SSLObject, _name: str | None, initial: ssl.SSLContext) -> None:
        if (live := current()) is not initial:
            connection.context = live

    context.sni_callback = use_current
    return context


def _load_authorities(context: ssl.SSLContext, file: Path) -> None:
    data = file.read_bytes()
    context.load_verify_locations(cadata=data.decode("latin-1") if PEM_MARK in data else data)
