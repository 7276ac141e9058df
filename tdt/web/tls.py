"""TLS of the server: a context that demands a client certificate, replaced live."""

import ssl
from collections.abc import Callable
from pathlib import Path

from tdt.certificates.files import PEM_MARK, list_files
from tdt.config import ConfigError, Server


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
