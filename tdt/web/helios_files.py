"""Get a PES and its acquittement back, byte for byte."""

from aiohttp import web

from tdt.db import helios as db
from tdt.db.accounts import get_owner
from tdt.db.helios_signing import get_deposited
from tdt.domain.authorities import Module, Right, may
from tdt.domain.errors import Forbidden
from tdt.domain.ids import HeliosId
from tdt.web.call import Call, php_int, refused

INDEX = "/modules/helios/index.php"


async def download_acquit(call: Call) -> web.StreamResponse:
    """The PES_ACQUIT of a transaction, as received."""
    transaction = await _viewable(call)
    if transaction.acquit_content_id is None:
        raise refused("Erreur d'envoi du fichier : aucun acquittement", INDEX)
    return await call.send(transaction.acquit_content_id, "text/xml", transaction.acquit_filename or "acquit.xml")


async def download_file(call: Call) -> web.StreamResponse:
    """The PES of a transaction, as it is sent; with `deposited`, as it was before it was signed here."""
    transaction = await _viewable(call)
    if call.query.is_true("deposited"):
        async with call.transaction() as connection:
            deposited = await get_deposited(connection, transaction.id)
        if deposited is not None:
            return await call.send(deposited.content_id, "text/xml", transaction.filename)
    return await call.send(transaction.content_id, "text/xml", transaction.filename)


async def _viewable(call: Call) -> db.HeliosTransaction:
    given = call.query.text("id")
    if given and not given.strip().lstrip("+-").isdecimal():
        raise refused("id n'est pas un entier", "")
    number = php_int(given)
    if not number:
        raise refused("Id non trouvé", "")
    async with call.transaction() as connection:
        transaction = await db.get_transaction(connection, HeliosId(number))
        if transaction is None:
            raise refused("Erreur d'initialisation de la transaction.", INDEX)
        owner = await get_owner(connection, call.who.user.id, transaction.account_id, transaction.authority_id)
    if not may(call.who, Right.VIEW, Module.HELIOS, owner):
        raise Forbidden("Accès refusé", details={"page": INDEX})
    return transaction
