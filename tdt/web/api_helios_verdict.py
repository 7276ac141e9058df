"""Our own JSON endpoints: what the DGFiP says of a PES, and what a PES_Retour says."""

from aiohttp import web

from tdt.domain.ids import HeliosId, HeliosRetourId
from tdt.flows import helios_view
from tdt.web.admin_answers import actor
from tdt.web.call import Call
from tdt.web.s2low import json_answer


async def verdict(call: Call) -> web.StreamResponse:
    """The verdict on a flow, bordereau by bordereau, and what the trésorerie said later of its pièces."""
    told = await helios_view.view_verdict(call.deps, actor(call), HeliosId(call.number("pes")))
    return json_answer(told, "application/json")


async def retour(call: Call) -> web.StreamResponse:
    """What a PES_Retour says of the mandats and titres of its collectivité."""
    told = await helios_view.view_retour(call.deps, actor(call), HeliosRetourId(call.number("retour")))
    return json_answer(told, "application/json")
