"""Judge again the signatures of a flow that is kept, years later if need be, and compare with what was kept of it."""

from collections.abc import Mapping
from datetime import datetime

from tdt.db.helios import HeliosTransaction, get_transaction
from tdt.db.helios_reports import Report, list_reports
from tdt.deps import Deps
from tdt.documents.child import ChildFailed
from tdt.documents.signatures import PES_SIGNATURES
from tdt.domain.audit import Actor
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.helios.signatures import DECISIVE, PesSignaturesOrder, differences
from tdt.domain.ids import HeliosId
from tdt.flows.helios_send.children import run_once
from tdt.flows.helios_send.signatures import judge

UNKNOWN = "Numéro de transaction invalide."


async def replay_signatures(deps: Deps, by: Actor, flow_id: HeliosId) -> dict[str, object]:
    """The signatures of the kept bytes, judged at the same instant with the authorities and lists of today.

    Changes nothing. Raises Refused, or Temporary when the authorities cannot be read.
    """
    if by.who is not None:
        raise Forbidden("Accès refusé")
    async with deps.acting(by) as connection:
        flow = await get_transaction(connection, flow_id)
        reports = await list_reports(connection, flow_id)
    if flow is None:
        raise Refused(UNKNOWN)
    kept = next((one for one in reports if one.aspect == "signature" and one.verdict != "pending"), None)
    try:
        found = await run_once(deps, flow, PES_SIGNATURES, PesSignaturesOrder())
    except ChildFailed as failure:
        raise Refused(f"Le flux n'a pas pu être relu ({failure}).", code="CONTROLE_IMPOSSIBLE") from failure
    if not found.found and not found.fault:
        return _told(flow, kept, {"signatures": [], "remarks": []}, "")
    judged = await judge(deps, found, _instant(kept, flow))
    return _told(flow, kept, judged.data, judged.reason)


def _instant(kept: Report | None, flow: HeliosTransaction) -> datetime:
    """When the flow was analysed; when it was posted, for one whose analysis kept nothing."""
    told = kept.data.get("at") if kept is not None else None
    return datetime.fromisoformat(told) if isinstance(told, str) else flow.submitted_at


def _told(flow: HeliosTransaction, kept: Report | None, data: Mapping[str, object], reason: str) -> dict[str, object]:
    before, now = (_entries(one) for one in (kept.data if kept is not None else {}, data))
    found = differences(before, now) if kept is not None else []
    return {
        "flow": flow.id,
        "sha1": flow.sha1.hex(),
        "at": data.get("at"),
        "kept": kept is not None,
        "kept_verdict": kept.verdict if kept is not None else None,
        "reason": reason,
        "remarks": data["remarks"],
        "signatures": now,
        "differences": found,
        "same": not any(one["decisive"] for one in found),
        "decisive": list(DECISIVE),
    }


def _entries(data: Mapping[str, object]) -> list[dict[str, object]]:
    found = data.get("signatures")
    return list(found) if isinstance(found, list) else []
