"""The PES_Retour of a collectivité: those that were not read, the bytes of each, and that it is read."""

from aiohttp import web

from tdt.db import helios_retours as db
from tdt.domain.calendar import PARIS, postgres_text
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId, HeliosRetourId
from tdt.flows import helios_retours
from tdt.web.call import Call, php_int, refused
from tdt.web.s2low import ListedRetour, replied, retour_list, retour_read

PAGE = "/modules/helios/helios_retour.php"
INCORRECT = "retour id n'est pas correcte"
CHANGED = "Changement d'état effectué avec succès"
NOT_CHANGED = "Erreur lors du changement d'état"
NONE_CHOSEN = "Pas de réponse sélectionnée pour le changement d'état"
AT_MOST = 1_000
"""Numbers of one request."""


async def get_list(call: Call) -> web.StreamResponse:
    """What the caller's collectivité has not read, the oldest first."""
    authority = call.who.user.authority_id or AuthorityId(0)
    async with call.transaction() as connection:
        unread = await db.list_unread(connection, authority)
    # a clock of twelve hours that does not say which half of the day, as S2LOW's
    asked_at = f"{call.deps.now().astimezone(PARIS):%Y-%m-%d %I:%M:%S}"
    listed = [ListedRetour(one.id, one.name, postgres_text(one.received_at)) for one in unread]
    return retour_list(authority, asked_at, listed)


async def get_retour(call: Call) -> web.StreamResponse:
    """The bytes of a PES_Retour, read or not."""
    return await _send(call, INCORRECT)


async def download_response(call: Call) -> web.StreamResponse:
    """The same, for the page that lists them."""
    return await _send(call, "Accès refusé")


async def _send(call: Call, unknown: str) -> web.StreamResponse:
    async with call.transaction() as connection:
        retour = await db.get_retour(connection, HeliosRetourId(php_int(call.query.text("id"))))
    if retour is None:
        raise Refused(unknown)
    return await call.send(retour.content_id, "text/xml", retour.name)


async def change_status(call: Call) -> web.StreamResponse:
    """A PES_Retour is read; once more changes nothing, and is answered the same."""
    asked = call.query.text("id")
    await helios_retours.mark(call.deps, call.who, [HeliosRetourId(php_int(asked))], read=True)
    return retour_read(asked)


async def change_status_retour(call: Call) -> web.StreamResponse:
    """The same, from the page that lists them."""
    number = php_int(call.query.text("id"))
    if not number:
        raise refused(NONE_CHOSEN, PAGE)
    try:
        await helios_retours.mark(call.deps, call.who, [HeliosRetourId(number)], read=True)
    except Refused as error:
        raise refused(NOT_CHANGED, PAGE) from error
    return replied(CHANGED, call.is_api, call.page(PAGE))


async def update_status(call: Call) -> web.StreamResponse:
    """Several at once, `status` 1 read or 0 not read; all of them or none."""
    fields = call.form.fields
    numbers = [number for number in map(php_int, fields.array("ids").values()) if number][:AT_MOST]
    status = fields.text("status")
    if not numbers or status not in ("0", "1"):
        raise refused(NONE_CHOSEN, PAGE)
    try:
        await helios_retours.mark(call.deps, call.who, [HeliosRetourId(one) for one in numbers], read=status == "1")
    except Refused as error:
        raise refused(NOT_CHANGED, PAGE) from error
    return replied(CHANGED, call.is_api, call.page(PAGE))
