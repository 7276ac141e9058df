"""Our own JSON endpoints of a PES: its life, its signature, its end before it left, its archiving."""

from aiohttp import web

from tdt.domain.errors import Refused
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.ids import HeliosId
from tdt.flows import helios_sae, helios_signing, helios_view
from tdt.web.admin_answers import actor
from tdt.web.call import Call, php_int
from tdt.web.helios import NO_FILE, NOT_RGS, pes_plan
from tdt.web.s2low import json_answer

BY_POST = "Cela se demande par POST."


async def flow_life(call: Call) -> web.StreamResponse:
    """What became of a flow, why, who must act."""
    return json_answer(await helios_view.view(call.deps, actor(call), HeliosId(call.number("pes"))), "application/json")


async def flow_signed(call: Call) -> web.StreamResponse:
    """The signed document of a flow that waits for it, `enveloppe`."""
    _check_post(call)
    if not call.identity.transmit:
        raise Refused(NOT_RGS)
    form = await call.read(pes_plan(call.deps.config.limits))
    upload = form.files.scalar("enveloppe")
    if upload is None or upload.body is None or not upload.filename:
        raise Refused(NO_FILE)
    number = HeliosId(call.number("pes"))
    return _moved(number, await helios_signing.sign(call.deps, call.who, number, upload.body))


async def flow_cancel(call: Call) -> web.StreamResponse:
    """Give up a flow that waits to be signed or posted."""
    _check_post(call)
    number = HeliosId(call.number("pes"))
    return _moved(number, await helios_signing.cancel(call.deps, call.who, number))


async def flow_archive(call: Call) -> web.StreamResponse:
    """What the archivist's software says became of a flow: `status`, `reason`, `url`."""
    _check_post(call)
    fields, number = call.form.fields, HeliosId(call.number("pes"))
    told = helios_sae.Told(php_int(fields.text("status")), fields.text("reason"), fields.text("url"))
    return _moved(number, await helios_sae.tell(call.deps, call.who, number, told))


def _check_post(call: Call) -> None:
    if call.request.method != "POST":
        raise Refused(BY_POST)


def _moved(number: HeliosId, status: HeliosStatus) -> web.Response:
    return json_answer({"id": number, "status": int(status), "label": STATUS_LABELS[status]}, "application/json")
