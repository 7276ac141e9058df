"""What the trésorerie says of a mandat or of a titre, as it is shown: state, reason, who acts, remedy."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tdt.domain.helios.news import LIGNES, PIECES, Became, Side
from tdt.domain.helios.observations import find_observation

LABELS: Mapping[Became, str] = {
    Became.REJECTED: "Rejeté",
    Became.PENDING: "En instance",
    Became.TAKEN: "Prise en charge",
    Became.PAID: "Soldé",
    Became.CANCELLED: "Annulé",
    Became.ASAP_REJECTED: "Avis des sommes à payer non envoyé",
    Became.UNKNOWN: "État inconnu",
}

RESTITUTIONS: Mapping[str, str] = {"01": "Rejet", "02": "Périodique", "03": "Stock"}


def tell_state(side: str, kind: str, code: str) -> dict[str, object]:
    """The state of a pièce: ours in one word, the code received, the official label."""
    label = PIECES.get((Side(side), code), (Became.UNKNOWN, LABELS[Became(kind)]))[1]
    return {"kind": kind, "code": code or None, "label": label}


def tell_observation(side: str, text: str) -> dict[str, object] | None:
    """The reason as received, explained when it is one of the list."""
    if not text:
        return None
    found = find_observation(Side(side), text)
    told: dict[str, object] = {"text": text, "code": None, "label": None, "cause": None, "who": None, "remedy": None}
    return told if found is None else {**told, "code": found.code, "label": found.label, **found.told.plain()}


def tell_lignes(side: str, lignes: Iterable[Mapping[str, Any]]) -> list[dict[str, object]]:
    """The lignes with a problem."""
    return [
        {
            "number": one["number"] or None,
            "state": {"code": one["state"], "label": LIGNES.get((Side(side), one["state"]))},
            "observation": tell_observation(side, one["observation"]),
            "comment": one["comment"] or None,
        }
        for one in lignes
    ]


def tell_payments(count: int, total: Decimal) -> dict[str, object] | None:
    """What was paid or received on a pièce, exact to the cent."""
    return {"count": count, "total": f"{total:.2f}"} if count else None
