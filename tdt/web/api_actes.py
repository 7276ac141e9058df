"""Our own JSON endpoint: the whole life of a transaction of ACTES."""

from aiohttp import web

from tdt.domain.ids import ActeId
from tdt.flows import actes_view
from tdt.web.admin_answers import actor
from tdt.web.call import Call
from tdt.web.s2low import json_answer


async def acte_life(call: Call) -> web.StreamResponse:
    """What became of a transaction, why, who must act, what is to come."""
    acte = ActeId(call.number("acte"))
    return json_answer(await actes_view.view(call.deps, actor(call), acte), "application/json")
