"""Answer a letter of the préfecture (2-2, 3-3, 3-4, 4-3, 4-4)."""

from collections.abc import Sequence
from dataclasses import replace

from tdt.db import actes as db
from tdt.db.accounts import get_owner
from tdt.db.deposits import NewActe
from tdt.db.pool import Connection
from tdt.db.routes import find_deposit_route
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.envelope import build_answer
from tdt.domain.actes.filetype import XML, extension
from tdt.domain.actes.model import MessageCode, Piece
from tdt.domain.actes.replies import CheckedReply, Reply, check_reply
from tdt.domain.authorities import Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import Body, hold
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import ActeId
from tdt.domain.routes import RouteKind
from tdt.flows.actes_submit.deposit import File, Sender, authority_of, deposit, keep, repeat

UNKNOWN = "Transaction inconnue"
WRONG_TYPE = "Erreur lors de la génération de l'acte : Mauvais type de transaction."
NO_DATE = (
    "Ce courrier de la préfecture ne porte pas de date lisible : il est impossible d'y répondre par voie électronique. "
    "L'exploitant de la plateforme doit demander à la préfecture de le renvoyer."
)


async def reply(deps: Deps, who: Principal, letter_id: ActeId, form: Reply, bodies: Sequence[Body]) -> ActeId:
    """Record an answer to a letter and its first job; gives its number.

    `bodies` are those of the files of the form, the act first. Raises Refused in S2LOW's words; what does not travel
    is for the caller to discard.
    """
    authority = authority_of(who)
    day = paris_date(deps.now())
    async with deps.transaction(authority.id) as connection:
        letter = await _letter(connection, who, letter_id)
        checked = check_reply(form, letter.type)
        if letter.letter_date is None or letter.unique_id is None:
            raise Refused(NO_DATE, code="COURRIER_SANS_DATE")
        closed, route = await find_deposit_route(connection, authority.id, RouteKind.ACTES, day)
        check_open(closed)
        way = route.id if route is not None else None
        sender = Sender(authority, who.user.id, way, day, who.identity.evidence)
        files = await keep(deps, connection, authority.id, _files(letter, form, checked, bodies))
        return await deposit(deps, connection, sender, (_new(letter, checked, sender), files))


def _new(letter: db.Acte, checked: CheckedReply, sender: Sender) -> NewActe:
    again = repeat(letter, sender, "api:acte:reply")
    return replace(again, related_id=letter.id, type_reponse=checked.type_reponse, letter_date=letter.letter_date)


async def _letter(connection: Connection, who: Principal, letter_id: ActeId) -> db.Acte:
    """The letter, of those that the caller may see and answer."""
    letter = await db.get_transaction(connection, letter_id)
    if letter is None:
        raise Refused(UNKNOWN)
    owner = await get_owner(connection, who.user.id, letter.account_id, letter.authority_id)
    if not may(who, Right.VIEW, Module.ACTES, owner):
        raise Forbidden("Accès refusé")
    if letter.type in (MessageCode.ACTE, MessageCode.ANNULATION, MessageCode.CLASSIFICATION):
        raise Refused(WRONG_TYPE)
    if letter.type_reponse is not None:
        raise Refused(WRONG_TYPE)
    return letter


def _files(letter: db.Acte, form: Reply, checked: CheckedReply, bodies: Sequence[Body]) -> list[File]:
    """The message, then its documents, numbered from 1."""
    assert letter.unique_id is not None and letter.letter_date is not None and form.acte is not None
    posted = [form.acte, *form.attachments]
    documents = [
        File(
            naming.document_name(piece.code_pj, letter.unique_id, checked.code, number, extension(piece.mime)),
            piece.mime,
            bodies[piece.index],
            posted[piece.index].posted_filename,
            piece.code_pj,
            piece.signature,
        )
        for number, piece in enumerate(checked.pieces, start=1)
    ]
    pieces = [Piece(document.name, document.signature) for document in documents]
    message = build_answer(checked.code, letter.unique_id, letter.letter_date, pieces)
    return [File(naming.message_name(letter.unique_id, checked.code), XML, hold(message)), *documents]
