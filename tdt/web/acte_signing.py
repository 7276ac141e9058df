"""The acts that wait for their signature: signed, posted without, and the signature of a file."""

from aiohttp import web

from tdt.db import actes as db
from tdt.domain.errors import Forbidden
from tdt.domain.ids import ActeFileId, ActeId
from tdt.domain.text import to_latin1
from tdt.flows import actes_signing
from tdt.web.actes import HOME, INDEX, NOT_RGS, check_view
from tdt.web.call import Call, php_int, refused
from tdt.web.s2low import replied

SHOW = "/modules/actes/actes_transac_show.php?id="
NO_SIGNATURE = "Les signatures n'ont pas pu être récupérées"
AT_MOST = 200


async def post_without_signature(call: Call) -> web.StreamResponse:
    """Post an act that waits for a signature, without one."""
    _check_transmits(call)
    number = php_int(call.form.fields.text("id"))
    message = await actes_signing.post_without_signature(call.deps, call.who, ActeId(number))
    return replied(message, call.is_api, call.page(f"{SHOW}{number}"))


async def transac_sign(call: Call) -> web.StreamResponse:
    """Keep detached signatures (`signature_1` of the file `signature_id_1`, …) and post their acts."""
    _check_transmits(call)
    fields = call.form.fields
    count = php_int(fields.text("nb_signature"))
    if not 0 < count <= AT_MOST:
        raise refused(NO_SIGNATURE, INDEX)
    posted = [
        (ActeFileId(php_int(fields.text(f"signature_id_{place}"))), fields.text(f"signature_{place}"))
        for place in range(1, count + 1)
    ]
    actes = await actes_signing.sign(call.deps, call.who, posted)
    if len(actes) == 1:
        return replied("La signature a été enregistrée", call.is_api, call.page(f"{SHOW}{actes[0]}"))
    return replied("Les signatures ont été enregistrées", call.is_api, call.page(INDEX))


async def get_signature(call: Call) -> web.StreamResponse:
    """The detached signature of a file; empty without one."""
    async with call.transaction() as connection:
        file = await db.get_file(connection, ActeFileId(php_int(call.query.text("id"))))
        envelope = await db.get_envelope(connection, file.envelope_id) if file is not None else None
        if file is None or envelope is None:
            raise Forbidden("Accès refusé", details={"page": INDEX})
        await check_view(call, connection, (envelope.account_id, envelope.authority_id))
    return web.Response(body=to_latin1(file.signature), headers={"Content-Type": "text/plain"})


def _check_transmits(call: Call) -> None:
    if not call.identity.transmit:
        raise refused(NOT_RGS.format(call.identity.refusal), HOME)
