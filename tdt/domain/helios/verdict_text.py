"""A verdict as plain data: as it is kept, and as it is shown, each anomaly explained."""

from collections.abc import Iterable, Mapping
from typing import Any

from tdt.domain.helios.anomalies import explain
from tdt.domain.helios.verdict import DOMAINS, OUTCOMES, Anomaly, Element, Outcome, Verdict

Plain = dict[str, Any]


def keep_elements(verdict: Verdict) -> list[Plain]:
    """The tree as it is kept: what was received, without our words, which may get better."""
    return [_keep_element(element) for element in verdict.elements]


def keep_counts(verdict: Verdict) -> Plain:
    """What goes with it."""
    counts = {kind: {str(state): number for state, number in states.items()} for kind, states in verdict.counts.items()}
    return {"elements": counts, "anomalies": verdict.anomalies, "omitted": verdict.omitted}


def _keep_element(element: Element) -> Plain:
    return {
        "kind": element.kind,
        "domain": element.domain,
        "exercice": element.exercice,
        "number": element.number,
        "state": str(element.state),
        "anomalies": _keep_anomalies(element.anomalies),
        "pieces": [
            {
                "number": piece.number,
                "anomalies": _keep_anomalies(piece.anomalies),
                "lignes": [
                    {"number": ligne.number, "anomalies": _keep_anomalies(ligne.anomalies)} for ligne in piece.lignes
                ],
            }
            for piece in element.pieces
        ],
    }


def _keep_anomalies(anomalies: Iterable[Anomaly]) -> list[Plain]:
    return [{"code": one.code, "label": one.label} for one in anomalies]


def tell_outcome(outcome: str) -> Plain:
    """The verdict on the flow, in a code and in words."""
    return {"code": outcome, "label": OUTCOMES[Outcome(outcome)]}


def tell_elements(kept: Iterable[Mapping[str, Any]]) -> list[Plain]:
    """The tree as it is shown. A pièce and a ligne have the state of what they belong to: it is judged whole."""
    return [
        {
            "kind": one["kind"],
            "domain": {"code": one["domain"], "label": DOMAINS.get(one["domain"], "")},
            "exercice": one["exercice"] or None,
            "number": one["number"] or None,
            "state": one["state"],
            "anomalies": _tell_anomalies(one["anomalies"]),
            "pieces": [
                {
                    "number": piece["number"] or None,
                    "state": one["state"],
                    "anomalies": _tell_anomalies(piece["anomalies"]),
                    "lignes": [
                        {
                            "number": ligne["number"] or None,
                            "state": one["state"],
                            "anomalies": _tell_anomalies(ligne["anomalies"]),
                        }
                        for ligne in piece["lignes"]
                    ],
                }
                for piece in one["pieces"]
            ],
        }
        for one in kept
    ]


def _tell_anomalies(anomalies: Iterable[Mapping[str, str]]) -> list[Plain]:
    return [_tell_anomaly(one["code"], one["label"]) for one in anomalies]


def _tell_anomaly(code: str, label: str) -> Plain:
    """As received; of a code that nobody here knows, nothing more."""
    told = explain(code, label)
    words = told.plain() if told is not None else {"cause": None, "who": None, "remedy": None}
    return {"code": code or None, "label": label or None, **words}
