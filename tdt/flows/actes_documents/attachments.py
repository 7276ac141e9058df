"""The files of the mail that says that an act was received: its AR, its bordereau, its documents with their stamp."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from tdt.db.acte_notifications import ActeMail, Told
from tdt.db.actes import ActeFile, list_files
from tdt.deps import Attachment, Deps
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.notification_text import too_large, unstamped
from tdt.domain.errors import Permanent, Temporary
from tdt.flows.actes_documents.made import stamp, write_bordereau

log = structlog.get_logger()

PDF = "application/pdf"
BORDEREAU = "bordereau_acquittement.pdf"
NO_CHILD = "TAMPON_INDISPONIBLE"


@dataclass(frozen=True, slots=True)
class Files:
    """What a mail carries, and what it says of what it does not."""

    attachments: tuple[Attachment, ...] = ()
    remark: str = ""


async def attach(deps: Deps, mail: ActeMail, told: Told) -> Files:
    """The files of a mail about one thing. Raises Temporary when a document cannot be worked on now."""
    if told.happening.status is not ActeStatus.ACQUITTEMENT_RECU or told.flux is None:
        return Files()
    event = told.happening
    name = f"{event.unique_id or ''}-{event.type}-{event.transaction_id}-reponse.xml"
    ar = Attachment(name, "application/xml", await _whole(deps.stream(mail.authority_id, told.flux)))
    proofs = (ar, *await _bordereau(deps, mail, told))
    if not told.with_files:
        return Files(proofs)
    async with deps.transaction("system") as connection:
        files = [one for one in await list_files(connection, told.transaction) if one.position > 0]
    size, limit = sum(one.size for one in files), deps.config.mail.attachment_bytes
    if size > limit:
        return Files(proofs, too_large(size, limit))
    return await _documents(deps, mail, proofs, files)


async def _documents(deps: Deps, mail: ActeMail, proofs: tuple[Attachment, ...], files: list[ActeFile]) -> Files:
    documents, plain = [], []
    for file in files:
        data = await _stamped(deps, mail, file)
        if data is None and file.mimetype == PDF:
            plain.append(file.name)
        data = data if data is not None else await _whole(deps.stream(mail.authority_id, file.content_id))
        documents.append(Attachment(file.name, file.mimetype, data))
    return Files((*proofs, *documents), unstamped(plain) if plain else "")


async def _stamped(deps: Deps, mail: ActeMail, file: ActeFile) -> bytes | None:
    """The copy with its stamp; None for what bears none."""
    if file.mimetype != PDF:
        return None
    async with stamp(deps, mail.authority_id, file, None) as stamped:
        if stamped.code == NO_CHILD:
            raise Temporary("Le tampon d'un fichier à joindre ne peut pas être fait pour l'instant.")
        return await _whole(stamped.body.read()) if stamped.body is not None else None


async def _bordereau(deps: Deps, mail: ActeMail, told: Told) -> list[Attachment]:
    """One that cannot be made is no reason to keep the mail."""
    try:
        async with write_bordereau(deps, mail.authority_id, told.transaction) as body:
            return [Attachment(BORDEREAU, PDF, await _whole(body.read()))]
    except Permanent as error:
        log.warning("acte_notification.no_bordereau", mail=mail.id, code=error.code)
        return []


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
