"""A refused TLS handshake is told: an alert to the client, a line and a measure to the operator."""

import ssl
from collections.abc import Callable


def telling_object(
    tell: Callable[[str], None], count: Callable[[str], None] = lambda _version: None
) -> type[ssl.SSLObject]:
    """The class of TLS objects for a context: `tell` gets the reason of each handshake that fails, `count` the
    version of TLS of each that succeeds.

    The event loop drops the connection as soon as a handshake raises, and with it the alert that OpenSSL has just
    written: the client would only see a closed connection. Asking once for more data makes the loop flush it first;
    the failure itself is raised at whatever the client does next, or by the time limit of handshakes.
    """

    class Telling(ssl.SSLObject):
        _failure: ssl.SSLError | None = None

        def do_handshake(self) -> None:
            if self._failure is not None:
                raise self._failure
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                self._failure = error
                tell(reason(error))
                raise ssl.SSLWantReadError from error
            count(self.version() or "unknown")

    return Telling


def reason(error: ssl.SSLError) -> str:
    """Why a handshake failed, in OpenSSL's few fixed words: fit for a label."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    return (error.reason or "unknown").lower()
