"""TLS of the server: a context that demands a client certificate, replaced live."""

import ssl
from collections.abc import Callable
from pathlib import Path

from tdt.certificates.files import PEM_MARK, list_files, read_certificates
from tdt.config import ConfigError, Server

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def build_context(
    server: Server, current: Callable[[], ssl.SSLContext], objects: type[ssl.SSLObject]
) -> ssl.SSLContext:
    """A context that demands a client certificate of the connect authorities; `current` gives the live one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = objects
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.minimum_version, context.maximum_version = VERSIONS[server.tls_minimum], VERSIONS[server.tls_maximum]
    # one ticket: none stalls clients without TCP_NODELAY by 40 ms, two cost CPU, stateful ones cost memory
    context.num_tickets = 1
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(server.certificate, server.key or None)
        if server.second_certificate:
            # of another kind of key, or it would take the place of the first: OpenSSL picks by what the client can read
            _check_kinds(server)
            context.load_cert_chain(server.second_certificate, server.second_key)
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


def _check_kinds(server: Server) -> None:
    kinds = {type(read_certificates(path)[0].public_key()) for path in (server.certificate, server.second_certificate)}
    if len(kinds) < 2:
        raise ConfigError(["server.second_certificate: must have a key of another kind than server.certificate"])


def _load_authorities(context: ssl.SSLContext, file: Path) -> None:
    data = file.read_bytes()
    context.load_verify_locations(cadata=data.decode("latin-1") if PEM_MARK in data else data)
