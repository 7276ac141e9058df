"""Administration of groups and of the SIREN that each may use: S2LOW's endpoints, those of its browser pages too."""

from aiohttp import web

from tdt.db.groups import count_groups, list_groups
from tdt.domain import authority_sheet as rules
from tdt.domain.actes.filetype import TEXT, sniff
from tdt.domain.authorities import Role
from tdt.domain.errors import Refused
from tdt.domain.ids import GroupId
from tdt.domain.siren import is_siren
from tdt.domain.text import decode_form
from tdt.flows import groups
from tdt.flows.groups import GroupEdit
from tdt.web.admin_answers import actor, done, page_of, plain
from tdt.web.call import Call, php_int
from tdt.web.forms import Form
from tdt.web.uploads import Fault, FormPlan

BAD_FILE = "Le fichier SIREN n'a pas été analysé car il n'est pas au bon format"
NO_GROUP = "identifiant groupe invalide"
WRONG_SIREN = "siren non valide"
KNOWN_SIREN = "siren deja present"
GROUP_PLAN = FormPlan(texts=frozenset({"siren_file"}), messages=dict.fromkeys(Fault, BAD_FILE))


async def group_list(call: Call) -> web.StreamResponse:
    """The groups, by name, a page at a time."""
    name = call.query.text("name")
    async with call.transaction() as connection:
        page = page_of(call.query, await count_groups(connection, name))
        found = await list_groups(connection, name, page.limit, page.offset)
    return plain([{"id": one.id, "name": one.name, "status": int(one.active)} for one in found])


async def group_edit(call: Call) -> web.StreamResponse:
    """Create a group or modify one: `id` decides. The SIREN of the file are added to those that it has."""
    form = await call.read(GROUP_PLAN)
    fields = form.fields
    active, sirens = php_int(fields.text("status")) == 1, _sirens(form)
    number = php_int(fields.text("id"))
    if number:
        group = GroupId(number)
        await groups.modify(call.deps, actor(call), group, GroupEdit(fields.text("name"), active, sirens))
    else:
        group = await groups.create(call.deps, actor(call), fields.text("name"), active, sirens)
    name = rules.group_name(fields.text("name"))
    return done(call, f"Le groupe « {name} » (id={group}) a été édité", group)


def _sirens(form: Form) -> list[str]:
    upload = form.files.scalar("siren_file")
    if upload is None or not (upload.filename or upload.size):
        return []
    if upload.size and sniff(upload.text[:4096]) != TEXT:
        raise Refused(BAD_FILE)
    return rules.read_sirens(decode_form(upload.text))


async def group_delete(call: Call) -> web.StreamResponse:
    """Remove a group that nobody was ever in."""
    await groups.remove(call.deps, actor(call), GroupId(php_int(call.form.fields.text("id"))))
    return done(call, "Le groupe a été supprimé")


async def siren_list(call: Call) -> web.StreamResponse:
    """The SIREN that a group may use: its own for a GADM, the one that is named for a SADM."""
    group = php_int(call.query.text("authority_group_id"))
    return plain(await groups.find_sirens(call.deps, actor(call), GroupId(group) if group else None))


async def siren_add(call: Call) -> web.StreamResponse:
    """Allow a SIREN to a group. S2LOW's messages here are in pure ASCII."""
    user, query = call.who.user, call.query
    number = php_int(query.text("authority_group_id"))
    if not number and user.role is Role.GADM:
        number = user.group_id or 0
    siren = "".join(query.text("siren").split())
    try:
        if not is_siren(siren):
            await groups.allow(call.deps, actor(call), GroupId(number), [])
            raise Refused(WRONG_SIREN)
        new = await groups.allow(call.deps, actor(call), GroupId(number), [siren])
    except Refused as error:
        if error.message == rules.NO_GROUP:
            raise Refused(NO_GROUP) from error
        raise
    if not new:
        raise Refused(KNOWN_SIREN)
    return plain({"status": "ok", "message": "ajout reussi"})
