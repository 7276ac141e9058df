"""The report on the signatures of a PES, as lines for a terminal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tdt.domain.calendar import PARIS


def signature_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """One for each signature, then what the DGFiP may refuse."""
    for one in data.get("signatures", ()):
        fault = f"REFUSÉE : {one['fault']}" if one["fault"] else "bonne"
        weak = ", algorithme faible" if one["weak"] else ""
        who = one["subject"] or "signataire inconnu"
        yield f"  {_where(one)} — {who}, {_when(one)}, {one['method']}{weak} : {fault}"
        yield from (f"    {remark}" for remark in one["remarks"])
        if one["revoked_at"] and not one["fault"]:
            yield f"    certificat révoqué depuis, le {_at(one['revoked_at'])}"
    yield from (f"  {remark}" for remark in data.get("remarks", ()))


def _where(one: Mapping[str, Any]) -> str:
    if one["scope"] == "bordereau":
        return f"bordereau {one['number'] or '?'} de {one['exercice'] or '?'}"
    return "flux entier" if one["scope"] == "global" else f"signature {one['name']}"


def _when(one: Mapping[str, Any]) -> str:
    return f"signé le {_at(one['signing_time'])}" if one["signing_time"] else "sans date"


def _at(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(PARIS):%d/%m/%Y %H:%M:%S}"
