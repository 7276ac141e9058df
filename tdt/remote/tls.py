"""The TLS client settings shared by the HTTPS, IMAP and FTPS adapters."""

import asyncio
import ssl
from pathlib import Path

from tdt.remote.errors import settings_read


async def client_context(
    service: str, authorities: str, certificate: str = "", key: str = "", ciphers: str = ""
) -> ssl.SSLContext:
    """Verifies the server against `authorities` (file, directory, or the system's when empty), host name included.

    The files are read at each use, so that a renewed certificate needs no restart; in a thread, for the system's
    authorities take milliseconds to load. `ciphers`: OpenSSL's words when its own choice is too strict for an old
    server ("DEFAULT@SECLEVEL=0").
    """
    with settings_read(service):
        context = await asyncio.to_thread(_load, authorities, certificate, key)
        if ciphers:
            context.set_ciphers(ciphers)
        return context


def trust_pins_only(context: ssl.SSLContext) -> None:
    """Whoever presents the expected certificate is the server, whatever signed it: who connects checks it by itself."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _load(authorities: str, certificate: str, key: str) -> ssl.SSLContext:
    if not authorities:
        context = ssl.create_default_context()
    elif Path(authorities).is_dir():
        context = ssl.create_default_context(capath=authorities)
    else:
        context = ssl.create_default_context(cafile=authorities)
    if certificate:
        context.load_cert_chain(certificate, key or None)
    return context
