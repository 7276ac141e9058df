"""The table of rights without a server: what the door of each route and `may` say, for every cell of the specification.

The expected values are in tests/data/rights (see tests/rights.py for how to add a route).
"""

import itertools
from dataclasses import replace
from functools import cache

from tdt.db.pool import GroupScope, scope_of
from tdt.domain.authorities import Module, Owner, Permission, Principal, Right, Role, User, may
from tdt.domain.errors import Forbidden
from tdt.domain.ids import AccountId, AuthorityId, GroupId
from tdt.web.app import check_right
from tdt.web.call import Access, Route
from tdt.web.routes import ROUTES
from tests.rights import RELATIONS, Cell, cells, expected, module_of, read_rules, read_ways
from tests.told import tell
from tests.unit.test_authorities import IDENTITY, TOWN, user

RULES = read_rules()
OBJECT = {way.path: way.object for way in read_ways()}
BY_ROUTE = {route.path: route for route in ROUTES}
MINE, NEIGHBOUR, FAR = AuthorityId(1), AuthorityId(2), AuthorityId(3)
GROUP, OTHER = GroupId(7), GroupId(8)
ME = AccountId(10)

OWNERS = {
    "self": Owner(ME, MINE, False, GROUP),
    "colleague": Owner(AccountId(11), MINE, True, GROUP),
    "child": Owner(AccountId(12), MINE, True, GROUP),
    "parent": Owner(AccountId(13), MINE, False, GROUP),
    "house": Owner(AccountId(14), MINE, False, GROUP),
    "group": Owner(AccountId(15), NEIGHBOUR, False, GROUP),
    "foreign": Owner(AccountId(16), FAR, False, OTHER),
}


@cache
def caller(role: Role, permission: Permission, module: Module) -> Principal:
    me = user(role, group=GROUP if role is Role.GADM else None)
    permissions = {**dict.fromkeys(Module, Permission.NONE), module: permission}
    return Principal(replace(me, permissions=permissions), replace(TOWN, modules=frozenset(Module)), IDENTITY)


def sees(me: User, owner: Owner) -> bool:
    """What row-level security shows to the scope of an account (shown by itself in tests/migrations)."""
    scope = scope_of(me)
    if isinstance(scope, GroupScope):
        return owner.group_id == scope.id
    return scope in ("system", owner.authority_id)


def passes(route: Route, who: Principal) -> bool:
    if route.access in (Access.ANYONE, Access.CERTIFICATE):
        return True
    try:
        check_right(route, who)
    except Forbidden:
        return False
    return True


def told(cell: Cell) -> str:
    who, owner = caller(cell.role, cell.permission, cell.module), OWNERS[cell.relation]
    if not passes(BY_ROUTE[cell.path], who):
        return "refused"
    if OBJECT[cell.path] == "-":
        return "ok"
    if not sees(who.user, owner):
        return "unknown"
    return "ok" if may(who, Right(OBJECT[cell.path].lower()), module_of(cell.path), owner) else "refused"


def test_every_cell_is_as_the_specification_says() -> None:
    # of the objects of the two others, no right is asked: tests/wire/test_rights.py asks the endpoints
    paths = [path for path in RULES if OBJECT[path] not in ("HOUSE", "GROUP")]
    table = list(cells(paths))
    wrong = [(cell, told(cell), expected(RULES, cell)) for cell in table if told(cell) != expected(RULES, cell)]
    assert wrong == []
    assert len(table) > 20_000
    tell(f"rights: {len(table)} cells, {len(paths)} endpoints (rules)")


def test_every_route_has_its_rules_and_its_requests_and_nothing_else_has() -> None:
    assert set(RULES) == set(OBJECT) == set(BY_ROUTE)


def test_every_rule_decides_some_cell() -> None:
    table = itertools.product(Role, Permission, RELATIONS)
    decided = set()
    for role, permission, relation in table:
        for rules in RULES.values():
            fits = (
                rule
                for rule in rules
                if role in rule.role and permission in rule.permission and relation in rule.relation
            )
            decided.add(next(fits))
    assert [rule for rules in RULES.values() for rule in rules if rule not in decided] == []


def test_refused_is_only_said_of_what_the_collectivite_of_the_caller_holds() -> None:
    """Who may use an endpoint at all is told nothing of others' numbers; a GADM's own are those of its group."""
    for path, role, permission in itertools.product(RULES, Role, Permission):
        module = module_of(path) or Module.ACTES
        outcome = {one: expected(RULES, Cell(path, role, permission, module, one)) for one in RELATIONS}
        if "ok" in outcome.values():
            assert outcome["foreign"] != "refused", (path, role)
            assert role is Role.GADM or outcome["group"] != "refused", (path, role)
