"""Both status machines as an executable model, written from the specification, not from the tables of the program.

A model is told each event and what the lives of the transactions are after it: what was added to a life must be what
this event may add from there, and only to a transaction of the collectivité whose event it is. Numbers are S2LOW's.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Life = tuple[int, ...]
Lives = Mapping[int, Life]
Path = tuple[int, ...]
BORN = None
"""Where a transaction comes from that was not there."""

Effects = Mapping[int | None, Iterable[Path]]

_SAE_ACTES: Mapping[int, Sequence[int]] = {
    4: (12, 13, 14, 19, 20),
    5: (12, 13, 14, 19, 20),
    19: (12, 20, 13),
    12: (13, 14, 19, 20),
    14: (19, 12, 13),
    20: (19, 13),
}

_ENDED: Sequence[Path] = ((0,),)

ACTES: Mapping[str, Effects] = {
    # a deposit is analysed and packaged in the same event: posted, then ready to be sent
    "submit": {BORN: [(1, 2)]},
    "deposit": {BORN: [(1,)]},
    "prepare": {1: [(2,)]},
    "draft": {BORN: [(17,)]},
    "to_sign": {BORN: [(18,)]},
    "confirm": {17: [(1, 2)]},
    "unsigned": {18: [(1, 2)]},
    "transmit": {2: [(3,)]},
    # what may have left and is answered has left: 2 goes by 3; so does what we had given up
    "ar": {2: [(3, 4)], 3: [(4,)], -1: [(3, 4)]},
    # 001 after a try in doubt and a later one: that the ministry has it already proves that the first arrived
    "anomaly": {2: [(3, -1), (3,)], 3: [(-1,)], -1: [(3, -1), (3,)]},
    "refuse_envelope": {2: [(3, -1)], 3: [(-1,)], -1: [(3, -1)]},
    "letter": {BORN: [(7,), (21,)], 2: [(3,)], -1: [(3,)]},
    "acknowledge": {7: [(8,)]},
    "cancel": {BORN: [(1, 2), (1, 2, 3)]},
    "cancelled": {**dict.fromkeys((4, 5, 6, 12, 13, 14, 19, 20), _ENDED), 2: [(3, 4)], 3: [(4,)], -1: [(3, 4)]},
    "reply": {BORN: [(1, 2), (1, 2, 3)]},
    "reply_ar": {2: [(3, 4)], 3: [(4,)], -1: [(3, 4)]},
    # an act that nobody signed is refused; what failed at the archive may be closed without it
    "close": {**{one: [(5,), (6,)] for one in (4, 14, 20)}, 18: [(6,)]},
    "plan": {one: [(19,)] for one in (4, 5, 14, 20)},
    "tell": {origin: [(one,) for one in targets] for origin, targets in _SAE_ACTES.items()},
    "correct": {19: [(20,), (13,)], 20: [(19,), (13,)], 12: [(19,), (13,), (20,)], 14: [(19,), (13,), (12,)]},
    "give_up": {one: [(-1,)] for one in (17, 18, 1, 2, 3)},
    "put_again": {-1: [(1, 2), (2,), (1,)]},
    "unanswered": {3: [(-1,)]},
    "misdirect": {},
    "wait": {},
}

_SAE_HELIOS: Mapping[int, Sequence[int]] = {
    4: (19,),
    6: (19,),
    8: (19,),
    19: (9, 10, 20, 23),
    9: (10, 11, 20),
    11: (19,),
    20: (19, 10),
    23: (19,),
}
_BY_HAND = [(-1,)]

HELIOS: Mapping[str, Effects] = {
    "submit": {BORN: [(1,)]},
    "retour": {BORN: [(1,)]},
    "to_sign": {BORN: [(13,)]},
    "to_post": {BORN: [(14,)]},
    "confirm": {14: [(1,)]},
    # posted at once by who may transmit too
    "sign": {13: [(1,), (14,)]},
    "give_up": {13: _BY_HAND, 14: _BY_HAND},
    "broken": {BORN: [(1,)]},
    "analyse": {1: [(2,), (-1,)]},
    # nobody answers to a PES_ACQUIT_RETOUR
    "transmit": {2: [(3,), (24,)]},
    # the gateway is asked first: what it has whole has left
    "crash": {2: [(3,), (24,)]},
    "wait": {},
    "stray": {},
    "set_aside": {},
    "acquit": {2: [(3, 8)], 3: [(8,)], -1: [(8,)], 1: [(2, 3, 8)], 4: [(8,)], 6: [(8,)]},
    "accept": {2: [(3, 4)], 3: [(4,)], -1: [(4,)], 1: [(2, 3, 4)]},
    "refuse": {2: [(3, 6)], 3: [(6,)], -1: [(6,)], 1: [(2, 3, 6)], 4: [(6,)]},
    "resend": {3: [(2,)], 24: [(2,)]},
    "set_error": dict.fromkeys((1, 2, 3, 24, 13, 14), _BY_HAND),
    "repost": {-1: [(1,)]},
    "release": {},
    "declare": {2: [(3,), (24,)]},
    "tell": {origin: [(one,) for one in targets] for origin, targets in _SAE_HELIOS.items()},
    "plan": {one: [(19,)] for one in (4, 6, 8, 11, 20)},
}


@dataclass(slots=True)
class Model:
    """Follows the lives of one history; `seen` counts the moves, a first status as a move from nowhere."""

    effects: Mapping[str, Effects]
    lives: dict[int, Life] = field(default_factory=dict)
    seen: Counter[tuple[int | None, int]] = field(default_factory=Counter)

    def step(self, event: str, after: Lives, mine: Iterable[int]) -> None:
        """After this event of one collectivité, whose transactions are `mine`."""
        allowed, own = self.effects[event], set(mine)
        for number, life in after.items():
            before = self.lives.get(number, ())
            assert life[: len(before)] == before, f"{event}: a life was written anew: {before} {life}"
            # S2LOW notes a try, a repetition, by writing the same status again
            path = _without_repeats(before[-1:] + life[len(before) :])
            if before:
                path = path[1:]
            if not path:
                continue
            origin = before[-1] if before else BORN
            assert number in own, f"{event} moved a transaction of another collectivité: {origin} {path}"
            assert path in set(allowed.get(origin, ())), f"{event} may not lead from {origin} by {path}"
            self.seen.update(zip((origin, *path[:-1]), path, strict=True))
            self.lives[number] = life
        assert set(self.lives) <= set(after), f"{event}: a transaction has vanished"


def _without_repeats(life: Sequence[int]) -> Path:
    return tuple(one for place, one in enumerate(life) if place == 0 or one != life[place - 1])
