"""Flows that wait are posted, those that were answered go to the archive; what a super-administrator does by hand."""

from aiohttp import web

from tdt.domain.authorities import Role, is_administrator
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import HeliosId
from tdt.flows import helios_confirm, helios_moves, helios_sae
from tdt.web.admin_answers import actor
from tdt.web.call import Call, php_int, refused
from tdt.web.helios import INDEX
from tdt.web.s2low import Refusal, Shape, json_answer, redirect, refuse, replied

SHOW = "/modules/helios/helios_transac_show.php?id={}"
MISSING = "Pas d'identifiant de transaction spécifié"
GIVEN_UP = "La transaction {} a été passée en erreur."
INCORRECT = "transaction_id incorrect"


async def transac_submit(call: Call) -> web.StreamResponse:
    """Post a flow that waits (14): a redirection, but for the success with api=1."""
    number = _number(call)
    page = SHOW.format(number)
    try:
        message = await helios_confirm.confirm(call.deps, call.who, number)
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


async def set_error(call: Call) -> web.StreamResponse:
    """Turn a flow to -1; `message` says why."""
    number = _number(call)
    try:
        await helios_moves.set_error(call.deps, actor(call), number, call.form.fields.text("message"))
    except Refused as error:
        raise refused(error.message, SHOW.format(number)) from error
    return replied(GIVEN_UP.format(number), call.is_api, call.page(SHOW.format(number)))


async def rollback(call: Call) -> web.StreamResponse:
    """Post a flow in error again."""
    number = _number(call)
    try:
        message = await helios_moves.repost(call.deps, actor(call), number)
    except Refused as error:
        raise refused(error.message, SHOW.format(number)) from error
    return replied(message, call.is_api, call.page(SHOW.format(number)))


def _number(call: Call) -> HeliosId:
    number = php_int(call.form.fields.text("id"))
    if not number:
        raise refused(MISSING, INDEX)
    return HeliosId(number)
