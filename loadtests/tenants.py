"""Login, rights, lists and pages with 1,000 collectivités, 10,000 accounts and a million transactions, against the same
server with next to nothing in its database."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import asyncpg

from loadtests.plans import Ids, explain, find_ids, reads
from loadtests.processes import Program, milliseconds_since, spent
from loadtests.result import Outcome, Sample, Side, compare, interleave
from loadtests.seed import FIRST, SHARED_LOGINS, First, Size, seed
from loadtests.stand import Stand, prepare, run_sql, server_and_database
from loadtests.wire import Burst, Crowd, Door, request_head
from tdt.db.pool import open_pool, transaction
from tdt.domain.ids import AuthorityId
from tdt.passwords import hash_now

BIG, SMALL = Size(1_000, 10_000, 1_000_000), Size(2, 20, 4_000)
BIG_QUICK = Size(100, 1_000, 20_000)
MILLISECONDS = 50.0
CLIENTS = 2
PASSWORD = "mot de passe partagé"
ACTE_STATUS = "/modules/actes/actes_transac_get_status.php?transaction={}"
ACTE_UNIQUE = "/modules/actes/actes_transac_get_status.php?unique_id={}"
ACTE_FILES = "/modules/actes/actes_transac_get_files_list.php?transaction={}"
ACTE_FILE = "/modules/actes/actes_download_file.php?file={}"
PES_STATUS = "/modules/helios/api/helios_transac_get_status.php?transaction={}"
USERS = "/admin/users/admin_users.php?api=1&{}"
USER = "/admin/users/admin_user_detail.php?id={}"
AUTHORITIES = "/admin/authorities/admin_authorities.php?api=1&{}"
AUTHORITY = "/admin/authorities/admin_authority_detail.php?id={}"
OWN_ACTES = (
    "select a.id from acte_transaction a join account u on u.id = a.account_id where {} and a.type = 1 and a.status = 4"
)
BEYOND = "page=999999"
"""S2LOW gives the last page."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request: who asks for what; `values`: a query for what goes into the path, `{}`."""

    name: str
    account: str
    path: str
    expected: str
    values: str = "select ''"


CERTONLY, SYSTEM = "u.subject_dn like '%certonly%'", "u.login = 'system'"
OF_A = f"u.authority_id = (select u.authority_id from account u where {SYSTEM})"
ELSEWHERE = f"not {OF_A}"
OWN_PES = f"""
    select h.id from helios_transaction h join account u on u.id = h.account_id where {CERTONLY} and h.status = 8"""

CASES = (
    Case("login, certificate alone", "certonly", "/api/test-connexion.php", "OK"),
    Case(f"login and password, {SHARED_LOGINS + 2} on one certificate", "system", "/api/test-connexion.php", "OK"),
    Case("login, what is known of it", "certonly", "/api/info-connexion.php", "authority_info"),
    Case("status of an acte, its owner", "certonly", ACTE_STATUS, "OK\n4", OWN_ACTES.format(CERTONLY)),
    Case("status of an acte, ADM", "adm", ACTE_STATUS, "OK\n4", OWN_ACTES.format(OF_A)),
    Case(
        "status of an acte by unique_id, ADM",
        "adm",
        ACTE_UNIQUE,
        "OK\n4",
        OWN_ACTES.format(OF_A).replace("a.id", "a.unique_id", 1),
    ),
    Case("status of an acte, refused", "agent", ACTE_STATUS, "Acc", OWN_ACTES.format(CERTONLY)),
    Case("status of an acte of another", "adm", ACTE_STATUS, "de transaction invalide", OWN_ACTES.format(ELSEWHERE)),
    Case("files of an acte, its owner", "certonly", ACTE_FILES, "code_pj", OWN_ACTES.format(CERTONLY)),
    Case(
        "file of an acte, a colleague",
        "agent",
        ACTE_FILE,
        "200 OK",
        f"select f.id from acte_file f where position = 1 and transaction_id in ({OWN_ACTES.format(CERTONLY)})",
    ),
    Case(
        "status of a PES, a colleague",
        "agent",
        PES_STATUS,
        "resultat",
        OWN_PES,
    ),
    Case("accounts, ADM, first page", "adm", USERS, "authority_name"),
    Case("accounts, ADM, last page", "adm", USERS, "authority_name", f"select '{BEYOND}'"),
    Case("accounts, GADM, first page", "gadm", USERS, "authority_name"),
    Case("accounts, GADM, last page", "gadm", USERS, "authority_name", f"select '{BEYOND}'"),
    Case("accounts, SADM, first page", "sadm", USERS, "authority_name"),
    Case(
        "accounts, SADM, a page in the middle",
        "sadm",
        USERS,
        "authority_name",
        "select 'page=' || greatest(count(*) / 20, 1) from account",
    ),
    Case("accounts, SADM, last page", "sadm", USERS, "authority_name", f"select '{BEYOND}'"),
    Case("accounts, SADM, by name", "sadm", USERS, "authority_name", "select 'name=martin'"),
    Case("accounts, SADM, by name, nobody", "sadm", USERS, "[]", "select 'name=personne+de+ce+nom'"),
    Case("one account, ADM", "adm", USER, "authority_group_id", f"select u.id from account u where {OF_A}"),
    Case(
        "one account, SADM", "sadm", USER, "authority_group_id", f"select u.id from account u where u.id < {2 * FIRST}"
    ),
    Case("collectivités, GADM, first page", "gadm", AUTHORITIES, "siren"),
    Case("collectivités, GADM, last page", "gadm", AUTHORITIES, "siren", f"select '{BEYOND}'"),
    Case("collectivités, SADM, first page", "sadm", AUTHORITIES, "siren"),
    Case("collectivités, SADM, last page", "sadm", AUTHORITIES, "siren", f"select '{BEYOND}'"),
    Case("collectivités, SADM, by name", "sadm", AUTHORITIES, "siren", "select 'name=saint'"),
    Case("one collectivité, SADM", "sadm", AUTHORITY, "siren", "select id from authority"),
)


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """Both servers are up together and asked in turn."""
    each = 20 if quick else 200
    small = prepare(stand.directory.parent / "small")
    with _house(stand, BIG_QUICK if quick else BIG) as big, _house(small, SMALL) as little, Crowd(CLIENTS) as crowd:
        _print_plans(stand)
        for case in CASES:
            yield _measure(case, crowd, (stand, big), (small, little), rounds, each)
        yield _first_logins(crowd, (stand, big), (small, little), rounds)


@contextmanager
def _house(stand: Stand, size: Size) -> Iterator[dict[str, Program]]:
    """Server and database of an installation of this size."""
    with ExitStack() as stack:
        programs = stack.enter_context(server_and_database(stand))
        started = time.monotonic()
        asyncio.run(_seed(stand, size))
        print(f"    {size}: made in {time.monotonic() - started:.0f} s", flush=True)
        yield programs


async def _seed(stand: Stand, size: Size) -> None:
    connection = await asyncpg.connect(stand.cluster.dsn("postgres"))
    try:
        row = await connection.fetchrow(
            """select u.authority_id, m.group_id, u.certificate_hash from account u
            join authority_membership m using (authority_id) where u.login = 'system'"""
        )
        await seed(connection, size, First(row[0], row[1], row[2], hash_now(PASSWORD)))
    finally:
        await connection.close()


def _measure(
    case: Case,
    crowd: Crowd,
    big: tuple[Stand, dict[str, Program]],
    small: tuple[Stand, dict[str, Program]],
    rounds: int,
    each: int,
) -> Outcome:
    every: list[float] = []
    sides = interleave(
        rounds, ("big", _side(case, crowd, big, each, every)), ("small", _side(case, crowd, small, each, []))
    )
    return _outcome(case.name, sides, every, MILLISECONDS)


def _outcome(name: str, sides: tuple[Side, Side], every: Sequence[float], target: float | None) -> Outcome:
    note = ", ".join(f"p{share} {centile(every, share):.1f} ms" for share in (50, 95, 99))
    ratios = compare(name, "ms", sides, None).ratios
    return Outcome(
        name, "ms", *sides, ratios, target, at_least=False, of_value=True, note=f"{note}; {len(every)} requests"
    )


def centile(values: Sequence[float], share: int) -> float:
    """The value that `share` per cent of the values do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * share / 100) - 1, 0)]


def _side(
    case: Case, crowd: Crowd, house: tuple[Stand, dict[str, Program]], each: int, every: list[float]
) -> Callable[[int], Sample]:
    """One round: the 95th centile of `each` requests, each for another object as far as there are."""
    stand, programs = house
    account = stand.account(case.account)
    door = Door(stand.port, stand.directory / "pki" / "ca.pem", account.cert, account.key)
    head = request_head("GET", "|", 0, account.login, account.password)
    before, after = head.split(b"|")
    values = [str(row[0]) for row in run_sql(stand, f"select * from ({case.values}) v order by random() limit {each}")]
    texts = [case.path.format(quote(values[number % len(values)], safe="=&+")) for number in range(each)]
    burst = Burst(door, before, after, case.expected.encode("utf-8"))

    def send(number: int) -> Sample:
        cpu = spent(programs)
        _, latencies = crowd.run(burst, texts)
        found = [1000 * latency for latency in latencies]
        if number:
            every.extend(found)
        return Sample(centile(found, 95), milliseconds_since(cpu, programs, each))

    return send


def _first_logins(
    crowd: Crowd, big: tuple[Stand, dict[str, Program]], small: tuple[Stand, dict[str, Program]], rounds: int
) -> Outcome:
    """The first password of each account: argon2id is slow on purpose. Not judged."""
    every: list[float] = []
    sides = interleave(rounds, ("big", _first_side(crowd, big, every)), ("small", _first_side(crowd, small, [])))
    return _outcome("login and password, first time", sides, every, None)


def _first_side(crowd: Crowd, house: tuple[Stand, dict[str, Program]], every: list[float]) -> Callable[[int], Sample]:
    stand = house[0]
    account = stand.account("system")
    door = Door(stand.port, stand.directory / "pki" / "ca.pem", account.cert, account.key)

    def send(number: int) -> Sample:
        # another hash of the same password: what was verified before is forgotten
        run_sql(stand, f"update account set password_hash = '{hash_now(PASSWORD)}' where login like 'shared-%'")
        found = []
        for shared in range(1, SHARED_LOGINS + 1):
            head = request_head("GET", "/api/test-connexion.php", 0, f"shared-{shared:02}", PASSWORD)
            _, latencies = crowd.run(Burst(door, head, b"", b"OK"), [""])
            found.append(1000 * latencies[0])
        if number:
            every.extend(found)
        return Sample(centile(found, 95))

    return send


def _print_plans(stand: Stand) -> None:
    """Every statement behind the requests, as the application's role, in scope."""
    for name, line in asyncio.run(_plans(stand)):
        print(f"    {name}: {line}", flush=True)


async def _plans(stand: Stand) -> list[tuple[str, str]]:
    pool = await open_pool(stand.cluster.dsn("tdt_app"), 1)
    try:
        async with transaction(pool, "system") as connection:
            authority = await connection.fetchval("select authority_id from account where login = 'system'")
            ids: Ids = await find_ids(connection, AuthorityId(authority))
        found = []
        for read in reads(ids):
            for plan in await explain(pool, read):
                found.append((read.name, f"{plan.milliseconds:.1f} ms"))
                found += [(read.name, line) for line in plan.text()]
        return found
    finally:
        pool.terminate()
