"""The closing of acts by their collectivité, and what a super-administrator does by hand."""

from aiohttp import web

from tdt.domain.actes import closing as rules
from tdt.domain.actes.model import ActeStatus
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import ActeId
from tdt.flows import actes_closing, actes_moves
from tdt.web.actes import INDEX
from tdt.web.admin_answers import actor
from tdt.web.call import Call, php_int, refused
from tdt.web.s2low import Refusal, Shape, refuse, replied, text

SHOW = "/modules/actes/actes_transac_show.php?id={}"
MISSING = "Pas d'identifiant de transaction spécifié"


async def transac_close(call: Call) -> web.StreamResponse:
    """Close acts, or plan their archiving: a line for each, OK or KO by the last one treated."""
    fields = call.form.fields
    given = [fields.text("id")] if fields.text("id") else list(fields.array("liste_id").values())
    target = rules.CLOSE.get(fields.text("status"))
    if target is None:
        raise refused(rules.WRONG_STATE, INDEX)
    try:
        closed = await actes_closing.close(call.deps, call.who, [ActeId(php_int(one)) for one in given], target)
    except Refused as error:
        raise refused(error.message, INDEX) from error
    except Forbidden as error:
        page = INDEX if error.message == rules.FORBIDDEN else ""
        raise Forbidden(error.message, details={"page": page}) from error
    page = call.page(SHOW.format(php_int(given[0])) if len(given) == 1 else INDEX)
    if closed.ok:
        return replied(closed.lines, call.is_api, page)
    if not closed.lines and call.is_api:
        return text(b"KO\n")
    return refuse(Shape.REPLY, Refusal(closed.lines, page, call.is_api))


async def set_error(call: Call) -> web.StreamResponse:
    """Turn a transaction to -1."""
    number = _number(call)
    with_page = SHOW.format(number)
    try:
        message = await actes_moves.give_up(call.deps, actor(call), ActeId(number))
    except Refused as error:
        raise refused(error.message, with_page) from error
    return replied(message, call.is_api, call.page(with_page))


async def rollback(call: Call) -> web.StreamResponse:
    """Put a transaction in error in line again: `status_id` 2 (by default) or 1."""
    number = _number(call)
    with_page = SHOW.format(number)
    asked = php_int(call.form.fields.text("status_id")) or int(ActeStatus.EN_ATTENTE_DE_TRANSMISSION)
    if asked not in (1, 2):
        raise refused(f"Impossible de passer la transaction {number} dans l'état {asked}.", with_page)
    try:
        message = await actes_moves.put_again(call.deps, actor(call), ActeId(number), ActeStatus(asked))
    except Refused as error:
        raise refused(error.message, with_page) from error
    return replied(message, call.is_api, call.page(with_page))


def _number(call: Call) -> int:
    number = php_int(call.form.fields.text("id"))
    if not number:
        raise refused(MISSING, INDEX)
    return number
