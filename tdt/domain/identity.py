"""What a client certificate tells: the key of its accounts, its names, its end, and whether it may télétransmettre."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tdt.domain.rgs import Holder, Level


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate whose chain the TLS layer has verified.

    `transmit`: its chain also leads to the authorities accepted for télétransmission (what S2LOW calls an RGS
    connexion) and, where RGS levels are declared (rgs.toml), it has one. `refusal` says in French why when it may not.
    `level`, `holder`: NONE and None where no level is declared; `policies`: its policy identifiers, in dotted form.
    """

    certificate_hash: str
    der: bytes
    subject_dn: str
    issuer_dn: str
    not_after: datetime
    transmit: bool
    refusal: str = ""
    level: Level = Level.NONE
    holder: Holder | None = None
    policies: tuple[str, ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)
    """What the decision rests on, as the audit keeps it with each deposit: the chain by the SHA-256 of its
    certificates, the level, the list or OCSP answer in which the certificate was not found revoked."""


def certificate_hash(der: bytes) -> str:
    """The key of an account: base64 of the SHA-1 of the certificate, as S2LOW stores it."""
    return base64.b64encode(hashlib.sha1(der, usedforsecurity=False).digest()).decode("ascii")


def forwarded_certificate(header: str) -> str:
    """The PEM text (64 columns, no final newline) of the header org.s2low.forward-x509-identification.

    The header is the base64 of a DER certificate; one that is not base64 gives a text that no account carries.
    """
    try:
        encoded = base64.b64encode(base64.b64decode(header, validate=True)).decode("ascii")
    except (binascii.Error, ValueError):
        return "?"
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"])
