"""What the stamp of an act and its bordereau say of it."""

from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.pool import Connection
from tdt.domain.actes.bordereau import ExchangeFacts, Facts, FileFacts, StepFacts
from tdt.domain.actes.classification import read_data
from tdt.domain.actes.model import ActeStatus, Classification
from tdt.domain.ids import ActeId, AuthorityId, ContentId


@dataclass(frozen=True, slots=True)
class StampFacts:
    """When a transaction left, when its AR says that it came; `came_in`: the préfecture wrote it."""

    unique_id: str | None
    came_in: bool
    transmitted_at: datetime | None
    received_on: date | None
    ar_content_id: ContentId | None


STAMP_FACTS = """
    select t.unique_id, e.received as came_in, t.received_on,
        (select max(at) from acte_workflow where transaction_id = t.id and status = 3) as transmitted_at,
        (select flux_content_id from acte_workflow
            where transaction_id = t.id and status = 4 and flux_content_id is not null
            order by id desc limit 1) as ar_content_id
    from acte_transaction t join acte_envelope e on e.id = t.envelope_id where t.id = $1"""


async def get_stamp_facts(connection: Connection, acte: ActeId) -> StampFacts | None:
    """Of a transaction visible to the scope."""
    row = await connection.fetchrow(STAMP_FACTS, acte)
    return StampFacts(**row) if row is not None else None


SHEET = """
    select t.id, t.authority_id, t.type, t.type_reponse, t.status, a.name as authority_name, a.siren, t.number,
        t.subject, t.nature_code, t.classif, t.decision_date, t.classification_date, t.document_papier, t.unique_id,
        t.submitted_at, t.received_on, e.received as came_in, e.name as envelope_name, e.archive_name
    from acte_transaction t join authority a on a.id = t.authority_id join acte_envelope e on e.id = t.envelope_id
    where t.id = $1"""

FILES = """
    select f.name, f.posted_filename, f.mimetype, f.size, f.code_pj, c.sha256, f.signature <> '' as signed
    from acte_file f join content c on c.id = f.content_id where f.transaction_id = $1 order by f.position"""

LIFE = "select status, at, message from acte_workflow where transaction_id = $1 order by id"

EXCHANGES = """
    with first as (select id from acte_transaction where related_id = $1),
        near as (
            select id, id as letter from first
            union all
            select answer.id, first.id from first join acte_transaction answer on answer.related_id = first.id)
    select t.type, t.type_reponse, t.status, t.submitted_at, t.letter_date, t.letter_text,
        (select count(*) from acte_file f where f.transaction_id = t.id and f.position > 0) as files
    from near join acte_transaction t on t.id = near.id order by near.letter, t.id"""
"""Each letter, then its answers, which hang on it."""


async def get_bordereau_facts(connection: Connection, acte: ActeId) -> Facts | None:
    """Everything that a bordereau says of a transaction visible to the scope."""
    row = await connection.fetchrow(SHEET, acte)
    if row is None:
        return None
    values = dict(row)
    authority = AuthorityId(values.pop("authority_id"))
    values["classif"] = tuple(values["classif"])
    values["status"] = ActeStatus(values["status"])
    life = [
        StepFacts(ActeStatus(one["status"]), one["at"], one["message"]) for one in await connection.fetch(LIFE, acte)
    ]
    exchanges = [
        ExchangeFacts(**{**dict(one), "status": ActeStatus(one["status"])})
        for one in await connection.fetch(EXCHANGES, acte)
    ]
    return Facts(
        **values,
        classification=await _classification(connection, authority, values["classification_date"]),
        files=[FileFacts(**one) for one in await connection.fetch(FILES, acte)],
        life=life,
        exchanges=exchanges,
    )


CLASSIFICATION = """
    select date, natures, matieres from acte_classification
    where authority_id = $1 and natures is not null and unusable is null
    order by date is not distinct from $2 desc, date desc, id desc limit 1"""


async def _classification(connection: Connection, authority: AuthorityId, day: date | None) -> Classification | None:
    """The one by which the act was filed, else the newest: for the labels of its codes."""
    row = await connection.fetchrow(CLASSIFICATION, authority, day)
    return read_data(row["date"], row["natures"], row["matieres"]) if row is not None else None
