"""Our own JSON endpoint: the whole life of a transaction of ACTES."""

from aiohttp import web

from tdt.domain.fields import INTEGER
from tdt.domain.ids import ActeId
from tdt.flows import actes_view
from tdt.web.admin_answers import actor
from tdt.web.call import Call
from tdt.web.s2low import json_answer

DIGITS = 19
"""A bigint has at most so many; one less is always one."""


async def acte_life(call: Call) -> web.StreamResponse:
    """What became of a transaction, why, who must act, what is to come."""
    number = call.request.match_info.get("acte", "")
    # what is no number is refused as an unknown number is
    acte = ActeId(int(number) if INTEGER.fullmatch(number) and len(number) < DIGITS else 0)
    return json_answer(await actes_view.view(call.deps, actor(call), acte), "application/json")
