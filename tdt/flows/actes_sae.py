"""Archiving: what the archivist's software says of an act, where it is archived, what an operator corrects."""

from tdt.db import acte_closing as closing_db
from tdt.db import actes as db
from tdt.db.audit import insert_change
from tdt.deps import Deps
from tdt.domain.actes import closing as rules
from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Module, Principal, Right, Role, may
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import ActeId

NOT_ARCHIVIST = "L'utilisateur ne possède pas le droit archiviste"
UNKNOWN = "Transaction {} non existante"
NO_URL = "Pas d'url spécifiée pour l'archivage."
URL_LENGTH = 1023
URL_TOO_LONG = (
    "Erreur lors de l'enregistrement de la transaction :\n"
    f"Le champ URL d'accès à l'archive est trop long ({URL_LENGTH} caractères maxi autorisés).\n"
)
NO_SUCH = "Cette transaction n'existe pas"
NOT_SO = "Impossible de changer le status de la transaction"
CHANGED = "Le status de la transaction a été modifiée"


async def tell_status(deps: Deps, who: Principal, acte_id: ActeId, target: int) -> None:
    """The archivist says what became of an act. Raises Refused in S2LOW's words."""
    if who.user.role is not Role.ARCH:
        raise Refused(NOT_ARCHIVIST)
    by = Actor(Source.API, who)
    async with deps.acting(by) as connection:
        acte = await db.lock_transaction(connection, acte_id)
        if acte is None:
            raise Refused(UNKNOWN.format(acte_id))
        if obstacle := rules.sae_obstacle(acte.status, target):
            raise Refused(obstacle)
        await db.move_status(connection, acte, db.Move(acte.status, ActeStatus(target), rules.SAE_BY_API))
        what = ("acte:sae_status", acte.id, acte.authority_id)
        await insert_change(connection, by, what, {"status": int(acte.status)}, {"status": target})


async def correct_status(deps: Deps, by: Actor, acte_id: ActeId, target: int) -> str:
    """An operator or a super-administrator corrects what is known of the archiving; gives the words of the answer."""
    async with deps.acting(by) as connection:
        acte = await db.lock_transaction(connection, acte_id)
        if acte is None:
            raise Refused(NO_SUCH)
        if target not in rules.SAE_MANUAL.get(acte.status, frozenset()):
            raise Refused(NOT_SO)
        await db.move_status(connection, acte, db.Move(acte.status, ActeStatus(target), rules.SAE_BY_HAND))
        what = ("acte:correct_sae", acte.id, acte.authority_id)
        await insert_change(connection, by, what, {"status": int(acte.status)}, {"status": target})
    return CHANGED


async def set_archive_url(deps: Deps, who: Principal, acte_id: ActeId, url: str) -> str:
    """Say where an act is archived; gives the words of the answer. Raises Refused or Forbidden in S2LOW's."""
    by = Actor(Source.API, who)
    async with deps.acting(by) as connection:
        acte = await db.lock_transaction(connection, acte_id)
        if acte is None:
            raise Refused(rules.UNKNOWN)
        if not _may_edit(who, acte):
            raise Forbidden(rules.FORBIDDEN)
        if not url:
            raise Refused(NO_URL)
        if len(url) > URL_LENGTH:
            raise Refused(URL_TOO_LONG)
        before = await closing_db.get_archive_url(connection, acte.id)
        await closing_db.move_archive_url(connection, acte.id, url)
        what = ("acte:archive_url", acte.id, acte.authority_id)
        await insert_change(connection, by, what, {"archive_url": before}, {"archive_url": url})
    return f"Définition de l'URL d'archivage pour la transaction n°{acte_id}. Résultat ok."


def _may_edit(who: Principal, acte: db.Acte) -> bool:
    if who.user.role is Role.ADM and who.user.authority_id == acte.authority_id:
        return True
    return who.user.id == acte.account_id and may(who, Right.EDIT, Module.ACTES)
