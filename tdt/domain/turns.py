"""Turns between collectivités: each has its share of the workers, whatever another deposits (start-time fair queueing).

What is due stands in one line for each kind of job, and apart when it is large. In a line every collectivité has a turn
of its own pace: one that brings a thousand jobs gets a thousand turns, one after the other; one that brings a single
job gets the turn that is being served. The line is served by turn, so that nobody waits for more than what stands
between; a turn once given never changes, so that nobody waits for ever.

What the State sends back is nobody's until it is read. A look at its first bytes says in whose turn it is read, and
decides nothing else: whoever writes to the mailbox may lie.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId
from tdt.domain.jobs import JobKind

SCALE = 1_000_000
"""One turn of a collectivité of weight 1."""
HEAVIEST = 100
BAD_WEIGHT = f"Le poids d'une collectivité va de 1 à {HEAVIEST}."


@dataclass(frozen=True, slots=True)
class Line:
    """What waits together: the jobs of a kind, the large ones apart."""

    kind: JobKind
    large: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a line stands, and its last turn of a collectivité, None when nothing of it is in line or being done."""

    serving: int
    last: int | None = None
    weight: int = 1


def check_weight(weight: int) -> None:
    """Raise Refused for a weight that is none."""
    if not 1 <= weight <= HEAVIEST:
        raise Refused(BAD_WEIGHT)


def next_turns(standing: Standing, count: int) -> list[int]:
    """The turns of so many more jobs of a collectivité, in their order.

    It follows its last turn at the pace of its weight; never before what is being served: turns that were not used
    are not owed.
    """
    pace = SCALE // standing.weight
    first = standing.serving if standing.last is None else max(standing.serving, standing.last + pace)
    return [first + number * pace for number in range(count)]


SHARES = 256
"""Among how many those are shared out that are only named: more names take no more turns than that."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the first bytes of something received name: what it answers (IDActe, NomFic), its owner (SIREN, SIRET)."""

    answers: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """Whose what awaits an answer is, and whose these SIREN or SIRET are."""

    awaiting: Mapping[str, AuthorityId]
    named: Mapping[str, AuthorityId]


def turns_of(looks: Sequence[Look], known: Known) -> list[int | None]:
    """In whose turn each of what came together is read; None: in that of all of which nothing is known.

    What answers something that awaits it takes a turn of its collectivité, once for each such thing. What only names
    it stands apart, in a share of its own turns (negative numbers): many of them, true or forged, keep no AR waiting,
    and those that name everybody take the turns of SHARES at most.
    """
    return [*_turns_of(looks, known)]


def _turns_of(looks: Sequence[Look], known: Known) -> Iterator[int | None]:
    taken: set[str] = set()
    for look in looks:
        answered = next((one for one in look.answers if one in known.awaiting and one not in taken), None)
        if answered is not None:
            taken.add(answered)
            yield known.awaiting[answered]
        else:
            owner = next((known.named[one] for one in look.owners if one in known.named), None)
            yield None if owner is None else -1 - owner % SHARES
