"""Flows that wait are posted; those that were answered go to the archive."""

from aiohttp import web

from tdt.domain.authorities import Role, is_administrator
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import HeliosId
from tdt.flows import helios_confirm, helios_sae
from tdt.web.call import Call, php_int, refused
from tdt.web.helios import INDEX
from tdt.web.s2low import Refusal, Shape, json_answer, redirect, refuse, replied

SHOW = "/modules/helios/helios_transac_show.php?id={}"
MISSING = "Pas d'identifiant de transaction spécifié"
INCORRECT = "transaction_id incorrect"


async def transac_submit(call: Call) -> web.StreamResponse:
    """Post a flow that waits (14): a redirection, but for the success with api=1."""
    number = php_int(call.form.fields.text("id"))
    if not number:
        raise refused(MISSING, INDEX)
    page = SHOW.format(number)
    try:
        message = await helios_confirm.confirm(call.deps, call.who, HeliosId(number))
    except Refused as error:
        raise refused(error.message, page) from error
    return replied(message, call.is_api, call.page(page))


async def change_status_sae(call: Call) -> web.StreamResponse:
    """Change the status of an archiving: an archivist, or an administrator of the collectivité."""
    if not is_administrator(call.who.user) and call.who.user.role is not Role.ARCH:
        raise Forbidden("Accès refusé")
    fields = call.form.fields
    number, target = php_int(fields.text("transaction_id")), php_int(fields.text("status_id"))
    if not number:
        raise refused(INCORRECT, "")
    page = SHOW.format(number)
    try:
        message = await helios_sae.correct_status(call.deps, call.who, HeliosId(number), target)
    except Refused as error:
        raise refused(error.message, page) from error
    if not (fields.is_true("api") or call.query.is_true("api")):
        return redirect(call.page(page))
    return json_answer({"status": "ok", "message": message}, "text/plain")


async def transac_close(call: Call) -> web.StreamResponse:
    """Put flows in line for the archive, `liste_id[]`: a line for each, OK when all of them are."""
    given = list(call.form.fields.array("liste_id").values())
    return await _plan(call, given or [call.form.fields.text("id")], INDEX)


async def transac_archiver(call: Call) -> web.StreamResponse:
    """The same for one, `id`."""
    given = call.form.fields.text("id")
    return await _plan(call, [given], SHOW.format(php_int(given)))


async def _plan(call: Call, given: list[str], page: str) -> web.StreamResponse:
    numbers = [HeliosId(number) for number in map(php_int, given) if number]
    if not numbers:
        raise refused(MISSING, INDEX)
    done = await helios_sae.plan(call.deps, call.who, numbers)
    lines, back = "\n".join(done.lines), call.page(page)
    if done.ok:
        return replied(lines, call.is_api, back)
    return refuse(Shape.REPLY, Refusal(lines, back, call.is_api))
