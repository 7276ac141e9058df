"""What comes to an end (certificates, revocation lists, conventions): when it must be announced, and to whom."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from tdt.domain.calendar import PARIS, paris_date
from tdt.domain.conventions import LABELS, Convention, last_day, takes_over, terms_on
from tdt.domain.ids import AuthorityId

THRESHOLDS = (90, 60, 30, 7)
"""Days before the end at which one notice leaves."""
OUT_OF_DATE = 0
"""The threshold of a revocation list that is past its next update."""

NO_END = datetime(9999, 12, 31, tzinfo=UTC)
"""RFC 5280 §4.1.2.5: a certificate without a known end says the last second of this day, which is no day in Paris."""


class Kind(StrEnum):
    """What ends."""

    ACCOUNT = "account"
    """The certificate of one or several accounts."""
    SERVER = "server"
    """Our own, with its chain."""
    STATE = "state"
    """What we show to the State's servers, and the authorities by which we know them."""
    SIGNING = "signing"
    """With what the platform signs."""
    AUTHORITY = "ca"
    """An authority whose certificates may connect or télétransmettre, or that of the mail server."""
    CRL = "crl"
    CONVENTION = "convention"

    @property
    def notice(self) -> str:
        """The kind of its notices, in the table `notice`."""
        return f"{self}.ending"


OF_THE_OPERATOR = frozenset({Kind.SERVER, Kind.STATE, Kind.SIGNING, Kind.AUTHORITY, Kind.CRL})
"""Nobody else can do anything about these."""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody to whom it matters: an account (`account` is its name), or a collectivité as such (`account` empty)."""

    authority_id: AuthorityId | None
    authority: str
    account: str = ""
    email: str = ""

    @property
    def label(self) -> str:
        """For people: `Jeanne Martin (Commune d'Exemple)`."""
        if not self.account:
            return self.authority
        return f"{self.account} ({self.authority})" if self.authority else self.account


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends.

    `subject` is its key: what replaces it has another one, and is announced anew. `ends_at` is its last instant, None
    when it cannot be told (`fault` says why, in French). `begins_at` counts for revocation lists only. `where`: the
    files or the table that hold it.
    """

    kind: Kind
    subject: str
    name: str
    ends_at: datetime | None
    where: str = ""
    parties: tuple[Party, ...] = ()
    begins_at: datetime | None = None
    fault: str = ""

    @property
    def ends_on(self) -> date | None:
        """The civil day in Paris of its end: the last day on which it is of use."""
        return paris_date(min(self.ends_at, NO_END)) if self.ends_at is not None else None

    def days_left(self, now: datetime) -> int | None:
        """Civil days in Paris until the day of the end: 0 on that day, negative after it."""
        return (self.ends_on - paris_date(now)).days if self.ends_on is not None else None


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """The certificate by which an account is known.

    `certificate_hash` is S2LOW's (SHA-1 of its DER), `name` its distinguished name, `ends_at` None when nobody recorded
    it; `forwarded_pem` is the second one, which the software forwards, empty without.
    """

    certificate_hash: str
    name: str
    ends_at: datetime | None
    forwarded_pem: str
    party: Party


def last_instant(day: date) -> datetime:
    """The end of a civil day in Paris, to the second."""
    return datetime.combine(day, time(23, 59, 59), PARIS)


def due_threshold(ending: Ending, now: datetime) -> int | None:
    """The threshold whose notice is due today: the nearest one already reached, so that late discovery says it once.

    None when it is too early, too late, or unknown. A revocation list is renewed all the time: it is announced at a
    threshold only if that leaves it more than half of its life, and once when it is out of date.
    """
    if ending.ends_at is None:
        return None
    if ending.ends_at < now:
        return OUT_OF_DATE if ending.kind is Kind.CRL else None
    left = ending.days_left(now)
    reached = [threshold for threshold in _thresholds(ending) if left is not None and left <= threshold]
    return min(reached, default=None)


def _thresholds(ending: Ending) -> Sequence[int]:
    if ending.kind is not Kind.CRL:
        return THRESHOLDS
    if ending.begins_at is None or ending.ends_at is None:
        return ()
    life = ending.ends_at - ending.begins_at
    return [threshold for threshold in THRESHOLDS if 2 * timedelta(days=threshold) < life]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A convention, and the collectivité to which its end matters."""

    convention: Convention
    party: Party


def convention_endings(agreements: Sequence[Agreement]) -> list[Ending]:
    """The conventions that end and that no other one takes over."""
    together: dict[tuple[AuthorityId, str], list[Agreement]] = defaultdict(list)
    for one in agreements:
        together[one.convention.authority_id, one.convention.module].append(one)
    return [
        _ending(one, last)
        for of_the_module in together.values()
        for one in of_the_module
        if (last := last_day(one.convention)) is not None
        and not any(takes_over(other.convention, one.convention) for other in of_the_module)
    ]


def _ending(one: Agreement, last: date) -> Ending:
    convention = one.convention
    party = terms_on(convention, last).state_party
    return Ending(
        Kind.CONVENTION,
        f"convention:{convention.id}:{last.isoformat()}",  # a new last day is announced anew
        f"{convention.reference} ({LABELS[convention.module]}{f', {party}' if party else ''})",
        last_instant(last),
        "convention",
        (one.party,),
    )


def recipients(
    ending: Ending, administrators: Mapping[AuthorityId, Sequence[str]], operators: Sequence[str]
) -> dict[str, tuple[Party, ...] | None]:
    """Who is told, by address in lower case: with the parties that are theirs, or None for an operator, who sees all.

    An account is told for itself, the administrators of a collectivité (their addresses) for all that is of it.
    """
    found: dict[str, list[Party]] = {}
    for party in ending.parties if ending.kind not in OF_THE_OPERATOR else ():
        of_the_house = administrators.get(party.authority_id, ()) if party.authority_id is not None else ()
        for address in (party.email, *of_the_house):
            found.setdefault(address.strip().lower(), []).append(party)
    found.pop("", None)
    told: dict[str, tuple[Party, ...] | None] = {
        address: tuple(dict.fromkeys(parties)) for address, parties in found.items()
    }
    return told | dict.fromkeys((address.strip().lower() for address in operators), None)
