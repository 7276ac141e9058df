"""The TLS client settings shared by the HTTPS, IMAP and FTPS adapters."""

import asyncio
import ssl
from pathlib import Path

from tdt.remote.errors import settings_read


async def client_context(service: str, authorities: str, certificate: str = "", key: str = "") -> ssl.SSLContext:
    """Verifies the server against `authorities` (file, directory, or the system's when empty), host name included.

    The files are read at each use, so that a renewed certificate needs no restart; in a thread, for the system's
    authorities take milliseconds to load.
    """
    with settings_read(service):
        return await asyncio.to_thread(_load, authorities, certificate, key)


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
