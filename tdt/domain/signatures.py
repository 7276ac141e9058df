"""Electronic signatures, whatever they sign: what was seen of one, and whose its certificate is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Coverage = Literal["file", "revision", "part"]
Changes = Literal["none", "allowed", "suspicious"]
Kind = Literal["signature", "timestamp"]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature, its arithmetic done: whose certificate, over what, and whether both still agree.

    `fault`: it could not be read, and the words of the library. `covers`: the whole file, a whole former state of it
    (then `changes` says what came after), or a part. `stamped_at`: proven by a time stamp over the signature itself.
    """

    name: str
    kind: Kind = "signature"
    certificate: bytes = b""
    others: tuple[bytes, ...] = ()
    digest: str = ""
    signed_at: datetime | None = None
    stamped_at: datetime | None = None
    intact: bool = False
    valid: bool = False
    covers: Coverage = "part"
    changes: Changes = "none"
    fault: str = ""
    unverified: str = ""
    """What a file of signature says of itself that cannot be verified here: told, and no refusal."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """Those that were found. `fault`: they could not even be looked for."""

    found: tuple[Signature, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose certificate it is, and why it does not lead to the authorities accepted (empty when it does).

    `revoked_at`: it is revoked since then, whether that counts or not at the instant for which it was judged.
    """

    subject: str = ""
    issuer: str = ""
    serial: str = ""
    chain: tuple[str, ...] = ()
    revocation: Mapping[str, object] | None = None
    refusal: str = ""
    revoked_at: datetime | None = None
