"""Who is told by e-mail of what happens to a transaction, how, with which files: S2LOW's rules, the accounts' wishes.

S2LOW mails the owner (without files), then the collectivité's default list (with the stamped files), then the addresses
given at the deposit (with the files if `send_sources`). An address is told once, whatever lists it is on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.text import is_email

SEPARATORS = re.compile(r"[,;\s]+")


class Kind(StrEnum):
    """What an account may wish to be told of differently."""

    ERROR = "error"
    ACKNOWLEDGED = "acknowledged"
    LETTER = "letter"


class Mode(StrEnum):
    """How an address is told."""

    IMMEDIATE = "immediate"
    DIGEST = "digest"
    NONE = "none"
    REFUSED = "refused"
    """Not a wish: the mail server refuses the address, it is set aside."""


WISHES = (Mode.IMMEDIATE, Mode.DIGEST, Mode.NONE)
"""From the most eager to the least."""


class Reason(StrEnum):
    """Why an address is told."""

    OWNER = "owner"
    AUTHORITY = "authority"
    DEPOSIT = "deposit"


KINDS: Mapping[ActeStatus, Kind] = {
    ActeStatus.ERREUR: Kind.ERROR,
    ActeStatus.ACQUITTEMENT_RECU: Kind.ACKNOWLEDGED,
    ActeStatus.ACQUITTEMENT_DE_DOCUMENT_RECU: Kind.ACKNOWLEDGED,
    ActeStatus.DOCUMENT_RECU: Kind.LETTER,
    ActeStatus.ACQUITTEMENT_ENVOYE: Kind.LETTER,
    ActeStatus.DOCUMENT_RECU_SANS_AR: Kind.LETTER,
}
"""The statuses that are told, and what kind of event each is."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The addresses of a transaction as they are kept, and what is known of them.

    `wishes`: of each address that belongs to accounts of the collectivité, in lower case, what these accounts wish (one
    that says nothing is not there). `refused`: the addresses set aside.
    """

    type: int
    owner: str
    default_list: str
    deposit_list: str
    send_sources: bool
    wishes: Mapping[str, Sequence[Mode]]
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address to tell."""

    address: str
    reason: Reason
    mode: Mode
    with_files: bool = False


def list_recipients(lists: Lists) -> list[Recipient]:
    """Each usable address once, in S2LOW's order: owner, default list, addresses of the deposit.

    Requests for a classification are routine of the platform: only who asked is told.
    """
    asked: list[tuple[str, Reason, bool]] = [(one, Reason.OWNER, False) for one in addresses(lists.owner)]
    if lists.type != MessageCode.CLASSIFICATION:
        asked += [(one, Reason.AUTHORITY, True) for one in addresses(lists.default_list)]
        asked += [(one, Reason.DEPOSIT, lists.send_sources) for one in addresses(lists.deposit_list)]
    found: dict[str, Recipient] = {}
    for address, reason, with_files in asked:
        known = found.get(address) or Recipient(address, reason, _mode(lists, address))
        found[address] = replace(known, with_files=known.with_files or with_files)
    return list(found.values())


def _mode(lists: Lists, address: str) -> Mode:
    if address in lists.refused:
        return Mode.REFUSED
    wishes = lists.wishes.get(address, ())
    return next((mode for mode in WISHES if mode in wishes), Mode.IMMEDIATE)


def addresses(text: str) -> list[str]:
    """The usable addresses of a list as forms hold it, in lower case, each once; what is no address is left out."""
    found = (one.lower() for one in SEPARATORS.split(text) if is_email(one))
    return list(dict.fromkeys(found))
