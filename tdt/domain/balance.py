"""What a balance is: where each flow stands at the end of a civil day, the two equations, the document that is signed.

The figures come from two sides that are written apart. The ledger: the deposits, sendings and moves that `event` tells,
carried from balance to balance. The table: the statuses that clients read, and the attempts. Both must say the same.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from tdt.domain.actes.model import ActeStatus as A
from tdt.domain.helios.model import HeliosStatus as H
from tdt.domain.ids import RouteId
from tdt.domain.plain import instant
from tdt.domain.routes import RouteKind


class Bucket(StrEnum):
    """Where a flow is counted: in one of these, whatever its status."""

    HELD = "held"
    """Deposited, not yet sent: checks, transmission, signature, confirmation or convention awaited."""
    REFUSED = "refused"
    """Given up before it left."""
    ACKNOWLEDGED = "acknowledged"
    AWAITED = "awaited"
    """Sent, without answer yet."""
    ANOMALY = "anomalies"
    """Sent, and refused by the State or given up."""
    WITHOUT_ANSWER = "without_answer"
    """Sent, and nobody answers to such a flow (PES_ACQUIT_RETOUR)."""
    LETTER = "letters"
    """Came from the préfecture: nobody deposited it, it stands in neither equation."""


SENT = (Bucket.ACKNOWLEDGED, Bucket.AWAITED, Bucket.ANOMALY, Bucket.WITHOUT_ANSWER)

_GIVEN_UP = {False: Bucket.REFUSED, True: Bucket.ANOMALY}
_ANSWERED = {False: Bucket.ACKNOWLEDGED, True: Bucket.ACKNOWLEDGED}

_ACTES: Mapping[A, Bucket] = {
    **dict.fromkeys(
        (A.POSTE, A.EN_ATTENTE_DE_TRANSMISSION, A.EN_ATTENTE_D_ETRE_POSTEE, A.EN_ATTENTE_D_ETRE_SIGNEE), Bucket.HELD
    ),
    A.TRANSMIS: Bucket.AWAITED,
    # what follows the AR: closed, cancelled, archived, destroyed
    **dict.fromkeys(
        (
            *(A.ANNULE, A.ACQUITTEMENT_RECU, A.VALIDE, A.ENVOYE_AU_SAE, A.ARCHIVE_PAR_LE_SAE, A.ERREUR_ARCHIVAGE),
            *(A.RECU_PAR_LE_SAE, A.EN_ATTENTE_SAE, A.ERREUR_ENVOI_SAE, A.SAE_IMPOSSIBLE),
            A.ACQUITTEMENT_DE_DOCUMENT_RECU,
        ),
        Bucket.ACKNOWLEDGED,
    ),
    # S2LOW's for what was answered to a letter: ours go by 3 and 4
    A.DOCUMENT_ENVOYE: Bucket.AWAITED,
    A.REFUS_D_ENVOI: Bucket.REFUSED,
    A.DOCUMENT_RECU: Bucket.LETTER,
    A.ACQUITTEMENT_ENVOYE: Bucket.LETTER,
    A.DOCUMENT_RECU_SANS_AR: Bucket.LETTER,
}
_HELIOS: Mapping[H, Bucket] = {
    **dict.fromkeys(
        (H.POSTE, H.EN_ATTENTE_DE_TRANSMISSION, H.EN_ATTENTE_D_ETRE_SIGNE, H.EN_ATTENTE_D_ETRE_TELETRANSMIS),
        Bucket.HELD,
    ),
    **dict.fromkeys((H.TRANSMIS, H.EN_TRAITEMENT), Bucket.AWAITED),
    H.TRANSMIS_SANS_ACQUITTEMENT: Bucket.WITHOUT_ANSWER,
    H.REFUSE: Bucket.ANOMALY,
    **dict.fromkeys(
        (
            *(H.ACQUITTEMENT_RECU, H.VALIDE, H.INFORMATION_DISPONIBLE, H.ENVOYE_AU_SAE, H.ACCEPTE_PAR_LE_SAE),
            *(H.REFUSE_PAR_LE_SAE, H.EN_ATTENTE_SAE, H.ERREUR_ENVOI_SAE, H.A_DETRUIRE, H.DETRUITE),
            H.DOCUMENTS_INDISPONIBLES,
        ),
        Bucket.ACKNOWLEDGED,
    ),
}
_BY_SENDING: Mapping[RouteKind, Mapping[int, Mapping[bool, Bucket]]] = {
    # 6: nobody signed it (18 → 6), or closed by the collectivité after its AR; 16: destroyed after either
    RouteKind.ACTES: {
        A.ERREUR: _GIVEN_UP,
        A.REFUSE: {False: Bucket.REFUSED, True: Bucket.ACKNOWLEDGED},
        A.DETRUITE: {False: Bucket.REFUSED, True: Bucket.ACKNOWLEDGED},
    },
    RouteKind.HELIOS: {H.ERREUR: _GIVEN_UP, H.ANNULE: _GIVEN_UP},
}
_BY_STATUS: Mapping[RouteKind, Mapping[int, Bucket]] = {
    RouteKind.ACTES: dict(_ACTES.items()),
    RouteKind.HELIOS: dict(_HELIOS.items()),
}

SENDING_COUNTS: Mapping[RouteKind, tuple[int, ...]] = {
    kind: tuple(int(status) for status in statuses) for kind, statuses in _BY_SENDING.items()
}
"""The statuses that do not tell by themselves whether the flow was sent."""
OPEN: Mapping[RouteKind, tuple[int, ...]] = {
    kind: tuple(int(one) for one, bucket in statuses.items() if bucket in (Bucket.HELD, Bucket.AWAITED))
    for kind, statuses in _BY_STATUS.items()
}
"""The statuses of what is not at its end."""


def bucket_of(module: RouteKind, status: int, sent: bool, letter: bool = False) -> Bucket:
    """Where a flow is counted. KeyError for a status that the module does not have."""
    if letter:
        return Bucket.LETTER
    by_sending = _BY_SENDING[module].get(status)
    return by_sending[sent] if by_sending is not None else _BY_STATUS[module][status]


Tally = Counter[str]
"""How many flows by `bucket:status`."""


def key_of(module: RouteKind, status: int, sent: bool, letter: bool = False) -> str:
    """The key of a flow in a tally."""
    return f"{bucket_of(module, status, sent, letter)}:{status}"


def count_in(tally: Mapping[str, int], *buckets: Bucket) -> int:
    """How many flows a tally has in these buckets."""
    return sum(number for key, number in tally.items() if key.partition(":")[0] in buckets)


class FaultCode(StrEnum):
    """What does not add up with a flow."""

    MISSING = "MANQUANTE"
    UNRECORDED = "SANS_DEPOT"
    STATUS = "ETAT_NON_CONSIGNE"
    ACCEPTED = "ACCEPTEE_NON_TRANSMISE"
    WITHOUT_ATTEMPT = "TRANSMISE_SANS_ENVOI"
    WITHOUT_ANSWER = "ACQUITTEE_SANS_REPONSE"
    NOT_APPLIED = "REPONSE_NON_APPLIQUEE"


FAULT_TEXTS: Mapping[FaultCode, str] = {
    FaultCode.MISSING: "déposée selon le registre, elle n'est plus là",
    FaultCode.UNRECORDED: "elle est là sans que le registre ait vu son dépôt",
    FaultCode.STATUS: "son état n'est pas celui que le registre a consigné",
    FaultCode.ACCEPTED: "un envoi en a été accepté par l'État sans qu'elle passe à « transmis »",
    FaultCode.WITHOUT_ATTEMPT: "elle est passée à « transmis » sans envoi accepté ni prouvé",
    FaultCode.WITHOUT_ANSWER: "elle a été acquittée sans réponse reçue de l'État",
    FaultCode.NOT_APPLIED: "une réponse de l'État est traitée, mais ne lui a pas été appliquée",
}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """A flow that does not add up."""

    flow: int
    code: FaultCode


@dataclass(frozen=True, slots=True)
class Side:
    """What was reckoned for a route: both tallies at the end of the day, its movements, what does not add up."""

    ledger: Tally = field(default_factory=Counter)
    table: Tally = field(default_factory=Counter)
    movements: Tally = field(default_factory=Counter)
    faults: tuple[Fault, ...] = ()

    @property
    def equations(self) -> tuple[tuple[str, int, int], ...]:
        """Their words, and both sides: what the ledger says, what the table says."""
        figures = figures_of(self)
        sent = sum(count_in(self.table, bucket) for bucket in SENT)
        return (
            ("deposited = sent + held + refused", figures["deposited"], sent + figures["held"] + figures["refused"]),
            ("sent = acknowledged + awaited + anomalies + without_answer", figures["sent"], sent),
        )

    @property
    def balanced(self) -> bool:
        """Whether both equations hold, status by status, and no flow is at fault."""
        return not self.faults and +self.ledger == +self.table and all(one == two for _, one, two in self.equations)

    @property
    def is_idle(self) -> bool:
        """Nothing moved, nothing is open, all is right: there is nothing to tell of this day."""
        return self.balanced and not +self.movements and not count_in(self.table, Bucket.HELD, Bucket.AWAITED)


def figures_of(side: Side) -> dict[str, int]:
    """The figures at the end of the day: `deposited` and `sent` from the ledger, the others from the table."""
    return {
        "deposited": sum(number for key, number in side.ledger.items() if not key.startswith(Bucket.LETTER)),
        "sent": count_in(side.ledger, *SENT),
        **{str(bucket): count_in(side.table, bucket) for bucket in Bucket},
    }


@dataclass(frozen=True, slots=True)
class Heading:
    """Of what a balance is."""

    authority: int
    name: str
    siren: str
    module: RouteKind
    route: RouteId
    route_name: str
    test: bool
    day: date
    starts_at: datetime
    ends_at: datetime
    made_at: datetime
    previous: str | None
    """SHA-256, in hex, of the document before it: none can be taken out unseen."""


def document(heading: Heading, side: Side, opening: Mapping[str, int]) -> bytes:
    """The balance as it is signed: JSON in UTF-8, keys sorted, no space, a line feed at the end."""
    value = {
        "version": 1,
        "authority": {"id": heading.authority, "name": heading.name, "siren": heading.siren},
        "module": str(heading.module),
        "route": {"id": heading.route, "name": heading.route_name, "test": heading.test},
        "day": heading.day.isoformat(),
        "starts_at": instant(heading.starts_at),
        "ends_at": instant(heading.ends_at),
        "made_at": instant(heading.made_at),
        "previous": heading.previous,
        "opening": dict(opening),
        "movements": {name: side.movements.get(name, 0) for name in ("deposited", *map(str, Bucket))},
        "closing": figures_of(side),
        "statuses": {"recorded": _plain(side.ledger), "found": _plain(side.table)},
        "equations": [{"equation": words, "left": one, "right": two} for words, one, two in side.equations],
        "faults": [
            {"flow": f"{subject_of(heading.module)}:{one.flow}", "code": one.code, "text": FAULT_TEXTS[one.code]}
            for one in side.faults
        ],
        "balanced": side.balanced,
    }
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def subject_of(module: RouteKind) -> str:
    """How a flow of this module is named: `acte:12`, `helios:12`."""
    return "acte" if module is RouteKind.ACTES else "helios"


def _plain(tally: Tally) -> dict[str, int]:
    return {key: number for key, number in sorted(tally.items()) if number}


def merge(sides: Sequence[Mapping[RouteId, Tally]]) -> dict[RouteId, Tally]:
    """Tallies by route, added."""
    merged: dict[RouteId, Tally] = {}
    for one in sides:
        for route, tally in one.items():
            merged.setdefault(route, Counter()).update(tally)
    return merged
