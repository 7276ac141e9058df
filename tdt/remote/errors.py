"""Translates the errors of the network libraries into ours, once, according to how far the exchange had gone."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tdt.domain.errors import TdtError, Temporary, Uncertain

SETTINGS = "REGLAGE"
"""Code of a Temporary that an operator must lift: a certificate, key or host file that cannot be used."""


@dataclass(slots=True)
class Progress:
    """`sent` is set just before the first byte that can deliver the document: from then on, silence proves nothing.

    `ours`: what was to be sent could not be read, which says nothing of the other end.
    """

    sent: bool = False
    ours: bool = False

    async def own(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks; libraries wrap an error of these as if it came from the other end."""
        try:
            async for chunk in chunks:
                yield chunk
        except Exception:
            self.ours = True
            raise


@dataclass(frozen=True, slots=True)
class Remote:
    """Who is at the other end, for the message, and the error types of the library that speaks to it.

    `refusal` gives the words of an explicit "no" of the other end: after a "no", nothing is in doubt.
    """

    service: str
    foreign: tuple[type[Exception], ...] = ()
    refusal: Callable[[Exception], str | None] | None = None
    code: str | None = None
    """Of its Temporary errors, when they have one of their own."""


@contextmanager
def translated(remote: Remote, *, hide_cause: bool = False) -> Iterator[Progress]:
    """Temporary when surely nothing was delivered, Uncertain when it may have been. Our own errors go through.

    `hide_cause` leaves the foreign error out of the chain: for exchanges whose address holds a password.
    """
    progress = Progress()
    foreign: tuple[type[Exception], ...] = (OSError, EOFError, *remote.foreign)
    try:
        yield progress
    except foreign as error:
        raise _classify(remote, progress, error) from (None if hide_cause else error)


@contextmanager
def settings_read(service: str) -> Iterator[None]:
    """Files named by the settings that are missing or malformed: wait for the operator, lose nothing."""
    try:
        yield
    except (OSError, ValueError) as error:
        message = f"{service} : certificat, clé ou autorités de confiance inutilisables"
        raise Temporary(message, code=SETTINGS, details={"error": describe(error)}) from error


def _classify(remote: Remote, progress: Progress, error: Exception) -> TdtError:
    details: dict[str, object] = {"error": describe(error)}
    refusal = remote.refusal(error) if remote.refusal else None
    if refusal is not None:
        return Temporary(f"{remote.service} : demande refusée", details=details | {"reply": refusal})
    details["of_remote"] = not progress.ours
    if progress.sent:
        return Uncertain(f"{remote.service} : liaison perdue après le début de l'envoi, sans réponse", details=details)
    message = f"{remote.service} : liaison impossible ou interrompue"
    return Temporary(message, code=remote.code, details=details)


def describe(error: Exception) -> str:
    """Type and system reason of an error: never its text, which may quote an address and its password."""
    reason = getattr(error, "reason" if isinstance(error, ssl.SSLError) else "strerror", None)
    if not isinstance(reason, str) or "://" in reason:
        return type(error).__name__
    return f"{type(error).__name__} {reason}".strip()
