"""Show what the DGFiP says: of a flow (its acquit, then the news of its pièces), and in a PES_Retour."""

import asyncio
from collections.abc import Sequence

from tdt.db import helios_news as news_db
from tdt.db import helios_verdicts as db
from tdt.db.helios import get_transaction
from tdt.db.helios_retours import Retour, get_retour
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.errors import Refused
from tdt.domain.helios.news_text import RESTITUTIONS, tell_lignes, tell_observation, tell_payments, tell_state
from tdt.domain.helios.returns import ReturnReader
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.helios.verdict import Verdict
from tdt.domain.helios.verdict_text import keep_counts, keep_elements, tell_elements, tell_outcome
from tdt.domain.ids import AuthorityId, ContentId, HeliosId, HeliosRetourId
from tdt.domain.plain import instant
from tdt.flows.helios_view.access import check_view

UNKNOWN = "Numéro de transaction invalide."
UNKNOWN_RETOUR = "Numéro de PES_Retour invalide."
MOST_NEWS = 500
"""Pièces of a flow that are told."""
MOST_PIECES = 1_000
"""Pièces of a PES_Retour that are told."""


async def view_verdict(deps: Deps, by: Actor, flow_id: HeliosId) -> dict[str, object]:
    """What the DGFiP said of a flow, explained. Raises Refused when it does not exist or is another collectivité's."""
    async with deps.acting(by) as connection:
        flow = await get_transaction(connection, flow_id)
        if flow is None:
            raise Refused(UNKNOWN)
        await check_view(connection, by, flow)
        acquit = flow.acquit_content_id
        kept = await db.get_verdict(connection, flow_id, acquit) if acquit is not None else None
        earlier = await db.list_earlier_verdicts(connection, flow_id, acquit or ContentId(0))
        counts, told = await news_db.list_news_of_flow(connection, flow_id, MOST_NEWS)
    if acquit is not None and kept is None:
        # it came before verdicts were kept
        kept = await _read(deps, flow.authority_id, acquit, flow.acquit_filename or "")
    return {
        "id": flow.id,
        "nomfic": flow.xml_nomfic,
        "status": {"code": int(flow.status), "label": STATUS_LABELS[flow.status]},
        "verdict": _tell_verdict(kept, flow_id) if kept is not None else None,
        "earlier": [_tell_short(one) for one in earlier],
        "returns": {
            "counts": counts,
            "omitted": sum(counts.values()) - len(told),
            "pieces": [_tell_piece(one, own=flow_id) for one in told],
        },
    }


async def view_retour(deps: Deps, by: Actor, retour_id: HeliosRetourId) -> dict[str, object]:
    """What a PES_Retour says, with the flows that carried its pièces. Raises Refused like `view_verdict`."""
    async with deps.acting(by) as connection:
        retour = await get_retour(connection, retour_id)
        summary = await news_db.get_summary(connection, retour_id) if retour is not None else None
        if retour is None:
            raise Refused(UNKNOWN_RETOUR)
        told = await news_db.list_news_of_retour(connection, retour_id, MOST_PIECES)
        kept = await news_db.count_kept(connection, retour_id)
        names = await news_db.list_names(connection, sorted({flow for one in told for flow in one.flows}))
    return {
        **_tell_retour(retour),
        "header": {"CodCol": summary.cod_col if summary else None, "CodBud": summary.cod_bud if summary else None},
        "restitutions": [
            {"code": one, "label": RESTITUTIONS.get(one)} for one in (summary.restitutions if summary else ())
        ],
        "counts": summary.counts if summary else {},
        "omitted": (summary.omitted if summary else 0) + kept - len(told),
        "pieces": [_tell_piece(one) for one in told],
        "flows": [
            {"id": flow, "nomfic": nomfic, "submitted_at": instant(at)}
            for flow, (nomfic, at) in sorted(names.items(), key=lambda item: item[1][1], reverse=True)
        ],
    }


async def _read(deps: Deps, authority: AuthorityId, acquit: ContentId, name: str) -> db.KeptVerdict | None:
    """The verdict of an acquit, read now."""
    reader = ReturnReader()
    async for chunk in deps.stream(authority, acquit):
        await asyncio.to_thread(reader.feed, chunk)
    said = (await asyncio.to_thread(reader.close)).content
    if not isinstance(said, Verdict):
        return None
    return db.KeptVerdict(acquit, name, str(said.outcome), keep_counts(said), keep_elements(said))


def _tell_verdict(kept: db.KeptVerdict, flow: HeliosId) -> dict[str, object]:
    return {
        **_tell_short(kept),
        "download": f"/modules/helios/helios_download_acquit.php?id={flow}",
        "elements": tell_elements(kept.elements),
    }


def _tell_short(kept: db.KeptVerdict) -> dict[str, object]:
    return {
        "outcome": tell_outcome(kept.outcome),
        "acquit": kept.filename,
        "read_at": instant(kept.at),
        "counts": kept.counts["elements"],
        "anomalies": kept.counts["anomalies"],
        "omitted": kept.counts["omitted"],
    }


def _tell_retour(retour: Retour) -> dict[str, object]:
    return {
        "id": retour.id,
        "name": retour.name,
        "typ_fic": retour.typ_fic or None,
        "siret": retour.siret or None,
        "received_at": instant(retour.received_at),
        "read": retour.status == 1,
        "read_at": instant(retour.read_at),
        "download": f"/modules/helios/api/helios_get_retour.php?id={retour.id}",
    }


def _tell_piece(one: news_db.ToldPiece, own: HeliosId | None = None) -> dict[str, object]:
    told: dict[str, object] = {
        "side": one.side,
        "exercice": one.exercice,
        "bordereau": one.bordereau,
        "type": one.type or None,
        "piece": one.piece,
        "state": tell_state(one.side, one.became, one.state),
        "date": one.date or None,
        "observation": tell_observation(one.side, one.observation),
        "comment": one.comment or None,
        "payments": tell_payments(one.payments, one.paid),
        "lignes": tell_lignes(one.side, one.lignes),
        "lignes_omitted": one.lignes_omitted,
    }
    if own is None:
        return {**told, "flows": list(one.flows)}
    retour = {"id": one.retour_id, "name": one.retour_name, "received_at": instant(one.received_at)}
    return {**told, "retour": retour, "also_in": _others(one.flows, own)}


def _others(flows: Sequence[HeliosId], own: HeliosId) -> list[HeliosId]:
    """The other flows that carried the same pièce, the newest first: a copy corrected and sent again."""
    return [flow for flow in flows if flow != own]
