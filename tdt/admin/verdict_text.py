"""What the DGFiP says of a PES, as lines for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

Told = Mapping[str, Any]

MOST = 200
"""Lines of the tree; the whole is in `--json`."""

KINDS = {"bordereau": "bordereau", "pj": "PJ", "marche": "marché", "flux": "flux"}
STATES = {"accepted": "accepté", "rejected": "REFUSÉ", "unstated": "sans verdict"}
SIDES = {"depense": "mandat", "recette": "titre"}


def verdict_lines(life: Told) -> Iterator[str]:
    """The verdict, its tree, the acquits that it replaced; nothing of a flow without acquit."""
    verdict = life.get("verdict")
    if not verdict:
        return
    yield f"{verdict['outcome']['label']} — {_counts(verdict)} ({verdict['acquit']})"
    lines = [line for one in verdict["elements"] for line in _element(one)]
    yield from lines[:MOST]
    if len(lines) > MOST or verdict["omitted"]:
        more = max(len(lines) - MOST, 0)
        yield f"… {more} ligne(s) de plus en JSON, {verdict['omitted']} élément(s) non gardé(s)"
    for one in life.get("earlier", ()):
        yield f"auparavant : {one['outcome']['label']} ({one['acquit']})"


def news_lines(life: Told) -> Iterator[str]:
    """What the trésorerie said later of the pièces of the flow."""
    returns = life.get("returns")
    if not returns or not returns["counts"]:
        return
    for one in returns["pieces"][:MOST]:
        yield from _piece(one)
    more = len(returns["pieces"][MOST:]) + returns["omitted"]
    if more:
        yield f"… {more} pièce(s) de plus"


def _counts(verdict: Told) -> str:
    told = [
        f"{number} {KINDS.get(kind, kind)} {_state(kind, state)}"
        for kind, states in verdict["counts"].items()
        for state, number in states.items()
        if number
    ]
    return ", ".join(told) or "rien n'est jugé"


def _state(kind: str, state: str) -> str:
    """A PJ is feminine."""
    return {"accepted": "acceptée", "rejected": "REFUSÉE"}.get(state, STATES[state]) if kind == "pj" else STATES[state]


def _element(one: Told) -> Iterator[str]:
    number = "/".join(part for part in (one["exercice"], one["number"]) if part)
    domain = one["domain"]["label"] or one["domain"]["code"]
    yield f"{KINDS.get(one['kind'], one['kind'])} {number} ({domain}) : {_state(one['kind'], one['state'])}".replace(
        "  ", " "
    )
    yield from _anomalies(one, "")
    for piece in one["pieces"]:
        yield from _anomalies(piece, f"pièce {piece['number'] or '?'} ")
        for ligne in piece["lignes"]:
            yield from _anomalies(ligne, f"pièce {piece['number'] or '?'} ligne {ligne['number'] or '?'} ")


def _anomalies(owner: Told, place: str) -> Iterator[str]:
    for one in owner["anomalies"]:
        yield f"  {place}{one['code'] or 'sans code'} « {one['label'] or ''} »"
        if one["cause"]:
            yield f"    {one['cause']} À faire par {one['who']} : {one['remedy']}"


def _piece(one: Told) -> Iterator[str]:
    what = f"{SIDES[one['side']]} {one['piece']}" if one["piece"] is not None else "bordereau entier"
    paid = f", {one['payments']['count']} paiement(s), {one['payments']['total']}" if one["payments"] else ""
    on = f" le {one['date']}" if one["date"] else ""
    also = f" ; aussi dans {', '.join(f'helios:{flow}' for flow in one['also_in'])}" if one["also_in"] else ""
    place = f"bordereau {one['exercice']}/{one['bordereau']}"
    yield f"{place} {what} : {one['state']['label']}{on}{paid} (retour {one['retour']['id']}){also}"
    yield from _reason(one, "  ")
    for ligne in one["lignes"]:
        yield f"  ligne {ligne['number'] or '?'} : {ligne['state']['label']}"
        yield from _reason(ligne, "    ")


def _reason(one: Told, indent: str) -> Iterator[str]:
    if one["comment"]:
        yield f"{indent}« {one['comment']} »"
    if (seen := one["observation"]) is not None:
        yield f"{indent}{seen['label'] or seen['text']}"
        if seen["cause"]:
            yield f"{indent}  {seen['cause']} À faire par {seen['who']} : {seen['remedy']}"
