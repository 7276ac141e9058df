"""Our own JSON endpoints: what the DGFiP says of a PES, and what a PES_Retour says."""

from aiohttp import web

from tdt.domain.fields import INTEGER
from tdt.domain.ids import HeliosId, HeliosRetourId
from tdt.flows import helios_verdicts
from tdt.web.admin_answers import actor
from tdt.web.api_actes import DIGITS
from tdt.web.call import Call
from tdt.web.s2low import json_answer


async def verdict(call: Call) -> web.StreamResponse:
    """The verdict on a flow, bordereau by bordereau, and what the trésorerie said later of its pièces."""
    told = await helios_verdicts.view_verdict(call.deps, actor(call), HeliosId(_number(call, "pes")))
    return json_answer(told, "application/json")


async def retour(call: Call) -> web.StreamResponse:
    """What a PES_Retour says of the mandats and titres of its collectivité."""
    told = await helios_verdicts.view_retour(call.deps, actor(call), HeliosRetourId(_number(call, "retour")))
    return json_answer(told, "application/json")


def _number(call: Call, name: str) -> int:
    """What is no number is refused as an unknown number is."""
    given = call.request.match_info.get(name, "")
    return int(given) if INTEGER.fullmatch(given) and len(given) < DIGITS else 0
