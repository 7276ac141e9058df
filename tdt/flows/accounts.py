"""Administration of accounts: create, clone, modify, suspend, replace certificates; each change with its audit row."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tdt.certificates.account import read_certificate
from tdt.db.account_admin import (
    Administered,
    count_super_administrators,
    get_administered,
    list_holders,
    list_sharing,
    lock_administered,
    move_account,
    move_permissions,
)
from tdt.db.accounts import NewAccount, insert_account
from tdt.db.audit import insert_change
from tdt.db.authorities import get_authority
from tdt.db.groups import get_group
from tdt.db.logins import delete_account_failures
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain import accounts as rules
from tdt.domain.accounts import Certificate, Means, Profile
from tdt.domain.audit import Actor
from tdt.domain.authorities import ACTIVE, Authority, Module, Permission, Role
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import AccountId, GroupId
from tdt.passwords import hash_password

INACTIVE = 0
NOT_FIRST = "Un super administrateur actif existe déjà : la commande « users create --role SADM » en ajoute un."
Edit = Callable[[Profile], Profile]
"""What an account becomes, from what it is. May raise Refused."""


async def create(deps: Deps, by: Actor, profile: Profile, means: Means, clone_of: AccountId | None = None) -> AccountId:
    """Record an account, with a certificate of its own or that of another account. Raises Refused, Forbidden."""
    password_hash = await _hash(means)
    with _told_of_a_twin():
        async with deps.acting(by) as connection:
            certificate = means.certificate
            if clone_of is not None:
                cloned = await _cloned(connection, by, clone_of, bool(profile.login and means.password))
                certificate = certificate or cloned
            if certificate is None:
                raise Refused(rules.NO_CERTIFICATE)
            new = NewAccount(role=profile.role, name=profile.name, certificate_hash=certificate.hash)
            new = _identified(new, profile, replace(means, certificate=certificate), password_hash)
            await _check_identity(connection, None, new, arriving=True)
            authority = await _place(connection, by, profile)
            new = replace(new, authority_id=authority.id if authority is not None else None)
            new = await _described(connection, by, new, profile)
            account = await insert_account(connection, new)
            permissions = await _permit(connection, by, account, profile, authority)
            after = _audited(new, permissions)
            await insert_change(connection, by, ("account:create", account, new.authority_id), {}, after)
    return account


async def create_first(deps: Deps, by: Actor, profile: Profile, means: Means) -> AccountId:
    """Record the super-administrator of a new installation. Raises Refused when an active one exists."""
    async with deps.acting(by) as connection:
        if await count_super_administrators(connection):
            raise Refused(NOT_FIRST)
    return await create(deps, by, replace(profile, role=Role.SADM, active=True), means)


async def modify(deps: Deps, by: Actor, account: AccountId, edit: Edit, means: Means) -> None:
    """Change an account; its collectivité stays. Raises Refused, Forbidden."""
    password_hash = await _hash(means)
    with _told_of_a_twin():
        async with deps.acting(by) as connection:
            current = await _take(connection, by, account)
            profile = edit(profile_of(current))
            new = _identified(current.stored, profile, means, password_hash)
            arriving = new.certificate_hash != current.stored.certificate_hash
            await _check_identity(connection, account, new, arriving)
            new = await _described(connection, by, new, profile, current)
            await move_account(connection, account, new)
            permissions = await _permit(connection, by, account, profile, current.authority)
            before, after = _audited(current.stored, current.user.permissions), _audited(new, permissions)
            if new.password_hash != current.stored.password_hash:
                before["password"], after["password"] = "", "changed" if new.password_hash else "erased"
                await delete_account_failures(connection, account)
            await insert_change(connection, by, ("account:modify", account, new.authority_id), before, after)


async def set_active(deps: Deps, by: Actor, account: AccountId, active: bool) -> None:
    """Suspend an account, or let it in again."""
    async with deps.acting(by) as connection:
        current = await _take(connection, by, account)
        new = replace(current.stored, status=ACTIVE if active else INACTIVE)
        await move_account(connection, account, new)
        what = ("account:resume" if active else "account:suspend", account, new.authority_id)
        await insert_change(connection, by, what, {"status": current.stored.status}, {"status": new.status})


async def replace_certificate(
    deps: Deps, by: Actor, account: AccountId, certificate: Certificate, alone: bool = False
) -> list[AccountId]:
    """Give a new certificate to every account that shares that of `account` and that the actor administers.

    `alone`: to this one only. Gives the accounts changed. Raises Refused, Forbidden.
    """
    with _told_of_a_twin():
        async with deps.acting(by) as connection:
            first = await _take(connection, by, account)
            ids = [account] if alone else await list_sharing(connection, first.stored.certificate_hash)
            holders = [one for one in await list_holders(connection, certificate.hash) if one.id not in ids]
            changed = []
            for one in ids:
                current = await lock_administered(connection, one)
                if current is None or not _administers(by, current):
                    continue
                new = _certified(current.stored, certificate)
                rules.check_identity(holders, one, new.login or "", new.forwarded_certificate, arriving=True)
                await move_account(connection, one, new)
                what = ("account:replace_certificate", one, new.authority_id)
                await insert_change(connection, by, what, _audited(current.stored, {}), _audited(new, {}))
                changed.append(one)
    return changed


def profile_of(current: Administered) -> Profile:
    """What an account is, as a form would say it."""
    user = current.user
    return Profile(
        name=user.name,
        givenname=user.givenname,
        email=user.email,
        telephone=user.telephone,
        active=user.status == ACTIVE,
        role=user.role,
        authority_id=user.authority_id,
        group=str(user.group_id) if user.group_id is not None else "",
        login=user.login or "",
        permissions={module: str(permission) for module, permission in user.permissions.items()},
    )


@contextmanager
def _told_of_a_twin() -> Iterator[None]:
    try:
        yield
    except Conflict as error:
        if error.details.get("constraint") != "account_identity":
            raise
        raise Refused(rules.DUPLICATE) from error


def _administers(by: Actor, current: Administered) -> bool:
    return rules.administers(by, current.owner, current.user.role, current.user.group_id)


async def _take(connection: Connection, by: Actor, account: AccountId) -> Administered:
    current = await lock_administered(connection, account)
    if current is None:
        raise Refused(rules.UNKNOWN)
    if not _administers(by, current):
        raise Forbidden(rules.NOT_YOURS)
    return current


async def _cloned(connection: Connection, by: Actor, source: AccountId, has_credentials: bool) -> Certificate | None:
    found = await get_administered(connection, source)
    if found is None or not _administers(by, found):
        raise Refused(rules.NOT_CLONED)
    if not has_credentials:
        raise Refused(rules.NO_CREDENTIALS)
    return read_certificate(found.stored.certificate.encode("ascii")) if found.stored.certificate else None


async def _hash(means: Means) -> str | None:
    """The hash of the password to set, before any connection is held; None when none is set."""
    if means.certificate_only or not means.password:
        return None
    return await hash_password(means.password)


def _identified(base: NewAccount, profile: Profile, means: Means, password_hash: str | None) -> NewAccount:
    """The account with its means of identification as asked."""
    new = _certified(base, means.certificate) if means.certificate is not None else base
    new = replace(
        new,
        forwarded_certificate=means.forwarded or (base.forwarded_certificate if means.keep_forwarded else ""),
        login=profile.login or None,
        password_hash=password_hash or base.password_hash,
    )
    return replace(new, login=None, password_hash=None) if means.certificate_only else new


def _certified(base: NewAccount, certificate: Certificate) -> NewAccount:
    return replace(
        base,
        certificate_hash=certificate.hash,
        certificate=certificate.pem,
        subject_dn=certificate.subject_dn,
        issuer_dn=certificate.issuer_dn,
        certificate_serial=certificate.serial,
        certificate_not_before=certificate.not_before,
        certificate_not_after=certificate.not_after,
    )


async def _check_identity(connection: Connection, account: AccountId | None, new: NewAccount, arriving: bool) -> None:
    holders = await list_holders(connection, new.certificate_hash)
    rules.check_identity(holders, account, new.login or "", new.forwarded_certificate, arriving)


async def _place(connection: Connection, by: Actor, profile: Profile) -> Authority | None:
    """The collectivité of a new account: that of an ADM for what it creates, else the one asked for."""
    role = by.who.user.role if by.who is not None else None
    wanted = by.who.user.authority_id if by.who is not None and role is Role.ADM else profile.authority_id
    if wanted is None:
        if by.who is None and profile.role in (Role.SADM, Role.GADM):
            return None  # the operator may have administrators of no collectivité
        raise Refused(rules.NO_AUTHORITY)
    found = await get_authority(connection, wanted)
    if found is None:
        raise Refused(rules.NOT_IN_GROUP if role is Role.GADM else rules.NOT_SAVED + rules.SAVE_FAILED)
    return found


async def _described(
    connection: Connection, by: Actor, base: NewAccount, profile: Profile, current: Administered | None = None
) -> NewAccount:
    """The account with what the form says of it, checked."""
    if not rules.is_super(by):
        profile = replace(profile, group="")
    role = rules.granted_role(by, profile.role, current.user.role if current is not None else None)
    rules.check_profile(profile, base.subject_dn, base.issuer_dn)
    group = await _group(connection, profile) if rules.is_super(by) else base.group_id
    if role is Role.GADM and group is None:
        raise Refused(rules.NO_GROUP)
    if role not in (Role.SADM, Role.GADM) and base.authority_id is None:
        raise Refused(rules.NO_AUTHORITY)
    return replace(
        base,
        role=role,
        name=profile.name,
        givenname=profile.givenname,
        email=profile.email,
        telephone=profile.telephone,
        status=ACTIVE if profile.active else INACTIVE,
        group_id=group,
    )


async def _group(connection: Connection, profile: Profile) -> GroupId | None:
    if not profile.group:
        return None
    found = await get_group(connection, int(profile.group))
    if found is None:
        raise Refused(rules.NOT_SAVED + rules.SAVE_FAILED)
    return found.id


async def _permit(
    connection: Connection, by: Actor, account: AccountId, profile: Profile, authority: Authority | None
) -> Mapping[Module, Permission]:
    if authority is None:
        return {}
    permissions = rules.granted_permissions(by, profile.permissions, authority.modules)
    await move_permissions(connection, account, authority.id, permissions)
    return permissions


def _audited(values: NewAccount, permissions: Mapping[Module, Permission]) -> dict[str, object]:
    """What the audit keeps of an account: no secret, of a certificate its fingerprint."""
    end, forwarded = values.certificate_not_after, values.forwarded_certificate
    return {
        "role": str(values.role),
        "status": values.status,
        "name": values.name,
        "givenname": values.givenname,
        "email": values.email,
        "telephone": values.telephone,
        "authority_id": values.authority_id,
        "group_id": values.group_id,
        "login": values.login,
        "certificate": values.certificate_hash,
        "certificate_not_after": end.isoformat() if end is not None else None,
        "forwarded_certificate": hashlib.sha256(forwarded.encode()).hexdigest() if forwarded else None,
        "permissions": {str(module): str(permission) for module, permission in permissions.items()},
    }
