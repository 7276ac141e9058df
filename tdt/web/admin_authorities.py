"""Administration of collectivités: the endpoints of S2LOW under /admin/authorities, their SIRETs apart."""

import re
from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from tdt.db.authority_admin import (
    AuthorityFilter,
    AuthorityLine,
    count_authorities,
    get_owned,
    list_authorities,
    stream_authorities,
)
from tdt.domain import authority_sheet as rules
from tdt.domain.authorities import MODULE_IDS, Role, User
from tdt.domain.authority_sheet import Owned, Sheet
from tdt.domain.content import Body
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.fields import INTEGER
from tdt.domain.ids import AuthorityId, GroupId
from tdt.domain.territory import NATURES, nature_label
from tdt.flows import authorities
from tdt.web.admin_answers import actor, done, page_of, plain, told_in_html
from tdt.web.api_onboarding import read_checklist
from tdt.web.call import Call, php_int, refused
from tdt.web.forms import Fields, Form
from tdt.web.s2low import attachment
from tdt.web.uploads import Fault, FormPlan

AUTHORITIES = "/admin/authorities/admin_authorities.php"
NOT_A_NUMBER = "{} n'est pas un entier"
ON = ("1", "on")
CSV_HEAD = (
    "Nom",
    "Adresse email",
    "Numéro SIREN",
    "Adresse",
    "Code Postal",
    "Ville",
    "Numéro de téléphone",
    "Numéro de fax",
    "Département",
    "Arrondissement",
    "Status",
    "Nom du groupe",
    "Type",
)
QUOTED = re.compile(r'[,"\\\s]')
"""What makes PHP's fputcsv put a value between quotes."""


async def authority_edit(call: Call) -> web.StreamResponse:
    """Create a collectivité or modify one: `id` decides."""
    form = await call.read(_plan(call))
    fields = form.fields
    for name in ("id", "authority_group_id", "authority_type_id"):
        if fields.text(name) and INTEGER.fullmatch(fields.text(name)) is None:
            raise refused(NOT_A_NUMBER.format(name), AUTHORITIES)
    asked, number = _sheet(fields), php_int(fields.text("id"))
    agreement, by = _agreement(form), actor(call)
    with told_in_html(AUTHORITIES):
        rules.check_place(asked)
        if number:
            authority, verb = AuthorityId(number), "Modification"
            await authorities.modify(call.deps, by, authority, lambda _current: asked, agreement)
        else:
            verb = "Création"
            authority = await authorities.create(call.deps, by, asked, agreement)
    return done(call, f"{verb} de la collectivité {asked.name} (id={authority}). Résultat ok.", authority)


def _plan(call: Call) -> FormPlan:
    return FormPlan(
        spooled=frozenset({"convention_actes"}),
        max_bytes=call.deps.config.limits.acte_archive_bytes,
        messages=dict.fromkeys(Fault, rules.NOT_A_PDF),
    )


def _sheet(fields: Fields) -> Sheet:
    group = php_int(fields.text("authority_group_id"))
    given = {name: fields.text(name) for name in ("name", "siren", "agreement", *rules.OF_THE_HOUSE)}
    return Sheet(
        **given,
        group=GroupId(group) if group else None,
        status=fields.text("status"),
        nature=fields.text("authority_type_id"),
        department=fields.text("department"),
        district=fields.text("district"),
        p_dest=fields.text("helios_ftp_dest").strip(),
        modules=frozenset(module for module, number in MODULE_IDS.items() if fields.text(f"perm_{number}") in ON),
        nomfic_uniqueness_waived=fields.text("helios_do_not_verify_nom_fic_unicity") == "t",
    )


def _agreement(form: Form) -> Body | None:
    """The PDF that was posted; an input left empty by a browser is no file."""
    upload = form.files.scalar("convention_actes")
    return upload.body if upload is not None and (upload.filename or upload.size) else None


async def authority_detail(call: Call) -> web.StreamResponse:
    """One collectivité. What of S2LOW's settings for Pastell is not ours is empty, its password above all."""
    owned = await _find(call, AuthorityId(php_int(call.query.text("id"))))
    if owned is None:
        raise Refused(rules.NOT_CONSULTED)
    sheet = owned.sheet
    answer: dict[str, object] = {
        "id": owned.id,
        "name": sheet.name,
        "siren": sheet.siren,
        "authority_type_id": int(sheet.nature),
        "status": int(sheet.status),
        "email": sheet.email,
        "default_broadcast_email": sheet.default_broadcast_email,
        "broadcast_email": sheet.broadcast_email,
        "address": sheet.address,
        "postal_code": sheet.postal_code,
        "city": sheet.city,
        "department": sheet.department,
        "district": sheet.district,
        "telephone": sheet.telephone,
        "fax": sheet.fax,
        "email_mail_securise": sheet.email_mail_securise,
        **dict.fromkeys(("pastell_url", "pastell_login", "pastell_password", "pastell_id_e"), ""),
    }
    if call.who.user.role is not Role.ADM:
        answer["authority_group_id"] = sheet.group
        answer["helios_ftp_dest"] = sheet.p_dest
        answer["module"] = {number: module in sheet.modules for module, number in MODULE_IDS.items()}
    if call.query.is_true("onboarding"):
        answer["onboarding"] = await read_checklist(call, owned.id)
    return plain(answer)


async def _find(call: Call, authority: AuthorityId) -> Owned | None:
    """A collectivité that the caller administers."""
    async with call.transaction() as connection:
        owned = await get_owned(connection, authority)
    return owned if owned is not None and actor(call).administers(owned.owner) else None


async def authority_list(call: Call) -> web.StreamResponse:
    """The collectivités that the caller administers, by name, a page at a time."""
    wanted = _filter(call.who.user, call.query)
    async with call.transaction() as connection:
        page = page_of(call.query, await count_authorities(connection, wanted))
        found = await list_authorities(connection, wanted, page.limit, page.offset)
    return plain(
        [
            {
                "id": one.id,
                "name": one.name,
                "authority_group_id": one.group_id,
                "siren": one.siren,
                "address": one.address,
                "city": one.city,
                "postal_code": one.postal_code,
                "telephone": one.telephone,
            }
            for one in found
        ]
    )


def _filter(me: User, query: Fields) -> AuthorityFilter:
    """What the URL asks for, within what the caller administers. Row-level security holds the limits besides."""
    group, kind = php_int(query.text("group")), php_int(query.text("type"))
    if me.role is Role.GADM:
        group = me.group_id or 0
    return AuthorityFilter(
        id=me.authority_id if me.role is Role.ADM else None,
        group=GroupId(group) if group and me.role is not Role.ADM else None,
        type=kind or None,
        name=query.text("name") or None,
        siren="".join(query.text("siren").split()) or None,
        siret="".join(query.text("siret").split()) or None,
    )


async def authority_types(_call: Call) -> web.StreamResponse:
    """The types of collectivités and their names."""
    return plain({nature: nature_label(nature) for nature in NATURES})


async def authorities_export(call: Call) -> web.StreamResponse:
    """The collectivités that the caller administers, as CSV."""
    response = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8", **attachment("collectivite.csv")})
    async with call.transaction() as connection:
        lines = _csv(stream_authorities(connection))
        first = await anext(lines)
        await response.prepare(call.request)
        await response.write(first)
        async for line in lines:
            await response.write(line)
    await response.write_eof()
    return response


async def _csv(found: AsyncIterator[AuthorityLine]) -> AsyncIterator[bytes]:
    """The head only comes with the first collectivité: before it nothing is promised to the client."""
    head = csv_line(CSV_HEAD)
    async for one in found:
        line = csv_line(
            (
                one.name,
                one.email,
                one.siren,
                one.address,
                one.postal_code,
                one.city,
                one.telephone,
                one.fax,
                one.department,
                one.district,
                str(one.status),
                one.group_name or "",
                NATURES.get(one.nature, str(one.nature)),
            )
        )
        yield head + line
        head = b""
    if head:
        yield head


def csv_line(values: Iterable[str]) -> bytes:
    """A line as PHP's fputcsv writes it, in UTF-8."""
    cells = ('"' + value.replace('"', '""') + '"' if QUOTED.search(value) else value for value in values)
    return (",".join(cells) + "\n").encode("utf-8")


async def download_convention(call: Call) -> web.StreamResponse:
    """The PDF of the convention of a collectivité."""
    owned = await _find(call, AuthorityId(php_int(call.query.text("authority_id"))))
    if owned is None or owned.agreement_content_id is None:
        raise Forbidden(rules.FORBIDDEN)
    return await call.send(owned.agreement_content_id, "application/pdf", f"convention_{owned.sheet.siren}.pdf")
