"""Send an act again that the ministry refused: a new transaction, same files and number, newest classification."""

from dataclasses import dataclass, replace
from datetime import date

from tdt.db import actes as db
from tdt.db.accounts import get_owner
from tdt.db.acte_resends import Mark, get_mark, move_resend_of, move_to_superseded
from tdt.db.attempts import list_attempts
from tdt.db.audit import insert_change
from tdt.db.authorities import get_authority
from tdt.db.content import get_small
from tdt.db.deposits import NewActe, NewFile
from tdt.db.pool import Connection
from tdt.db.routes import find_deposit_route
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.classification import parse_classification
from tdt.domain.actes.envelope import build_acte
from tdt.domain.actes.filetype import XML
from tdt.domain.actes.model import ActeData, Piece
from tdt.domain.actes.resend import Past, check_resend, read_refusal
from tdt.domain.actes.rules import AnalysedFile, check_analysis
from tdt.domain.actes.status import resent
from tdt.domain.audit import Actor
from tdt.domain.authorities import Module, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import hold
from tdt.domain.errors import Forbidden, Permanent, Refused
from tdt.domain.ids import ActeId
from tdt.domain.routes import RouteKind
from tdt.flows.actes_submit.deposit import File, Sender, deposit, keep, repeat

UNKNOWN = "Numéro de transaction invalide."


@dataclass(frozen=True, slots=True)
class Resent:
    """The new transaction, and the date of the classification that it was made with."""

    id: ActeId
    classification_date: date


async def resend(deps: Deps, by: Actor, number: ActeId) -> Resent:
    """Send an act in error again, under its number. Raises Refused, Forbidden.

    Only one that the préfecture surely did not register, and once: of two at once, the second finds it done. The number
    goes from the refused act to the new one in this transaction: never have two acts that count the same.
    """
    async with deps.acting(by) as connection:
        acte = await _take(connection, by, number)
        mark = await get_mark(connection, acte.id)
        held = await db.last_classification(connection, acte.authority_id)
        refusal = read_refusal(await get_small(connection, mark.flux)) if mark.flux is not None else None
        past = Past(
            acte.type,
            acte.status,
            acte.classification_date,
            mark.resent_as,
            refusal,
            await list_attempts(connection, db.ENVELOPE, acte.envelope_id),
            mark.late_ar,
        )
        day = check_resend(past, held.date if held is not None else None)
        assert held is not None, "check_resend refuses without classification"
        documents = [file for file in await db.list_files(connection, acte.id) if file.position > 0]
        analysed = [AnalysedFile(file.name, file.code_pj, file.mimetype) for file in documents]
        check_analysis(acte.nature_code or 0, analysed, parse_classification(held.xml))
        sender = await _sender(deps, connection, by, acte)
        message = build_acte(_data(acte, documents, day))
        await move_to_superseded(connection, acte.id)
        made = _new(acte, mark, day, (sender, f"{by.source}:acte:resend"))
        files = await _files(deps, connection, acte, (message, documents))
        new = await deposit(deps, connection, sender, (made, files))
        await move_resend_of(connection, new, acte.id)
        await _tell(connection, by, acte, new)
        return Resent(new, day)


async def _take(connection: Connection, by: Actor, number: ActeId) -> db.Acte:
    acte = await db.lock_transaction(connection, number)
    if acte is None:
        raise Refused(UNKNOWN)
    if by.who is not None:
        owner = await get_owner(connection, by.who.user.id, acte.account_id, acte.authority_id)
        if not may(by.who, Right.VIEW, Module.ACTES, owner):
            raise Forbidden("Accès refusé")
    return acte


async def _sender(deps: Deps, connection: Connection, by: Actor, acte: db.Acte) -> Sender:
    """Whoever sends it again; for an operator, whoever had deposited it."""
    day = paris_date(deps.now())
    authority = await get_authority(connection, acte.authority_id)
    if authority is None:
        raise Permanent("L'acte n'a plus de collectivité.", details={"acte_id": acte.id})
    closed, route = await find_deposit_route(connection, authority.id, RouteKind.ACTES, day)
    check_open(closed)
    account, evidence = acte.account_id, {}
    if by.who is not None and by.who.user.authority_id == authority.id:
        account = by.who.user.id
    if by.who is not None:
        evidence = dict(by.who.identity.evidence)
    return Sender(authority, account, route.id if route is not None else None, day, evidence)


def _data(acte: db.Acte, documents: list[db.ActeFile], day: date) -> ActeData:
    if acte.number is None or acte.decision_date is None or acte.nature_code is None or not documents:
        raise Permanent("L'acte n'a pas de quoi être renvoyé.", details={"acte_id": acte.id})
    pieces = [Piece(file.name, file.signature) for file in documents]
    return ActeData(
        number=acte.number,
        decision_date=acte.decision_date,
        nature_code=acte.nature_code,
        classif=acte.classif,
        classification_date=day,
        subject=acte.subject,
        document=pieces[0],
        annexes=tuple(pieces[1:]),
        document_papier=acte.document_papier,
    )


async def _files(
    deps: Deps, connection: Connection, acte: db.Acte, what: tuple[bytes, list[db.ActeFile]]
) -> list[NewFile]:
    """A new message; the documents are the very bodies of the refused act."""
    message, documents = what
    name = naming.message_name(acte.unique_id or "", "1-1")
    made = await keep(deps, connection, acte.authority_id, [File(name, XML, hold(message))])
    return made + [
        NewFile(
            file.position,
            file.name,
            file.posted_filename,
            file.mimetype,
            file.size,
            file.code_pj,
            file.signature,
            file.content_id,
        )
        for file in documents
    ]


def _new(acte: db.Acte, mark: Mark, day: date, how: tuple[Sender, str]) -> NewActe:
    sender, tag = how
    return replace(
        repeat(acte, sender, tag),
        message=resent(acte.id),
        classification_date=day,
        document_papier=acte.document_papier,
        broadcast_emails=mark.broadcast_emails,
        send_sources=mark.send_sources,
    )


async def _tell(connection: Connection, by: Actor, acte: db.Acte, new: ActeId) -> None:
    """The audit says who gave the number of the one to the other."""
    what = ("acte:superseded", acte.id, acte.authority_id)
    await insert_change(connection, by, what, {"resent_as": None}, {"resent_as": new})
