"""What every deposit for @CTES shares: whose it is, the way it goes, its files, its envelope and its first job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tdt.db.actes import Acte
from tdt.db.deposits import SERIAL, NewActe, NewEnvelope, NewFile, insert_deposit
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import DEPOT_INITIAL
from tdt.domain.authorities import Authority, Principal
from tdt.domain.content import Body
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AccountId, ActeId, AuthorityId, ContentId, RouteId
from tdt.domain.jobs import JobKind


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose transaction it is, and the way it goes today."""

    authority: Authority
    account: AccountId | None
    route: RouteId | None
    day: date
    evidence: Mapping[str, object]


def authority_of(who: Principal) -> Authority:
    """The collectivité that the caller deposits for. Raises Forbidden when it has none."""
    if who.authority is None:
        raise Forbidden("Accès refusé")
    return who.authority


def route_of(sender: Sender) -> RouteId:
    """The way to the State. Raises Refused when the collectivité has none today."""
    if sender.route is None:
        raise Refused("La collectivité n'est pas raccordée à @CTES.", code="ROUTE_ABSENTE")
    return sender.route


def repeat(acte: Acte, sender: Sender, tag: str) -> NewActe:
    """A transaction that says again what an act, or a letter about it, says: the caller replaces what differs."""
    return NewActe(
        type=acte.type,
        status=ActeStatus.POSTE,
        message=DEPOT_INITIAL,
        tag=tag,
        job=JobKind.ACTES_ANALYSE,
        number=acte.number,
        decision_date=acte.decision_date,
        nature_code=acte.nature_code,
        classif=acte.classif,
        classification_date=acte.classification_date,
        subject=acte.subject,
        unique_id=acte.unique_id,
        evidence=sender.evidence,
    )


async def deposit(
    deps: Deps, connection: Connection, sender: Sender, what: tuple[NewActe, Sequence[NewFile]]
) -> ActeId:
    """Record an envelope with its one transaction. Raises Refused without route, or when the day's serials are used."""
    route = route_of(sender)
    authority = sender.authority
    name = naming.envelope_name(deps.config.actes.quadrigramme, authority.siren, sender.day, SERIAL)
    archive = naming.archive_name(deps.config.actes.trigramme, name)
    envelope = NewEnvelope(authority.id, sender.account, route, name, archive, sender.day)
    acte = await insert_deposit(connection, envelope, *what)
    if acte is None:
        raise Refused("Erreur récupération numéro de série", code="SERIE_EPUISEE")
    return acte


@dataclass(frozen=True, slots=True)
class File:
    """A file of a transaction, its body not kept yet."""

    name: str
    mime: str
    body: Body
    posted_filename: str = ""
    code_pj: str = ""
    signature: str = ""
    content: ContentId | None = None
    """Of a body that is kept already."""


async def keep(deps: Deps, connection: Connection, authority: AuthorityId, files: Sequence[File]) -> list[NewFile]:
    """Keep the bodies, and describe the files by their position: the message is at 0."""
    kept = iter(await deps.keep(connection, authority, [file.body for file in files if file.content is None]))
    contents = [next(kept) if file.content is None else file.content for file in files]
    return [
        NewFile(
            position, file.name, file.posted_filename, file.mime, file.body.size, file.code_pj, file.signature, content
        )
        for position, (file, content) in enumerate(zip(files, contents, strict=True))
    ]
