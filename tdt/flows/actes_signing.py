"""An act that waits for its signature (18): it is signed, or posted without (→ 1); its first job, once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tdt.db import acte_signing as signing_db
from tdt.db import actes as db
from tdt.db.accounts import get_owner
from tdt.db.audit import insert_audit
from tdt.db.closing import get_closing
from tdt.db.content import get_small, insert_small
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.child import ChildFailed
from tdt.documents.signatures import DETACHED_SIGNATURE, Detached
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.signatures import find_fault
from tdt.domain.actes.signing import SIGNING, read_signature, sign_message
from tdt.domain.actes.status import SIGNED, posted_without_signature
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.errors import Conflict, Forbidden, Refused, Temporary
from tdt.domain.ids import ActeFileId, ActeId
from tdt.domain.jobs import JobKind
from tdt.domain.signatures import Signer

UNKNOWN = "Aucun identifiant de transaction trouvé"
NOT_YOURS = "Vous n'avez pas le droit de faire cela"
NO_FILE = f"{SIGNING}Impossible de trouver une transaction ratachée au fichier à signé"
NOT_WAITING = "La transaction {} n'est pas dans l'état « En attente d'être signée. »"
"""S2LOW's, its spelling and its dot included."""


async def post_without_signature(deps: Deps, who: Principal, acte_id: ActeId) -> str:
    """Post an act that nobody will sign; gives the words of its workflow. Raises Refused or Forbidden."""
    async with deps.acting(Actor(Source.API, who)) as connection:
        acte = await db.lock_transaction(connection, acte_id)
        if acte is None:
            raise Refused(UNKNOWN)
        await _check_may(deps, connection, who, acte)
        if acte.status is not ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE:
            raise Refused(NOT_WAITING.format(acte.id))
        message = posted_without_signature(acte.id)
        await _post(connection, who, acte, (message, "api:acte:unsigned"))
        return message


async def sign(deps: Deps, who: Principal, posted: Sequence[tuple[ActeFileId, str]]) -> list[ActeId]:
    """Keep the detached signatures of these files and post their acts; gives the acts. All of them, or none.

    Each must hold for the bytes of its file: one that does not would only turn the act to an error. Whose the
    certificate is, the analysis asks. Raises Refused or Forbidden.
    """
    signatures = {file: read_signature(text) for file, text in posted}
    async with deps.acting(Actor(Source.API, who)) as connection:
        files = [await _signable(deps, connection, who, file) for file in signatures]
    for file in files:
        await _check_holds(deps, file, signatures[file.id])
    together: dict[ActeId, list[db.ActeFile]] = defaultdict(list)
    for file in files:
        together[file.transaction_id].append(file)
    async with deps.acting(Actor(Source.API, who)) as connection:
        for number in sorted(together):
            await _sign(connection, who, (number, together[number]), signatures)
    return list(together)


async def _signable(deps: Deps, connection: Connection, who: Principal, file_id: ActeFileId) -> db.ActeFile:
    file = await db.get_file(connection, file_id)
    acte = await db.get_transaction(connection, file.transaction_id) if file is not None else None
    if file is None or acte is None or file.position == 0:
        raise Refused(NO_FILE)
    await _check_may(deps, connection, who, acte)
    if acte.status is not ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE:
        raise Refused(SIGNING + NOT_WAITING.format(acte.id))
    return file


async def _check_may(deps: Deps, connection: Connection, who: Principal, acte: db.Acte) -> None:
    owner = await get_owner(connection, who.user.id, acte.account_id, acte.authority_id)
    if not may(who, Right.VIEW, Module.ACTES, owner):
        raise Forbidden(NOT_YOURS)
    closing = await get_closing(connection, acte.authority_id)
    check_open(closing is not None and closing.is_closed(paris_date(deps.now())))


async def _check_holds(deps: Deps, file: db.ActeFile, signature: str) -> None:
    async with deps.as_file(file.authority_id, file.content_id) as opened:
        try:
            read = await deps.children.run(DETACHED_SIGNATURE, Detached(signature), [opened.descriptor])
        except ChildFailed as failure:
            raise Temporary("La signature n'a pas pu être contrôlée.", code="CONTROLE_INTERROMPU") from failure
    faults = [find_fault(one, Signer(), known=False) for one in read.found]
    fault = read.fault or next((one for one in faults if one), "" if read.found else "aucune signature reconnue")
    if fault:
        raise Refused(f"{SIGNING}la signature du fichier {file.name} ne convient pas : {fault}", code="ACTE_SIGNATURE")


async def _sign(
    connection: Connection,
    who: Principal,
    what: tuple[ActeId, Sequence[db.ActeFile]],
    signatures: Mapping[ActeFileId, str],
) -> None:
    number, files = what
    acte = await db.lock_transaction(connection, number)
    if acte is None or acte.status is not ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE:
        raise Refused(SIGNING + NOT_WAITING.format(number))
    message = next(iter(await db.list_files(connection, number)))
    xml = await get_small(connection, message.content_id)
    signed = sign_message(xml, {file.name: signatures[file.id] for file in files})
    content = await insert_small(connection, acte.authority_id, signed)
    await signing_db.move_message(connection, message.id, content, len(signed))
    for file in files:
        await signing_db.move_signature(connection, file.id, signatures[file.id])
    await _post(connection, who, acte, (SIGNED, "api:acte:sign"))


async def _post(connection: Connection, who: Principal, acte: db.Acte, what: tuple[str, str]) -> None:
    message, tag = what
    try:
        move = db.Move(ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE, ActeStatus.POSTE, message)
        await db.move_status(connection, acte, move)
    except Conflict as conflict:
        raise Refused(NOT_WAITING.format(acte.id)) from conflict
    await insert_job(connection, JobKind.ACTES_ANALYSE, acte.authority_id, acte.id)
    await insert_audit(connection, (acte.authority_id, who.user.id), tag, acte.id, who.identity.evidence)
