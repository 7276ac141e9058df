"""Administration of services, and the list of modules: S2LOW's endpoints under /admin/services and /admin/modules."""

from aiohttp import web

from tdt.db.authorities import get_authority
from tdt.db.services import list_services
from tdt.domain.authorities import Owner
from tdt.domain.errors import Forbidden
from tdt.domain.ids import AuthorityId
from tdt.flows import services
from tdt.web.admin_answers import actor, done, plain
from tdt.web.call import Call, php_int
from tdt.web.s2low import json_answer

MODULES = (
    (1, "actes", "Module Actes"),
    (2, "helios", "Module Helios"),
    (3, "dia", "Module DIA"),
    (4, "mail", "Module Mail"),
)
"""The modules of S2LOW's reference data; dia has never been anybody's for years."""


async def add_service(call: Call) -> web.StreamResponse:
    """Create a service."""
    fields = call.form.fields
    authority = php_int(fields.text("authority_id"))
    wanted = AuthorityId(authority) if authority else None
    await services.create(call.deps, actor(call), wanted, fields.text("name"))
    return done(call, "Le service a été créé")


async def list_service(call: Call) -> web.StreamResponse:
    """The services of a collectivité, by name; none when none is named."""
    authority = AuthorityId(php_int(call.query.text("authority_id")))
    if not authority:
        return json_answer([])
    async with call.transaction() as connection:
        owner = await get_authority(connection, authority)
        found = await list_services(connection, authority)
    if owner is None or not actor(call).administers(Owner(None, owner.id, group_id=owner.group_id)):
        raise Forbidden("Accès refusé")
    return json_answer(
        [
            {"id": one.id, "authority_id": one.authority_id, "name": one.name, "parent_id": one.parent_id}
            for one in found
        ]
    )


async def modules(_call: Call) -> web.StreamResponse:
    """Every module, in use or not."""
    return plain([{"id": number, "name": name, "description": text} for number, name, text in MODULES])
