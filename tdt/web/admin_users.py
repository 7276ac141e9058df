"""Administration of accounts: the endpoints of S2LOW under /admin/users."""

from collections.abc import Mapping

from aiohttp import web

from tdt.certificates.account import UNREADABLE, read_certificate
from tdt.db.account_admin import (
    AccountFilter,
    Administered,
    count_accounts,
    get_administered,
    list_accounts,
    list_sharing,
)
from tdt.domain import accounts as rules
from tdt.domain.accounts import Means, Profile
from tdt.domain.authorities import MODULE_IDS, ROLE_LABELS, Module, Role, User
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AccountId, AuthorityId, GroupId
from tdt.flows import accounts, services
from tdt.web.admin_answers import actor, done, page_of, plain, told_in_html
from tdt.web.call import Call, php_int, refused
from tdt.web.forms import Fields, Form
from tdt.web.s2low import attachment
from tdt.web.uploads import Fault, FormPlan

EDIT = "/admin/users/admin_user_edit.php"
USERS = "/admin/users/admin_users.php"
NOT_A_NUMBER = "Le paramètre id doit être un entier"
CUT = "Le formulaire n'a été que partiellement reçu"
NOT_VISIBLE = "Impossible de d'accéder à cet utilisateur. Accés refusé."
NO_USER = "Aucun identifiant utilisateur n'a été présenté"
NOT_CONFIRMED = "Vous devez confirmer la modification"
NO_FILE = "Vous devez fournir un certificat"

CERTIFICATE_ONLY, FORWARDED = 1, 3
"""Values of auth_method; 2, login and password beside the certificate, is what happens otherwise."""

CERTIFICATES = FormPlan(
    texts=frozenset({"certificate", "certificate_rgs_2_etoiles", "certificat"}),
    messages={
        Fault.TOO_LARGE: UNREADABLE,
        Fault.TOO_MUCH_TEXT: UNREADABLE,
        Fault.TOO_MANY_FILES: UNREADABLE,
        Fault.TRUNCATED: CUT,
        Fault.MALFORMED: CUT,
    },
)


async def user_edit(call: Call) -> web.StreamResponse:
    """Create an account, clone the certificate of another into a new one, or modify one: `id` decides."""
    form = await call.read(CERTIFICATES)
    fields = form.fields
    number = _number(fields.text("id"))
    profile, by = _profile(form), actor(call)

    def asked(_current: Profile | None = None) -> Profile:
        same = fields.text("password") == fields.text("password2")
        rules.check_asked(profile, fields.is_true("api"), same)
        return profile

    with told_in_html(USERS):
        if number is not None:
            account, verb = number, "Modification"
            await accounts.modify(call.deps, by, account, asked, _means(form))
        else:
            verb, source = "Création", php_int(fields.text("new_id"))
            clone_of = AccountId(source) if source else None
            account = await accounts.create(call.deps, by, asked(), _means(form), clone_of)
    who = f"{profile.givenname} {profile.name}"
    return done(call, f"{verb} de l'utilisateur {who} (id={account}). Résultat ok.", account)


def _number(text: str) -> AccountId | None:
    if text in ("", "0"):
        return None
    if not (text.isascii() and text.isdigit()):
        raise refused(NOT_A_NUMBER, "/")
    return AccountId(php_int(text))


def _profile(form: Form) -> Profile:
    fields = form.fields
    authority, role = php_int(fields.text("authority_id")), fields.text("role")
    return Profile(
        name=fields.text("name"),
        givenname=fields.text("givenname"),
        email=fields.text("email"),
        telephone=fields.text("telephone"),
        active=php_int(fields.text("status")) == 1,
        role=Role(role) if role in ROLE_LABELS else Role.USER,
        authority_id=AuthorityId(authority) if authority else None,
        group=fields.text("authority_group_id"),
        login="" if _is_alone(fields) else fields.text("login"),
        permissions={module: fields.text(f"perm_{number}") for module, number in MODULE_IDS.items()},
    )


def _is_alone(fields: Fields) -> bool:
    return php_int(fields.text("auth_method")) == CERTIFICATE_ONLY


def _means(form: Form) -> Means:
    """The means of identification of the form. Raises Refused when a certificate cannot be read."""
    given, forwarded = _file(form, "certificate"), _file(form, "certificate_rgs_2_etoiles")
    return Means(
        certificate=read_certificate(given) if given else None,
        forwarded=read_certificate(forwarded).pem if forwarded else "",
        password=form.fields.text("password"),
        certificate_only=_is_alone(form.fields),
        keep_forwarded=php_int(form.fields.text("auth_method")) == FORWARDED,
    )


def _file(form: Form, name: str) -> bytes:
    upload = form.files.scalar(name)
    return upload.text if upload is not None else b""


async def user_detail(call: Call) -> web.StreamResponse:
    """One account, its permissions, and who shares its certificate among those that the caller may see."""
    async with call.transaction() as connection:
        found = await get_administered(connection, AccountId(php_int(call.query.text("id"))))
        if found is None or not _may(call, found):
            raise Refused(NOT_VISIBLE)
        sharing = await list_sharing(connection, found.stored.certificate_hash)
    user = found.user
    return plain(
        {
            "name": user.name,
            "givenname": user.givenname,
            "login": user.login,
            "email": user.email,
            "telephone": user.telephone,
            "status": user.status,
            "authority_id": user.authority_id,
            "authority_group_id": user.group_id,
            "role": str(user.role),
            "certificate": found.stored.certificate,
            "module": {number: _permission(found, module) for module, number in MODULE_IDS.items()},
            "other_id": sharing,
        }
    )


def _may(call: Call, found: Administered) -> bool:
    return rules.administers(actor(call), found.owner, found.user.role, found.user.group_id)


def _permission(found: Administered, module: Module) -> str | None:
    """The permission of an account, where its collectivité has the module."""
    permission = found.user.permissions.get(module)
    enabled = found.authority is not None and module in found.authority.modules
    return str(permission) if permission is not None and enabled else None


async def users(call: Call) -> web.StreamResponse:
    """The accounts that the caller may see, by name, a page at a time."""
    wanted = _filter(call.who.user, call.query)
    async with call.transaction() as connection:
        total = await count_accounts(connection, wanted)
        page = page_of(call.query, total)
        found = await list_accounts(connection, wanted, page.limit, page.offset, total)
    return plain(
        [
            {
                "id": one.id,
                "name": one.name,
                "givenname": one.givenname,
                "email": one.email,
                "role": str(one.role),
                "status": one.status,
                "authority_id": one.authority_id,
                "authority_name": one.authority_name,
            }
            for one in found
        ]
    )


def _filter(me: User, query: Fields) -> AccountFilter:
    """What the URL asks for, within what the caller administers. Row-level security holds the limits besides."""
    authority, group = php_int(query.text("authority")), php_int(query.text("group"))
    if me.role is Role.ADM:
        authority, group = me.authority_id or 0, 0
    elif me.role is Role.GADM:
        group = me.group_id or 0
    status = query.scalar("status")
    return AccountFilter(
        authority=AuthorityId(authority) if authority else None,
        group=GroupId(group) if group else None,
        role=query.text("role") or None,
        name=query.text("name") or None,
        status=1 if status is None else php_int(status) if status else None,
        expired={"0": False, "1": True}.get(query.text("certificat_status")),
    )


async def users_role(_call: Call) -> web.StreamResponse:
    """The roles and their names."""
    labels: Mapping[str, str] = {str(role): label for role, label in ROLE_LABELS.items()}
    return plain(labels)


async def user_download_cert(call: Call) -> web.StreamResponse:
    """The certificate of an account, as a PEM file."""
    async with call.transaction() as connection:
        found = await get_administered(connection, AccountId(php_int(call.query.text("id"))))
    if found is None or not found.stored.certificate or not _may(call, found):
        raise Forbidden(rules.FORBIDDEN)
    name = f"{found.user.id}_certificate.pem"
    headers = {"Content-Type": f'application/octet-stream; name="{name}"', **attachment(name)}
    return web.Response(body=found.stored.certificate.encode("ascii"), headers=headers)


async def bulk_certificate(call: Call) -> web.StreamResponse:
    """Replace the certificate of every account that shares that of `user_id`."""
    form = await call.read(CERTIFICATES)
    account = php_int(form.fields.text("user_id"))
    if not account:
        raise refused(NO_USER, "/")
    page = f"/admin/users/admin_user_list.php?user_id={account}"
    if form.fields.text("confirm") != "OUI":
        raise refused(NOT_CONFIRMED, page)
    data = _file(form, "certificat")
    if not data:
        raise refused(NO_FILE, page)
    with told_in_html(page):
        await accounts.replace_certificate(call.deps, actor(call), AccountId(account), read_certificate(data))
    return done(call, "Certificat mis à jour")


async def add_user_to_service(call: Call) -> web.StreamResponse:
    """Put an account in a service."""
    fields = call.form.fields
    service, account = php_int(fields.text("id_service")), AccountId(php_int(fields.text("id_user")))
    await services.add_member(call.deps, actor(call), service, account)
    return done(call, "L'utilisateur a été ajouté au service")
