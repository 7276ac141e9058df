"""Archiving: the status that an archivist's software tells, the address of an archive, a status corrected by hand."""

import asyncio
import json

from aiohttp import web

from tdt.domain.errors import Conflict, Refused
from tdt.domain.ids import ActeId
from tdt.flows import actes_sae
from tdt.web.actes import INDEX
from tdt.web.admin_answers import actor
from tdt.web.call import Call, php_int, refused
from tdt.web.s2low import replied, symfony_json
from tdt.web.uploads import NO_PLAN, accept_body

SHOW = "/modules/actes/actes_transac_show.php?id={}"
MISSING = "Pas d'identifiant de transaction spécifié ou type invalide."
BODY_BYTES = 65_536
UNREADABLE = "Requête illisible : transaction_id et status_id sont attendus, deux entiers."
LARGEST = 1 << 62


async def sae_status(call: Call) -> web.StreamResponse:
    """What became of the archiving of an act, by form, multipart, JSON, or in the URL."""
    given = await _read(call)
    if given is None:
        return symfony_json({"error": UNREADABLE}, 422)
    try:
        await actes_sae.tell_status(call.deps, call.who, ActeId(given[0]), given[1])
    except (Refused, Conflict) as error:
        return symfony_json({"error": error.message}, 400)
    return symfony_json({"status": "ok"})


async def set_archive_url(call: Call) -> web.StreamResponse:
    """Say where an act is archived (old revisions of S2LOW)."""
    fields = call.form.fields
    number = php_int(fields.text("id"))
    if not number:
        raise refused(MISSING, INDEX)
    message = await actes_sae.set_archive_url(call.deps, call.who, ActeId(number), fields.text("url"))
    return replied(message, call.is_api, call.page(SHOW.format(number)))


async def change_status(call: Call) -> web.StreamResponse:
    """A super-administrator corrects the status of an archiving."""
    fields = call.form.fields
    number, target = php_int(fields.text("transaction_id")), php_int(fields.text("status_id"))
    page = SHOW.format(number)
    try:
        message = await actes_sae.correct_status(call.deps, actor(call), ActeId(number), target)
    except Refused as error:
        raise refused(error.message, "/" if error.message == actes_sae.NO_SUCH else page) from error
    return replied(message, call.is_api, call.page(page))


async def _read(call: Call) -> tuple[int, int] | None:
    """The two numbers; None when they are not there."""
    if call.request.content_type == "application/json":
        found = await _read_json(call)
    else:
        form = await call.read(NO_PLAN)
        names = ("transaction_id", "status_id")
        found = {name: form.fields.text(name) or call.query.text(name) for name in names}
    numbers = _integer(found.get("transaction_id")), _integer(found.get("status_id"))
    return (numbers[0], numbers[1]) if numbers[0] is not None and numbers[1] is not None else None


async def _read_json(call: Call) -> dict[str, object]:
    """An object, or nothing."""
    await accept_body(call.request)
    body = b""
    try:
        async with asyncio.timeout(call.deps.config.server.stall_seconds):
            while chunk := await call.request.content.readany():
                body = (body + chunk)[: BODY_BYTES + 1]
        value = json.loads(body) if len(body) <= BODY_BYTES else None
    except (ValueError, RecursionError, TimeoutError):
        value = None
    return value if isinstance(value, dict) else {}


def _integer(value: object) -> int | None:
    """A JSON integer, or its digits."""
    if (
        isinstance(value, str)
        and value.strip().removeprefix("-").isascii()
        and value.strip().removeprefix("-").isdigit()
    ):
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
        return None
    return value
