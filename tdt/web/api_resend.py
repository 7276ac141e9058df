"""Our own JSON endpoint: send an act again that the ministry refused."""

from aiohttp import web

from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId
from tdt.flows import actes_submit
from tdt.web.actes import NOT_RGS
from tdt.web.admin_answers import actor
from tdt.web.call import Call
from tdt.web.s2low import json_answer

BY_POST = "Un renvoi se demande par POST."


async def acte_resend(call: Call) -> web.StreamResponse:
    """A new transaction of the same number, made with the classification in force."""
    if call.request.method != "POST":
        raise Refused(BY_POST)
    if not call.identity.transmit:
        raise Refused(NOT_RGS.format(call.identity.refusal))
    acte = ActeId(call.number("acte"))
    made = await actes_submit.resend(call.deps, actor(call), acte)
    answer = {"id": made.id, "resend_of": acte, "classification_date": made.classification_date.isoformat()}
    return json_answer(answer, "application/json")
