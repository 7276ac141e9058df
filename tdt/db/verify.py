"""Verification of the stored bodies: which, how large, what repeats their digests, what nothing refers to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tdt.db.pool import Connection, Record
from tdt.domain.ids import AuthorityId, ContentId
from tdt.domain.verification import Code, Finding


@dataclass(frozen=True, slots=True)
class Selection:
    """Which bodies: of a collectivité, kept since an instant, of one flow; all without any of these."""

    authority: AuthorityId | None = None
    since: datetime | None = None
    flow: tuple[str, int] | None = None

    @property
    def is_full(self) -> bool:
        return self == Selection()

    def told(self) -> dict[str, object]:
        """For JSON."""
        flow = f"{self.flow[0]}:{self.flow[1]}" if self.flow is not None else None
        since = self.since.isoformat() if self.since is not None else None
        return {"authority": self.authority, "since": since, "flow": flow}


OF_FLOW = {
    "actes": """
        select e.content_id from acte_envelope e join acte_transaction t on t.envelope_id = e.id where t.id = {0}
        union select e.xml_content_id from acte_envelope e join acte_transaction t on t.envelope_id = e.id
            where t.id = {0}
        union select content_id from acte_file where transaction_id = {0}
        union select flux_content_id from acte_workflow where transaction_id = {0}""",
    "helios": """
        select content_id from helios_transaction where id = {0}
        union select unsigned_content_id from helios_transaction where id = {0}
        union select zip_content_id from helios_transaction where id = {0}
        union select acquit_content_id from helios_transaction where id = {0}
        union select content_id from helios_verdict where transaction_id = {0}
        union select content_id from received where helios_id = {0}""",
}
TABLES = {"actes": "acte_transaction", "helios": "helios_transaction"}


def _where(selection: Selection) -> str:
    """The condition on `content c`; all its values are numbers and instants that we made."""
    parts = ["true"]
    if selection.authority is not None:
        parts.append(f"c.authority_id = {int(selection.authority)}")
    if selection.since is not None:
        parts.append(f"c.created_at >= '{selection.since.isoformat()}'::timestamptz")
    if selection.flow is not None:
        parts.append(f"c.id in ({OF_FLOW[selection.flow[0]].format(int(selection.flow[1]))})")
    return " and ".join(parts)


async def has_flow(connection: Connection, flow: tuple[str, int]) -> bool:
    """Is there such a transaction?"""
    found = await connection.fetchval(f"select 1 from {TABLES[flow[0]]} where id = $1", flow[1])
    return found is not None


async def count_bodies(connection: Connection, selection: Selection, after: ContentId) -> tuple[int, int]:
    """How many bodies are to be read after this one, and their bytes."""
    query = f"select count(*), coalesce(sum(size), 0)::bigint as bytes from content c where {_where(selection)}"
    row = await connection.fetchrow(f"{query} and c.id > $1", after)
    return (row["count"], row["bytes"]) if row is not None else (0, 0)


@dataclass(frozen=True, slots=True)
class Stored:
    """A body to read: its row without its bytes."""

    id: ContentId
    authority_id: AuthorityId | None
    sha256: bytes
    size: int
    place: str
    spool_name: str | None
    archived_at: datetime | None


COLUMNS = "c.id, c.authority_id, c.sha256, c.size, c.place, c.spool_name, c.archived_at"


async def list_bodies(connection: Connection, selection: Selection, after: ContentId, limit: int) -> list[Stored]:
    """The next bodies, in the order of their ids."""
    query = f"select {COLUMNS} from content c where {_where(selection)} and c.id > $1 order by c.id limit $2"
    return [Stored(**row) for row in await connection.fetch(query, after, limit)]


async def get_body(connection: Connection, content: ContentId) -> Stored | None:
    """The same row as it is now."""
    row = await connection.fetchrow(f"select {COLUMNS} from content c where c.id = $1", content)
    return Stored(**row) if row is not None else None


async def get_row_bytes(connection: Connection, content: ContentId) -> bytes | None:
    """The bytes of a body that lies in its row."""
    data: bytes | None = await connection.fetchval("select data from content where id = $1", content)
    return data


CHUNKS = """
    select seq, data from content_chunk where content_id = $1 and archived_at = $2 and seq > $3
    order by seq limit $4"""


async def list_chunks(connection: Connection, body: Stored, after: int, limit: int) -> list[tuple[int, bytes]]:
    """The next chunks of an archived body."""
    rows = await connection.fetch(CHUNKS, body.id, body.archived_at, after, limit)
    return [(row["seq"], row["data"]) for row in rows]


SHA1 = """
    select content_id as content, 'helios' as what, id, sha1 from helios_transaction where content_id = any($1)
    union all select unsigned_content_id, 'helios (avant signature)', id, unsigned_sha1 from helios_transaction
        where unsigned_content_id = any($1) and unsigned_sha1 is not null
    union all select zip_content_id, 'helios (zip)', id, zip_sha1 from helios_transaction
        where zip_content_id = any($1) and zip_sha1 is not null"""


async def list_sha1(connection: Connection, contents: Sequence[ContentId]) -> dict[ContentId, list[tuple[str, bytes]]]:
    """The SHA-1 that rows hold of these bodies, each with what holds it."""
    found: dict[ContentId, list[tuple[str, bytes]]] = {}
    for row in await connection.fetch(SHA1, list(contents)):
        found.setdefault(row["content"], []).append((f"{row['what']} {row['id']}", row["sha1"]))
    return found


REPEATED: Mapping[Code, str] = {
    Code.ROW: """
        select 'acte_file:' || f.id as subject, f.authority_id, f.size || ' ≠ ' || c.size as detail
        from acte_file f join content c on c.id = f.content_id where c.id = any($1) and f.size <> c.size
        union all select 'acte_batch_file:' || f.id, f.authority_id, f.size || ' ≠ ' || c.size
        from acte_batch_file f join content c on c.id = f.content_id where c.id = any($1) and f.size <> c.size
        union all select 'helios:' || t.id, t.authority_id, t.size || ' ≠ ' || c.size
        from helios_transaction t join content c on c.id = t.content_id where c.id = any($1) and t.size <> c.size""",
    # a PES may have left as it is or zipped: what was sent is one of the two
    Code.ATTEMPT: """
        select 'attempt:' || a.id as subject, a.authority_id,
            a.name || ' : ' || a.size || ' octets, ' || encode(a.sha256, 'hex') as detail
        from acte_envelope e join attempt a on a.object_kind = 'acte_envelope' and a.object_id = e.id
            join content c on c.id = e.content_id
        where c.id = any($1) and (a.sha256, a.size) <> (c.sha256, c.size)
        union all select 'attempt:' || a.id, a.authority_id,
            a.name || ' : ' || a.size || ' octets, ' || encode(a.sha256, 'hex')
        from helios_transaction t
            join attempt a on a.object_kind = 'helios_transaction' and a.object_id = t.id
            join content c on c.id = t.content_id left join content z on z.id = t.zip_content_id
        where c.id = any($1) and (a.sha256, a.size) <> (c.sha256, c.size)
            and (z.id is null or (a.sha256, a.size) <> (z.sha256, z.size))""",
    # what comes from the DGFiP is known by its name and its digest
    Code.RECEPTION: """
        select 'received:' || v.id as subject, v.authority_id, v.remote_key as detail
        from received v join content c on c.id = v.content_id
        where c.id = any($1) and v.remote_key ~ '/[0-9a-f]{64}$' and right(v.remote_key, 64) <> encode(c.sha256, 'hex')
        union all select 'helios_retour:' || r.id, r.authority_id, r.name
        from helios_retour r join received v on v.id = r.received_id
        where r.content_id = any($1) and r.content_id <> v.content_id
        union all select 'helios:' || t.id, t.authority_id, coalesce(t.acquit_filename, '')
        from helios_transaction t where t.acquit_content_id = any($1) and not exists (
            select from received v join content c on c.id = v.content_id
                join content a on a.id = t.acquit_content_id where v.helios_id = t.id and c.sha256 = a.sha256)
            and exists (select from received v where v.helios_id = t.id)""",
}


async def list_repeated(connection: Connection, contents: Sequence[ContentId]) -> list[Finding]:
    """What rows repeat of these bodies (sizes, digests of attempts and receptions) and says otherwise."""
    found = []
    for code, query in REPEATED.items():
        for row in await connection.fetch(query, list(contents)):
            found.append(Finding(code, row["subject"], row["detail"], row["authority_id"]))
    return found


REFERENCES = """
    select c.conrelid::regclass::text as owner, a.attname as name
    from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    where c.contype = 'f' and c.confrelid = 'content'::regclass order by 1, 2"""


async def list_references(connection: Connection) -> list[tuple[str, str]]:
    """Every column that names a body, as the database knows them: one that is added later is looked at too."""
    return [(row["owner"], row["name"]) for row in await connection.fetch(REFERENCES)]


async def list_spare_bodies(
    connection: Connection, references: Sequence[tuple[str, str]], contents: Sequence[ContentId], before: datetime
) -> list[Finding]:
    """Those of these bodies that no row names, however long ago they were kept."""
    named = " and ".join(f"not exists (select from {table} where {column} = c.id)" for table, column in references)
    query = f"select c.id, c.authority_id, c.size from content c where c.id = any($1) and c.created_at < $2 and {named}"
    rows = await connection.fetch(query, list(contents), before)
    return [
        Finding(Code.SPARE_BODY, f"content:{row['id']}", f"{row['size']} octets", row["authority_id"]) for row in rows
    ]


async def list_dangling(
    connection: Connection, references: Sequence[tuple[str, str]], limit: int = 1000
) -> list[Finding]:
    """Rows that name a body which does not exist: only somebody who switched the constraints off can make them."""
    found = []
    for table, column in references:
        query = f"""
            select coalesce(to_jsonb(t) ->> 'id', '') as id, t.{column} as content from {table} t
            where t.{column} is not null and not exists (select from content c where c.id = t.{column}) limit {limit}"""
        for row in await connection.fetch(query):
            found.append(Finding(Code.BODY, f"{table}:{row['id']}", f"{column} {row['content']}"))
    return found


SPARE_CHUNKS = """
    select k.content_id, count(*) as chunks from content_chunk k
    where not exists (select from content c where c.id = k.content_id and c.archived_at = k.archived_at)
    group by k.content_id order by k.content_id limit 1000"""


async def list_spare_chunks(connection: Connection) -> list[Finding]:
    """Archived chunks of no body."""
    return [
        Finding(Code.SPARE_CHUNK, f"content:{row['content_id']}", f"{row['chunks']} morceau(x)")
        for row in await connection.fetch(SPARE_CHUNKS)
    ]


async def list_schema_archives(connection: Connection) -> list[Record]:
    """The sets of schemas: name, digest as kept, digest of what is kept."""
    return await connection.fetch("select name, sha256, sha256(archive) as found from schema_set order by id")


# ---------------------------------------------------------------------------------------------- the runs


@dataclass(frozen=True, slots=True)
class Run:
    """A verification: `position` is the last body of which, with all before it, everything is known."""

    id: int
    started_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    state: str
    scope: Mapping[str, object]
    position: ContentId
    bodies: int
    bytes: int
    faults: int
    leftovers: int
    findings: Sequence[Mapping[str, object]] = field(default_factory=list)


RUN = "id, started_at, seen_at, ended_at, state, scope, position, bodies, bytes, faults, leftovers, findings"


async def insert_run(connection: Connection, selection: Selection, at: datetime) -> int:
    """A verification begins."""
    number: int = await connection.fetchval(
        "insert into verification (started_at, seen_at, scope) values ($1, $1, $2) returning id", at, selection.told()
    )
    return number


MOVE = """
    update verification set seen_at = $2::timestamptz, state = $3, position = $4, bodies = $5, bytes = $6, faults = $7,
        leftovers = $8, findings = $9, ended_at = case when $3 = 'done' then $2::timestamptz end where id = $1"""


async def move_run(connection: Connection, run: Run) -> None:
    """Say how far it is; `seen_at` is the instant."""
    values = (run.seen_at, run.state, run.position, run.bodies, run.bytes, run.faults, run.leftovers)
    await connection.execute(MOVE, run.id, *values, list(run.findings))


async def get_run(connection: Connection, run: int) -> Run | None:
    """A verification by its number."""
    row = await connection.fetchrow(f"select {RUN} from verification where id = $1", run)
    return Run(**row) if row is not None else None


async def find_interrupted(connection: Connection, silent_since: datetime) -> Run | None:
    """The last one that was cut, or whose process died: nobody has heard of it since."""
    row = await connection.fetchrow(
        f"""select {RUN} from verification
        where state = 'interrupted' or state = 'running' and seen_at < $1 order by id desc limit 1""",
        silent_since,
    )
    return Run(**row) if row is not None else None


async def get_last(connection: Connection, *, full: bool) -> Run | None:
    """The last verification that came to its end: of everything, or of anything."""
    everything = Selection().told()
    row = await connection.fetchrow(
        f"""select {RUN} from verification where state = 'done' and (not $1 or scope = $2)
        order by ended_at desc limit 1""",
        full,
        everything,
    )
    return Run(**row) if row is not None else None
