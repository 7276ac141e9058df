"""Read balances, each only by whoever may see its collectivité, and say whether they are what was signed."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, replace

from tdt.certificates.cms import find_signature_fault
from tdt.db import balances as db
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.authorities import Module, Right, Role, may
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.routes import RouteKind

ADMINISTRATORS = (Role.SADM, Role.GADM, Role.ADM)
"""Who reads the balances of every module, as of everything that they administer."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A balance, and why it is not what was signed or does not follow the one before it; empty when it is and does."""

    balance: db.Balance
    fault: str


async def list_some(deps: Deps, by: Actor, wanted: db.Wanted) -> list[db.Balance]:
    """The balances asked for, of those that the actor may see: of the modules that it may read."""
    readable = [module for module in wanted.modules or RouteKind if _reads(by, module)]
    wanted = replace(wanted, modules=readable)
    async with deps.acting(by) as connection:
        return await db.list_balances(connection, wanted)


async def get(deps: Deps, by: Actor, number: int) -> db.Balance:
    """One of them. Raises Refused for one of another collectivité, as for one that is not; Forbidden for a module."""
    async with deps.acting(by) as connection:
        found = await db.get_balance(connection, number)
    if found is None:
        raise Refused("Ce solde n'existe pas.")
    if not _reads(by, found.module):
        raise Forbidden("Accès refusé")
    return found


def _reads(by: Actor, module: RouteKind) -> bool:
    who = by.who
    return who is None or who.user.role in ADMINISTRATORS or may(who, Right.ACCESS, Module(module))


async def verify(balance: db.Balance) -> Verified:
    """Check the digest, the signature and the link with the balance before."""
    return Verified(balance, await asyncio.to_thread(_find_fault, balance))


def _find_fault(balance: db.Balance) -> str:
    if hashlib.sha256(balance.document).digest() != balance.sha256:
        return "le document a changé"
    link = json.loads(balance.document)["previous"]
    if (bytes.fromhex(link) if link else None) != balance.previous:
        return "il ne suit pas le solde précédent"
    if balance.signature is None or balance.certificate is None:
        return ""
    return find_signature_fault(balance.document, balance.signature, balance.certificate)
