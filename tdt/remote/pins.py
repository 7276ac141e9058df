"""Server certificates known by their digest: checked before a byte of a request leaves."""

import asyncio
import base64
import binascii
import hashlib
import ssl
from collections.abc import Iterable

from tdt.domain.errors import Temporary
from tdt.remote.errors import SETTINGS

UNEXPECTED = "CERTIFICAT_INATTENDU"
"""Code of a Temporary that an operator must lift: the server has another certificate than the expected ones."""
MISMATCH = "Le certificat recu ({}) ne correspond pas à celui attendu ({})"
UNREADABLE = "{} : l'empreinte « {} » n'est pas celle d'un certificat (SHA-256 en base64 ou en hexadécimal)"


def read_pins(service: str, written: Iterable[str]) -> frozenset[bytes]:
    """SHA-256 digests of whole certificates, written in base64 or in hexadecimal. Raises Temporary (REGLAGE)."""
    return frozenset(_read(service, one) for one in written)


def _read(service: str, written: str) -> bytes:
    plain = written.strip().replace(":", "")
    for decode in (bytes.fromhex, lambda text: base64.b64decode(text, validate=True)):
        try:
            digest = decode(plain)
        except (ValueError, binascii.Error):
            continue
        if len(digest) == hashlib.sha256().digest_size:
            return digest
    raise Temporary(UNREADABLE.format(service, written), code=SETTINGS)


def check_peer(transport: asyncio.BaseTransport | None, pins: frozenset[bytes]) -> None:
    """Raises Temporary when what is at the other end has another certificate, or none: nothing was sent to it."""
    found = transport.get_extra_info("ssl_object") if transport is not None else None
    certificate = found.getpeercert(binary_form=True) if isinstance(found, ssl.SSLObject) else None
    digest = hashlib.sha256(certificate).digest() if certificate else b""
    if digest not in pins:
        expected = ", ".join(sorted(map(_written, pins)))
        message = MISMATCH.format(_written(digest) or "aucun", expected)
        raise Temporary(message, code=UNEXPECTED, details={"unreached": True, "of_remote": True})


def _written(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
