"""The confirmation of actes that wait: an agent's browser comes from its software, and goes back to it."""

from aiohttp import web

from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import ActeId
from tdt.flows import actes_confirm
from tdt.web.actes import INDEX, NOT_RGS
from tdt.web.call import Call, php_int, refused
from tdt.web.returning import check_return, fill_return
from tdt.web.s2low import redirect, replied

SHOW = "/modules/actes/actes_transac_show.php?id="


async def post_confirm_api(call: Call) -> web.StreamResponse:
    """Confirm one acte; the answer is a redirection to `url_return`, whatever happens."""
    back = _back(call)
    _check_transmits(call)
    number = php_int(call.query.text("id"))
    if not number:
        raise Refused(actes_confirm.NO_NUMBER)
    await actes_confirm.confirm(call.deps, call.who, ActeId(number))
    return redirect(fill_return(back, "0", "") or call.page(""))


async def post_confirm_api_multi(call: Call) -> web.StreamResponse:
    """Confirm several; those that cannot be are passed over, and `url_return` is left as it is."""
    back = _back(call)
    _check_transmits(call)
    given = call.query.array("id").values()
    numbers = [number for number in map(php_int, given) if number]
    if not numbers:
        raise Refused(actes_confirm.NO_NUMBER)
    await actes_confirm.confirm_all(call.deps, call.who, [ActeId(number) for number in numbers])
    return redirect(back or call.page(""))


async def post_confirm(call: Call) -> web.StreamResponse:
    """Confirm one acte from a form: a redirection, but for the success with api=1."""
    if not call.identity.transmit:
        raise refused(NOT_RGS.format(call.identity.refusal), INDEX)
    number = php_int(call.form.fields.text("id"))
    if not number:
        raise refused(actes_confirm.NO_NUMBER, INDEX)
    try:
        message = await actes_confirm.confirm(call.deps, call.who, ActeId(number))
    except Forbidden as error:
        raise Forbidden(error.message, details={"page": INDEX}) from error
    return replied(message, call.is_api, call.page(f"{SHOW}{number}"))


def _back(call: Call) -> str:
    """First of all: nothing is confirmed for an address that nobody can be sent back to."""
    return check_return(call.query.text("url_return"), call.deps.config.actes.return_hosts)


def _check_transmits(call: Call) -> None:
    if not call.identity.transmit:
        raise Refused(NOT_RGS.format(call.identity.refusal))
