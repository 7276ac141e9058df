"""The plans of the statements behind the endpoints: as the application's role, under row-level security, in scope.

A connection that explains before it runs is given to the very functions that the endpoints call: what is shown is what
they ask, not a copy of it.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tdt.db import account_admin, accounts, acte_lists, acte_views, actes, authority_admin, groups, helios, services
from tdt.db.account_admin import AccountFilter
from tdt.db.authority_admin import AuthorityFilter
from tdt.db.pool import Connection, GroupScope, Pool, Record, Scope, transaction
from tdt.domain.ids import AccountId, ActeFileId, ActeId, AuthorityId, GroupId, HeliosId

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
EXPLAIN = "explain (analyze, buffers, costs off, format json) "


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement as it was run: its tree, as Postgres tells it."""

    statement: str
    tree: dict[str, Any]
    milliseconds: float

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Every node, the deepest last."""
        return _walk(self.tree)

    def scanned(self) -> set[str]:
        """The tables that were read whole."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"}

    def text(self) -> list[str]:
        """A line for each access to a table: how, by which index, rows found and thrown away, blocks read."""
        return [_line(node) for node in self.nodes() if "Relation Name" in node or "Index Name" in node]


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)


def _line(node: dict[str, Any]) -> str:
    place = node.get("Relation Name", "")
    index = f" {node['Index Name']}" if "Index Name" in node else ""
    turns = f" × {node['Actual Loops']:.0f}" if node["Actual Loops"] > 1 else ""
    lost = node.get("Rows Removed by Filter", 0)
    without = f", {lost:.0f} left out" if lost else ""
    blocks = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
    return f"{node['Node Type']} {place}{index}: {node['Actual Rows']:.0f} rows{turns}{without}, {blocks} blocks"


class Explaining:
    """A connection that keeps the plan of each statement that reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: list[Plan] = []

    async def execute(self, query: str, *args: object) -> str:
        return await self._connection.execute(query, *args)

    async def executemany(self, command: str, args: object) -> None:
        await self._connection.executemany(command, args)

    async def fetch(self, query: str, *args: object) -> list[Record]:
        await self._explain(query, args)
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Record | None:
        await self._explain(query, args)
        return await self._connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        await self._explain(query, args)
        return await self._connection.fetchval(query, *args)

    async def _explain(self, query: str, args: tuple[object, ...]) -> None:
        told = json.loads(await self._connection.fetchval(EXPLAIN + query, *args))[0]
        milliseconds = told["Planning Time"] + told["Execution Time"]
        self.plans.append(Plan(" ".join(query.split()), told["Plan"], milliseconds))


@dataclass(frozen=True, slots=True)
class Ids:
    """Of what the reads speak: a large collectivité, its group, one of its accounts and what that deposited."""

    authority: AuthorityId
    group: GroupId
    account: AccountId
    certificate_hash: str
    service: int
    acte: ActeId
    unique_id: str
    file: ActeFileId
    pes: HeliosId


@dataclass(frozen=True, slots=True)
class Read:
    """What an endpoint asks of the database. `wide`: a list of accounts or collectivités, which may be read whole."""

    name: str
    scope: Scope
    run: Callable[[Connection], Awaitable[object]]
    wide: bool = False


def reads(ids: Ids) -> list[Read]:
    """Everything that the endpoints under load read."""
    return [*_logins(ids), *_transactions(ids), *_accounts(ids), *_authorities(ids)]


def _logins(ids: Ids) -> list[Read]:
    return [
        Read("login: accounts of a certificate", "system", lambda c: accounts.find_accounts(c, ids.certificate_hash)),
        Read("login: logins of a certificate", "system", lambda c: accounts.list_logins(c, ids.certificate_hash)),
        Read(
            "login: account of a certificate and a login",
            "system",
            lambda c: accounts.find_account_for_login(c, (ids.certificate_hash, ""), "x", "192.0.2.1", BEGINNING),
        ),
    ]


def _transactions(ids: Ids) -> list[Read]:
    scopes: tuple[tuple[str, Scope], ...] = (
        ("collectivité", ids.authority),
        ("group", GroupScope(ids.group)),
        ("all", "system"),
    )
    found = []
    for name, scope in scopes:
        found += [
            Read(f"acte by number ({name})", scope, lambda c: actes.get_transaction(c, ids.acte)),
            Read(f"acte by unique_id ({name})", scope, lambda c: actes.list_by_unique_id(c, ids.unique_id)),
            Read(f"life of an acte ({name})", scope, lambda c: actes.list_workflow(c, ids.acte)),
            Read(f"files of an acte ({name})", scope, lambda c: actes.list_files(c, ids.acte)),
            Read(f"file of an acte ({name})", scope, lambda c: actes.get_file(c, ids.file)),
            Read(f"steps of an acte, by whom ({name})", scope, lambda c: acte_views.list_steps(c, ids.acte)),
            Read(f"files of an acte, with digests ({name})", scope, lambda c: acte_views.list_shown_files(c, ids.acte)),
            Read(f"whose an acte is ({name})", scope, lambda c: acte_views.find_depositor(c, ids.acte)),
            Read(f"what hangs on an acte ({name})", scope, lambda c: acte_views.list_relatives(c, ids.acte)),
            Read(f"classification held ({name})", scope, lambda c: actes.last_classification(c, ids.authority)),
            Read(
                f"classification asked for ({name})",
                scope,
                lambda c: actes.list_pending_classification_requests(c, ids.authority),
            ),
            Read(
                f"list of actes ({name})",
                scope,
                lambda c: acte_lists.list_actes(c, acte_lists.Wanted(ids.authority, 4), 0, 10),
            ),
            Read(f"PES by its bytes ({name})", scope, lambda c: helios.find_known(c, b"x" * 20)),
            Read(f"PES by number ({name})", scope, lambda c: helios.get_transaction(c, ids.pes)),
            Read(f"last step of a PES ({name})", scope, lambda c: helios.last_workflow(c, ids.pes)),
            Read(
                f"colleague? ({name})", scope, lambda c: accounts.get_owner(c, ids.account, ids.account, ids.authority)
            ),
        ]
    return found


def _accounts(ids: Ids) -> list[Read]:
    group = GroupScope(ids.group)
    mine, ours = AccountFilter(authority=ids.authority, status=1), AccountFilter(group=ids.group, status=1)
    found = [Read("one account", ids.authority, lambda c: account_admin.get_administered(c, ids.account))]
    found += _account_lists("ADM", ids.authority, mine)
    found += _account_lists("GADM", group, ours)
    found += _account_lists("SADM", "system", AccountFilter(status=1), wide=True)
    named = AccountFilter(name="martin 1", status=1)
    found += _account_lists("SADM, by name", "system", named, wide=True)
    found.append(Read("services", ids.authority, lambda c: services.list_services(c, ids.authority)))
    found.append(Read("members of a service", ids.authority, lambda c: services.list_members(c, ids.service)))
    return found


def _account_lists(name: str, scope: Scope, wanted: AccountFilter, *, wide: bool = False) -> list[Read]:

    async def last_page(connection: Connection) -> object:
        total = await account_admin.count_accounts(connection, wanted)
        return await account_admin.list_accounts(connection, wanted, 10, max(total - 10, 0), total)

    return [
        Read(f"accounts counted ({name})", scope, lambda c: account_admin.count_accounts(c, wanted), wide),
        Read(f"accounts, first page ({name})", scope, lambda c: account_admin.list_accounts(c, wanted, 10, 0), wide),
        Read(f"accounts counted, last page ({name})", scope, last_page, wide),
    ]


def _authorities(ids: Ids) -> list[Read]:
    group, ours, every = GroupScope(ids.group), AuthorityFilter(group=ids.group), AuthorityFilter()
    named = AuthorityFilter(name="brice")
    return [
        Read("one collectivité", ids.authority, lambda c: authority_admin.get_owned(c, ids.authority)),
        Read("collectivités counted (GADM)", group, lambda c: authority_admin.count_authorities(c, ours), wide=True),
        Read("collectivités (GADM)", group, lambda c: authority_admin.list_authorities(c, ours, 10, 0), wide=True),
        Read(
            "collectivités counted (SADM)", "system", lambda c: authority_admin.count_authorities(c, every), wide=True
        ),
        Read("collectivités, first page (SADM)", "system", _page(every, 0), wide=True),
        Read("collectivités, last page (SADM)", "system", _page(every, 990), wide=True),
        Read("collectivités, by name (SADM)", "system", _page(named, 0), wide=True),
        Read("SIRETs", ids.authority, lambda c: authority_admin.list_sirets(c, ids.authority)),
        Read("groups", "system", lambda c: groups.list_groups(c, "", 10, 0), wide=True),
    ]


def _page(wanted: AuthorityFilter, offset: int) -> Callable[[Connection], Awaitable[object]]:
    return lambda connection: authority_admin.list_authorities(connection, wanted, 10, offset)


async def explain(pool: Pool, read: Read) -> list[Plan]:
    """Run it once to warm the caches, then keep its plans."""
    async with transaction(pool, read.scope) as connection:
        await read.run(connection)
        explaining = Explaining(connection)
        await read.run(explaining)
    return explaining.plans


ANY = """
    select a.authority_id as authority, m.group_id as "group", a.account_id as account, u.certificate_hash,
        s.service_id as service, a.id as acte, a.unique_id, f.id as file, h.id as pes
    from acte_transaction a join account u on u.id = a.account_id
    join authority_membership m on m.authority_id = a.authority_id
    join service_member s on s.account_id = u.id
    join acte_file f on f.transaction_id = a.id and f.position = 1
    join helios_transaction h on h.authority_id = a.authority_id and h.status = 8
    where a.authority_id = $1 and a.status = 4 order by a.id desc limit 1"""


async def find_ids(connection: Connection, authority: AuthorityId) -> Ids:
    """Something of this collectivité of each kind, in scope `system`."""
    row = await connection.fetchrow(ANY, authority)
    if row is None:
        raise RuntimeError("this collectivité has deposited nothing")
    return Ids(**row)
