"""A big installation in an instant: collectivités, groups, accounts, services, and what they deposited for two years.

Plain SQL as administrator, foreign keys unchecked meanwhile. Added to what a sandbox made: its collectivité A becomes
the largest of all, its group too, so that its certificates speak for a big house.
"""

from dataclasses import dataclass
from typing import Any, Protocol

FIRST = 10_000_000
"""The ids of what is made start here: far from those of the sandbox."""
GROUPS = 20
SHARED_LOGINS = 20


class Administrator(Protocol):
    """What is used of a connection that row-level security does not concern."""

    async def execute(self, query: str, *args: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each; half of the transactions are actes, half are PES."""

    authorities: int
    accounts: int
    transactions: int


@dataclass(frozen=True, slots=True)
class First:
    """Whose collectivité is the largest: its id, its group, the certificate that several logins share."""

    authority: int
    group: int
    certificate_hash: str = ""
    password_hash: str = ""


TENANTS = f"""
    insert into authority_group (id, name)
    select {FIRST} + n, 'Groupement n° ' || n from generate_series(1, {GROUPS - 1}) n;

    insert into authority (id, name, siren, nature, department, district, email, city, postal_code, address, modules)
    select {FIRST} + n,
        (array['Commune de ', 'Ville de ', 'Syndicat de ', 'Communauté de '])[1 + n % 4] || 'Saint-'
            || (array['Aubin', 'Brice', 'Cyr', 'Denis', 'Étienne', 'Flour', 'Genest', 'Hilaire'])[1 + n % 8]
            || '-' || n,
        (100000000 + n)::text, 31, '034', '3', 'mairie' || n || '@exemple.fr', 'Saint-' || n, '34000',
        n || ' rue Haute', array['actes', 'helios', 'mail']
    from size, generate_series(2, size.authorities) n;

    create temp table tenant as
    -- the group of the first has a third of all
    select n as rank, case when n = 1 then first.authority else {FIRST} + n end as id,
        case when n % {GROUPS} between 1 and 6 then first.grp else {FIRST} + 1 + n % {GROUPS - 1} end as grp
    from size, first, generate_series(1, size.authorities) n;

    insert into authority_membership (authority_id, group_id, valid_from)
    select id, grp, '2020-01-01' from tenant where rank > 1;

    insert into authority_siret (authority_id, siret)
    select id, (100000000 + rank)::text || lpad(n::text, 5, '0') from tenant, generate_series(1, 2) n where rank > 1;"""

ACCOUNTS = f"""
    create temp table person as
    select n, t.id as authority_id, t.rank,
        case when n % 10 = 0 then 'ADM' when n % 50 = 7 then 'ARCH' else 'USER' end as role
    from size, generate_series(1, size.accounts) n
    -- one in twenty-five is of the largest, the rest are spread
    join tenant t on t.rank = case when n % 25 = 0 then 1 else 1 + (n - n / 25) % (select authorities from size) end;

    insert into account (id, authority_id, role, name, givenname, email, certificate_hash, subject_dn, issuer_dn,
        certificate_not_after, login, status)
    select {FIRST} + n, authority_id, role,
        (array['Martin', 'Bernard', 'Thomas', 'Petit', 'Robert', 'Richard', 'Durand', 'Dubois', 'Moreau', 'Laurent',
            'Simon', 'Michel', 'Lefebvre', 'Leroy', 'Roux', 'David'])[1 + n % 16] || ' ' || n,
        (array['Camille', 'Dominique', 'Claude', 'Maxime', 'Sacha'])[1 + n % 5], 'compte' || n || '@exemple.fr',
        -- one certificate in ten is shared by four accounts that have logins
        encode(sha256((case when n % 40 < 4 then n / 40 else n + 1000000 end)::text::bytea), 'base64'),
        '/CN=Compte ' || n, '/CN=Autorité', now() + make_interval(days => 30 + n % 1000),
        case when n % 40 < 4 then 'login-' || n end, case when n % 30 = 0 then 0 else 1 end
    from person;

    insert into account (id, authority_id, role, name, email, certificate_hash, login, password_hash)
    select {2 * FIRST} + n, authority, 'USER', 'Logiciel partagé ' || n, 'partage@exemple.fr', certificate_hash,
        'shared-' || lpad(n::text, 2, '0'), password_hash
    from first, generate_series(1, {SHARED_LOGINS}) n where certificate_hash <> '';

    insert into account (id, group_id, role, name, email, certificate_hash)
    select {3 * FIRST} + n, g.id, 'GADM', 'Administrateur ' || n, 'gadm@exemple.fr', 'gadm-' || n
    from (select id, row_number() over (order by id) as n from authority_group where id > {FIRST}) g;

    insert into account_permission (account_id, authority_id, module, permission)
    select a.id, a.authority_id, m, case when a.role = 'ARCH' then 'RO' else 'RW' end
    from account a, unnest(array['actes', 'helios', 'mail']) m where a.id > {FIRST} and a.authority_id is not null;

    insert into service (id, authority_id, parent_id, name)
    select {FIRST} + rank * 10 + n, id, case when n > 1 then {FIRST} + rank * 10 + 1 + n / 4 end, 'Service ' || n
    from tenant, generate_series(1, 6) n;

    insert into service_member (service_id, account_id, authority_id)
    select {FIRST} + rank * 10 + 1 + n % 6, {FIRST} + n, authority_id from person;"""

ACTES = f"""
    -- the first of a thousand has a sixth of all, the last some hundreds
    create temp table deposit as
    select n, t.id as authority_id, t.rank, d.accounts[1 + n / 2 % cardinality(d.accounts)] as account_id,
        now() - make_interval(secs => (size.transactions - n) * (63e6 / size.transactions)) as at
    from size, generate_series(1, size.transactions) n
    join tenant t on t.rank
        = 1 + floor((select authorities from size) * power((n::bigint * 7919 % 1000003) / 1000003.0, 4))::int
    join (select authority_id, array_agg(id order by id) as accounts from account group by 1) d
        on d.authority_id = t.id;

    insert into content (id, authority_id, sha256, size, place, data)
    select {FIRST} + 3::bigint * n + position, authority_id, sha256(n::text::bytea), length(n::text), 'row',
        n::text::bytea
    from deposit, generate_series(0, 2) position where n % 2 = 0 or position = 0;

    insert into acte_envelope (id, authority_id, account_id, route_id, name, archive_name, submitted_at)
    select {FIRST} + n, authority_id, account_id, r.id, 'EACT--' || n || '.xml', 'TACT--' || n || '.tar.gz', at
    from deposit, (select min(id) as id from route where kind = 'actes') r where n % 2 = 0;

    insert into acte_transaction (id, authority_id, account_id, envelope_id, type, number, decision_date, nature_code,
        classif, subject, unique_id, status, submitted_at)
    select {FIRST} + n, authority_id, account_id, {FIRST} + n, 1, 'S' || n, at::date, 1, '{{3,1}}', 'Acte n° ' || n,
        '034-' || rank || '-' || n || '-DE', case n % 100 when 2 then -1 when 4 then 1 when 6 then 3 else 4 end, at
    from deposit where n % 2 = 0;

    insert into acte_file (id, authority_id, envelope_id, transaction_id, position, name, posted_filename, mimetype,
        size, content_id)
    select {FIRST} + 3::bigint * n + position, authority_id, {FIRST} + n, {FIRST} + n, position,
        n || '-' || position || '.pdf', 'acte.pdf', 'application/pdf', length(n::text),
        {FIRST} + 3::bigint * n + position
    from deposit, generate_series(0, 2) position where n % 2 = 0;

    insert into acte_workflow (authority_id, transaction_id, status, at, message, flux_content_id)
    select d.authority_id, a.id, step, at, 'Étape ' || step,
        case when step = 4 then {FIRST} + 3::bigint * n end
    from deposit d join acte_transaction a on a.id = {FIRST} + d.n,
        unnest(case a.status when -1 then array[1, -1] when 1 then array[1] when 3 then array[1, 2, 3]
            else array[1, 2, 3, 4] end) step
    where n % 2 = 0;"""

HELIOS = f"""
    insert into helios_transaction (id, authority_id, account_id, route_id, siren, filename, content_id, sha1, size,
        status, root, xml_nomfic, xml_cod_col, acquit_content_id, acquit_filename, submitted_at)
    select {FIRST} + n, authority_id, account_id, r.id, (100000000 + rank)::text, 'PES' || n || '.xml',
        {FIRST} + 3::bigint * n, decode(md5(n::text) || '00000000', 'hex'), length(n::text),
        case n % 100 when 1 then -1 when 3 then 3 else 8 end, 'PES_Aller', 'PES' || n, '123',
        case when n % 100 not in (1, 3) then {FIRST} + 3::bigint * n end, 'acquit.xml', at
    from deposit, (select min(id) as id from route where kind = 'helios') r where n % 2 = 1;

    insert into helios_workflow (authority_id, transaction_id, status, at, message)
    select d.authority_id, h.id, step, at, 'Étape ' || step
    from deposit d join helios_transaction h on h.id = {FIRST} + d.n,
        unnest(case h.status when -1 then array[1, -1] when 3 then array[1, 2, 3] else array[1, 2, 3, 8] end) step
    where n % 2 = 1;

    insert into helios_nomfic (nomfic, cod_col, authority_id, transaction_id)
    select 'PES' || n, '123', authority_id, {FIRST} + n from deposit where n % 2 = 1;"""


async def seed(connection: Administrator, size: Size, first: First) -> None:
    """Make it all, with the statistics that the planner reads; the foreign keys hold, nothing checks them meanwhile."""
    await connection.execute("set session_replication_role = replica; set synchronous_commit = off")
    await connection.execute(
        f"create temp table size as select {size.authorities} as authorities, {size.accounts} as accounts,"
        f" {size.transactions} as transactions"
    )
    await connection.execute(
        "create temp table first (authority bigint, grp bigint, certificate_hash text, password_hash text)"
    )
    await connection.execute(
        "insert into first values ($1, $2, $3, $4)",
        first.authority,
        first.group,
        first.certificate_hash,
        first.password_hash,
    )
    for part in (TENANTS, ACCOUNTS, ACTES, HELIOS):
        await connection.execute(part)
    await connection.execute("vacuum analyze")
