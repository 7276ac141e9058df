"""`tdt admin users`: the accounts, their rights, certificates and passwords."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tdt.admin.door import CONFIG, JSON, Row, operator, refused, run, show, show_one
from tdt.admin.notify import notify, refused_addresses
from tdt.certificates.account import read_certificate
from tdt.db.account_admin import AccountFilter, Administered, get_administered, list_accounts, list_sharing
from tdt.deps import Deps
from tdt.domain.accounts import UNKNOWN, Means, Profile
from tdt.domain.authorities import Module, Permission, Role
from tdt.domain.errors import Refused
from tdt.domain.ids import AccountId, AuthorityId, GroupId
from tdt.flows import accounts as flow

ACCOUNT = click.argument("account", type=int)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ROLES = click.Choice([str(role) for role in Role])
PERMISSIONS = [str(permission) for permission in Permission]
PASSWORD_FILE = click.option(
    "--password-file", type=FILE, help="Fichier dont la première ligne est le mot de passe ; jamais sur la ligne."
)
Command = Callable[..., Any]


@click.group("users")
def users() -> None:
    """Comptes : personnes et logiciels."""


users.add_command(notify)
users.add_command(refused_addresses)


def profile_options(command: Command) -> Command:
    """The options that say what an account is; what is not said stays, or is empty in a new one."""
    for name, text in (
        ("name", "Son nom."),
        ("givenname", "Son prénom."),
        ("email", "Son adresse électronique."),
        ("telephone", "Son téléphone."),
        ("login", "Son login, quand plusieurs comptes partagent un certificat."),
    ):
        command = click.option("--" + name, help=text)(command)
    command = click.option("--group", help="Le groupe d'un administrateur de groupe, par son numéro.")(command)
    return click.option(
        "--permission",
        "permissions",
        multiple=True,
        metavar="MODULE=DROIT",
        help=f"actes, helios ou mail = {', '.join(PERMISSIONS)} ; à répéter, ce qui n'est pas dit reste.",
    )(command)


def _edited(profile: Profile, given: dict[str, Any]) -> Profile:
    said = {name: value for name, value in given.items() if value is not None and name != "permissions"}
    permissions = {**profile.permissions, **_permissions(given["permissions"])}
    return replace(profile, **said, permissions=permissions)


def _permissions(given: tuple[str, ...]) -> dict[Module, str]:
    read: dict[Module, str] = {}
    for one in given:
        module, _, permission = one.partition("=")
        if module not in list(Module) or permission not in PERMISSIONS:
            raise click.UsageError(f"« {one} » n'est pas de la forme MODULE=DROIT.")
        read[Module(module)] = permission
    return read


def _password(file: Path | None) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r") if file is not None else ""


@users.command("first-sadm")
@click.option("--certificate", type=FILE, required=True, help="Son certificat, en PEM ou DER.")
@click.option("--name", required=True, help="Son nom.")
@click.option("--givenname", required=True, help="Son prénom.")
@click.option("--email", required=True, help="Son adresse électronique.")
@CONFIG
@JSON
def first_sadm(certificate: Path, path: Path, as_json: bool, **given: str) -> None:
    """Créer le premier super administrateur d'une installation, à partir de son certificat."""
    data = certificate.read_bytes()
    profile = Profile(name=given["name"], givenname=given["givenname"], email=given["email"])

    async def work(deps: Deps) -> Row:
        means = Means(certificate=read_certificate(data))
        return await _row(deps, await flow.create_first(deps, operator(), profile, means))

    show_one(run(path, work), as_json)


@users.command("list")
@CONFIG
@JSON
@click.option("--authority", type=int, help="Seulement ceux de cette collectivité.")
@click.option("--group", type=int, help="Seulement ceux des collectivités de ce groupe aujourd'hui.")
@click.option("--role", type=ROLES, help="Seulement ceux de ce rôle.")
@click.option("--name", help="Seulement ceux dont le nom contient ce texte.")
@click.option("--active/--suspended", default=None, help="Seulement les actifs, ou seulement les suspendus.")
@click.option("--expired/--valid", default=None, help="Seulement ceux dont le certificat est fini, ou ne l'est pas.")
def list_all(path: Path, as_json: bool, authority: int | None, group: int | None, **wanted: Any) -> None:
    """Les comptes, par nom."""
    asked = AccountFilter(
        authority=AuthorityId(authority) if authority is not None else None,
        group=GroupId(group) if group is not None else None,
        role=wanted["role"],
        name=wanted["name"],
        status=None if wanted["active"] is None else int(wanted["active"]),
        expired=wanted["expired"],
    )

    async def work(deps: Deps) -> list[Row]:
        async with deps.transaction("system") as connection:
            found = await list_accounts(connection, asked)
        return [
            {
                "id": one.id,
                "name": one.name,
                "givenname": one.givenname,
                "email": one.email,
                "role": str(one.role),
                "active": one.status == 1,
                "authority": one.authority_name,
                "login": one.login,
                "certificate_not_after": one.certificate_not_after,
            }
            for one in found
        ]

    show(run(path, work), as_json)


@users.command("show")
@ACCOUNT
@CONFIG
@JSON
def show_account(account: int, path: Path, as_json: bool) -> None:
    """Un compte, ses droits et son certificat."""
    show_one(run(path, lambda deps: _row(deps, AccountId(account))), as_json)


async def _get(deps: Deps, account: AccountId) -> Administered:
    async with deps.transaction("system") as connection:
        found = await get_administered(connection, account)
    if found is None:
        raise Refused(UNKNOWN)
    return found


async def _row(deps: Deps, account: AccountId) -> Row:
    found = await _get(deps, account)
    async with deps.transaction("system") as connection:
        sharing = await list_sharing(connection, found.stored.certificate_hash)
    user, stored = found.user, found.stored
    return {
        "id": user.id,
        "name": user.name,
        "givenname": user.givenname,
        "email": user.email,
        "telephone": user.telephone,
        "role": str(user.role),
        "active": user.status == 1,
        "authority_id": user.authority_id,
        "authority": found.authority.name if found.authority is not None else None,
        "group_id": user.group_id,
        "login": user.login,
        "has_password": stored.password_hash is not None,
        "permissions": [f"{module}={permission}" for module, permission in user.permissions.items()],
        "certificate": user.certificate_hash,
        "subject": user.subject_dn,
        "issuer": user.issuer_dn,
        "not_after": user.certificate_not_after,
        "same_certificate": [one for one in sharing if one != user.id],
    }


@users.command("create")
@CONFIG
@JSON
@profile_options
@click.option("--authority", type=int, help="Sa collectivité ; un SADM ou un GADM peut n'en avoir aucune.")
@click.option("--role", type=ROLES, default=str(Role.USER), show_default=True, help="Son rôle.")
@click.option("--certificate", type=FILE, help="Son certificat, en PEM ou DER.")
@click.option(
    "--clone-of", type=int, help="À la place : le certificat de ce compte ; il faut un login et un mot de passe."
)
@PASSWORD_FILE
def create(path: Path, as_json: bool, clone_of: int | None, password_file: Path | None, **given: Any) -> None:
    """Créer un compte."""
    certificate, authority, role = given.pop("certificate"), given.pop("authority"), given.pop("role")
    base = Profile(active=True, role=Role(role), authority_id=AuthorityId(authority) if authority is not None else None)
    data = certificate.read_bytes() if certificate is not None else b""

    async def work(deps: Deps) -> Row:
        means = Means(
            certificate=read_certificate(data) if data else None,
            password=_password(password_file),
        )
        source = AccountId(clone_of) if clone_of is not None else None
        return await _row(deps, await flow.create(deps, operator(), _edited(base, given), means, source))

    show_one(run(path, work), as_json)


@users.command("modify")
@ACCOUNT
@CONFIG
@JSON
@profile_options
@click.option("--role", type=ROLES, help="Son rôle.")
def modify(account: int, path: Path, as_json: bool, role: str | None, **given: Any) -> None:
    """Modifier un compte : ce qui n'est pas dit reste."""

    def edit(current: Profile) -> Profile:
        changed = _edited(current, given)
        return replace(changed, role=Role(role)) if role is not None else changed

    _change(path, account, as_json, edit, Means(keep_forwarded=True))


@users.command("password")
@ACCOUNT
@PASSWORD_FILE
@click.option("--erase", is_flag=True, help="Effacer login et mot de passe : le certificat seul.")
@CONFIG
@JSON
def password(account: int, password_file: Path | None, erase: bool, path: Path, as_json: bool) -> None:
    """Changer le mot de passe d'un compte ; il est demandé si aucun fichier n'est donné."""
    value = "" if erase else _password(password_file)
    if not erase and password_file is None:
        value = click.prompt("Nouveau mot de passe", hide_input=True, confirmation_prompt=True)
    if not erase and not value:
        refused("Le mot de passe est vide.")
    means = Means(password=value, certificate_only=erase, keep_forwarded=True)
    _change(path, account, as_json, lambda current: replace(current, login="") if erase else current, means)


def _change(path: Path, account: int, as_json: bool, edit: Callable[[Profile], Profile], means: Means) -> None:
    async def work(deps: Deps) -> Row:
        await flow.modify(deps, operator(), AccountId(account), edit, means)
        return await _row(deps, AccountId(account))

    show_one(run(path, work), as_json)


@users.command("suspend")
@ACCOUNT
@CONFIG
@JSON
def suspend(account: int, path: Path, as_json: bool) -> None:
    """Suspendre un compte : il est refusé aussitôt."""
    _set_active(path, account, as_json, False)


@users.command("resume")
@ACCOUNT
@CONFIG
@JSON
def resume(account: int, path: Path, as_json: bool) -> None:
    """Lever la suspension d'un compte."""
    _set_active(path, account, as_json, True)


def _set_active(path: Path, account: int, as_json: bool, active: bool) -> None:
    async def work(deps: Deps) -> Row:
        await flow.set_active(deps, operator(), AccountId(account), active)
        return await _row(deps, AccountId(account))

    show_one(run(path, work), as_json)


@users.group("certificate")
def certificate() -> None:
    """Certificat d'un compte."""


@certificate.command("replace")
@ACCOUNT
@click.argument("file", type=FILE)
@click.option("--alone", is_flag=True, help="De ce compte seul, non de tous ceux qui partagent son certificat.")
@CONFIG
@JSON
def replace_certificate(account: int, file: Path, alone: bool, path: Path, as_json: bool) -> None:
    """Remplacer le certificat d'un compte, et de ceux qui le partagent ; affiche les comptes changés."""
    data = file.read_bytes()

    async def work(deps: Deps) -> list[Row]:
        new = read_certificate(data)
        return [{"id": one} for one in await flow.replace_certificate(deps, operator(), AccountId(account), new, alone)]

    show(run(path, work), as_json)


@certificate.command("export")
@ACCOUNT
@CONFIG
def export(account: int, path: Path) -> None:
    """Écrire le certificat d'un compte, en PEM, sur la sortie."""
    click.echo(run(path, lambda deps: _get(deps, AccountId(account))).stored.certificate, nl=False)
