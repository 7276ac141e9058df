"""The facts about the opening of collectivités: all of them in a few statements, however many collectivités."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.conventions import get_dossiers
from tdt.db.pool import Connection
from tdt.domain.authorities import Module
from tdt.domain.conventions import Dossier
from tdt.domain.ids import AuthorityId
from tdt.domain.onboarding import Way


@dataclass(frozen=True, slots=True)
class Bearer:
    """An active account that may télétransmettre in a module, with its certificate in PEM (empty: not recorded)."""

    name: str
    certificate: str
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Opening:
    """What the database knows of a collectivité that opens."""

    id: AuthorityId
    name: str
    siren: str
    nature: int
    department: str
    district: str
    email: str
    p_dest: str
    status: int
    closed_on: date | None
    modules: tuple[Module, ...]
    sirets: int
    classification_on: date | None
    ways: Mapping[Module, Way]
    bearers: Mapping[Module, Sequence[Bearer]]
    tested: frozenset[Module]
    in_production: frozenset[Module]
    dossiers: Mapping[Module, Dossier]


TEXTS = (
    "name",
    "siren",
    "nature",
    "department",
    "district",
    "email",
    "p_dest",
    "status",
    "closed_on",
    "sirets",
    "classification_on",
)
ACKNOWLEDGED_ACTES = "(4, 0, 5, 12, 13, 14, 15, 16, 19, 20)"
"""Statuses that an acte reaches only after its AR."""
SEEN = "($1::bigint is null or a.id = $1)"

AUTHORITIES = """
    select a.id, a.name, a.siren, a.nature, a.department, a.district, a.email, a.p_dest, a.modules, a.status,
        case when a.closes_on <= tdt_today() then a.closes_on end as closed_on,
        (select count(*) from authority_siret s where s.authority_id = a.id and not s.blocked) as sirets,
        (select max(c.date) from acte_classification c where c.authority_id = a.id and c.unusable is null)
            as classification_on
    from authority a
    where a.id = $1
        or ($1::bigint is null and a.status = 1 and not coalesce(a.closes_on <= tdt_today(), false))
    order by lower(a.name), a.id"""

WAYS = f"""
    select distinct on (u.authority_id, u.kind) u.authority_id, u.kind, r.name, r.test
    from authority a join authority_route u on u.authority_id = a.id join route r on r.id = u.route_id
    where {SEEN} and r.active and u.valid_from <= tdt_today() and (u.valid_to is null or u.valid_to > tdt_today())
    order by u.authority_id, u.kind, u.valid_from desc"""

BEARERS = f"""
    select distinct on (u.authority_id, p.module, u.certificate_hash) u.authority_id, p.module,
        trim(u.givenname || ' ' || u.name) as name, u.certificate, u.certificate_not_after as not_after
    from authority a join account u on u.authority_id = a.id join account_permission p on p.account_id = u.id
    where {SEEN} and u.status = 1 and p.permission in ('RW', 'TT')
    order by u.authority_id, p.module, u.certificate_hash, u.id"""
"""One account for each certificate."""

ANSWERED = f"""
    select a.id as authority_id, r.kind, r.test
    from authority a cross join route r
    where {SEEN} and case r.kind
        when 'actes' then exists (
            select from acte_envelope e join acte_transaction t on t.envelope_id = e.id
            where e.authority_id = a.id and e.route_id = r.id and t.status in {ACKNOWLEDGED_ACTES})
        else exists (
            select from helios_transaction t
            where t.authority_id = a.id and t.route_id = r.id and t.acquit_content_id is not null) end"""
"""By which routes, of test or not, the State has already answered; also those that a collectivité has left since."""


async def list_openings(connection: Connection, authority: AuthorityId | None = None) -> list[Opening]:
    """The open collectivités visible to the scope, by name, or this one whatever it is; with what they have of what
    they need. Always the same few statements."""
    rows = await connection.fetch(AUTHORITIES, authority)
    ways: dict[AuthorityId, dict[Module, Way]] = {}
    for row in await connection.fetch(WAYS, authority):
        ways.setdefault(row["authority_id"], {})[Module(row["kind"])] = Way(row["name"], row["test"])
    bearers: dict[AuthorityId, dict[Module, list[Bearer]]] = {}
    for row in await connection.fetch(BEARERS, authority):
        bearer = Bearer(row["name"], row["certificate"], row["not_after"])
        bearers.setdefault(row["authority_id"], {}).setdefault(Module(row["module"]), []).append(bearer)
    answered: dict[tuple[AuthorityId, bool], set[Module]] = {}
    for row in await connection.fetch(ANSWERED, authority):
        answered.setdefault((row["authority_id"], row["test"]), set()).add(Module(row["kind"]))
    dossiers = await get_dossiers(connection, authority)
    return [
        Opening(
            **{name: row[name] for name in TEXTS},
            id=AuthorityId(row["id"]),
            modules=tuple(module for module in Module if module in row["modules"]),
            ways=ways.get(row["id"], {}),
            bearers=bearers.get(row["id"], {}),
            tested=frozenset(answered.get((row["id"], True), ())),
            in_production=frozenset(answered.get((row["id"], False), ())),
            dossiers=dossiers.get(row["id"], {}),
        )
        for row in rows
    ]
