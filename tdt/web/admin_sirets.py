"""Administration of the SIRETs of a collectivité: S2LOW's endpoints admin_authority_siret*.php."""

from aiohttp import web

from tdt.db.authority_admin import get_owned, list_sirets
from tdt.domain import authority_sheet as rules
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId
from tdt.flows import sirets
from tdt.web.admin_answers import actor, done, plain
from tdt.web.call import Call, php_int


async def siret_list(call: Call) -> web.StreamResponse:
    """The SIRETs of a collectivité that are not blocked."""
    authority = AuthorityId(php_int(call.query.text("id")))
    async with call.transaction() as connection:
        owned = await get_owned(connection, authority)
        found = await list_sirets(connection, authority)
    if owned is None or not actor(call).administers(owned.owner):
        raise Refused(rules.NOT_FOUND)
    return plain([one.siret for one in found if not one.blocked])


async def siret_add(call: Call) -> web.StreamResponse:
    """Give a SIRET to a collectivité."""
    fields = call.form.fields
    authority = AuthorityId(php_int(fields.text("authority_id")))
    await sirets.add(call.deps, actor(call), authority, "".join(fields.text("siret").split()))
    return done(call, "Numéro SIRET ajouté")


async def siret_del(call: Call) -> web.StreamResponse:
    """Take a SIRET away."""
    await sirets.remove(call.deps, actor(call), await _row(call))
    return done(call, "Numéro SIRET retiré")


async def siret_block(call: Call) -> web.StreamResponse:
    """Block a SIRET: it attracts no return and no flow brings it again."""
    await sirets.set_blocked(call.deps, actor(call), await _row(call), True)
    return done(call, "Le SIRET a été bloqué")


async def siret_unblock(call: Call) -> web.StreamResponse:
    """Let a SIRET attract returns again."""
    await sirets.set_blocked(call.deps, actor(call), await _row(call), False)
    return done(call, "Le SIRET a été débloqué")


async def _row(call: Call) -> int:
    """The SIRET that is meant: by the id of its row as in S2LOW, or by itself, for no list tells these ids."""
    fields = call.form.fields
    number = php_int(fields.text("authority_siret_id"))
    if number:
        return number
    authority = AuthorityId(php_int(fields.text("authority_id")))
    return await sirets.find(call.deps, actor(call), authority, "".join(fields.text("siret").split()))
