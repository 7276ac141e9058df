"""The error vocabulary: raised by the domain, the adapters and the flows; translated once, at the door.

`message` is French and meant for the user; `code` is stable and documented in docs/errors.md.
"""

from collections.abc import Mapping


class TdtError(Exception):
    """Base of every error that the program raises on purpose."""

    code = "ERREUR"

    def __init__(self, message: str, *, code: str | None = None, details: Mapping[str, object] | None = None):
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = dict(details or {})


class Refused(TdtError):
    """What was asked breaks a rule; asking again the same way gives the same answer."""

    code = "REFUS"


class Forbidden(TdtError):
    """The caller is known but may not do this."""

    code = "ACCES_REFUSE"


class NotFound(TdtError):
    """No such object for this caller."""

    code = "INCONNU"


class Conflict(TdtError):
    """The object is not (or no longer) in the state that the operation expects."""

    code = "CONFLIT"


class Temporary(TdtError):
    """A service that is needed does not answer now: wait and try again, never refuse."""

    code = "INDISPONIBLE"


class Held(Temporary):
    """What is to leave waits for a decision of people (its convention, a suspension): no failure, looked at again."""

    code = "CONVENTION_RETENUE"


class Permanent(TdtError):
    """A background step cannot succeed, however often it is tried: an operator must look."""

    code = "ECHEC"


class Uncertain(TdtError):
    """Bytes may or may not have reached the State: the crash rule applies, never a blind resend."""

    code = "INCERTAIN"


OTHER_SIZE = "TAILLE_DIFFERENTE"
"""Code of an Uncertain: the other end said that it took a file, and shows another number of bytes than was sent."""
