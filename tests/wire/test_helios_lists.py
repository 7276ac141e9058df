"""Lists and statistics of flows over the wire: exact bytes."""

from datetime import UTC, datetime

import pytest

from tests.wire import test_helios_api as helios
from tests.wire.administration import error, rows
from tests.wire.stack import Stack
from tests.wire.test_helios_moves import flow_at

LIST = "/modules/helios/api/list_pes_aller.php"
TOTALS = "/modules/helios/api/nb_pes_aller_by_authorities_and_date.php"


async def asked(stack: Stack, query: str, account: str = "arch") -> bytes:
    answer = await stack.client(account).get(f"{LIST}?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.body


def told(stack: Stack, numbers: list[int], offset: int = 0, limit: int = 100) -> bytes:
    transactions = ",".join(f'{{"id":{number}}}' for number in numbers)
    head = f'{{"status_id":8,"authority_id":{stack.authorities["A"]},"offset":{offset},"limit":{limit},'
    return f'{head}"transactions":[{transactions}]}}'.encode("ascii")


async def test_the_archivist_lists_the_flows_of_a_status(stack: Stack) -> None:
    assert await asked(stack, "status_id=8") == told(stack, [])
    numbers = [await flow_at(stack, 8, helios.PES + b" " * place) for place in range(3)]
    await flow_at(stack, 4, helios.PES + b"\n")
    await rows(
        stack, "update helios_transaction set authority_id = $1 where id = $2", stack.authorities["B"], numbers[0]
    )
    assert await asked(stack, "status_id=8") == told(stack, [numbers[2], numbers[1]])
    assert await asked(stack, "status_id=8&offset=1&limit=5") == told(stack, [numbers[1]], 1, 5)
    assert await asked(stack, "status_id=8&limit=1") == told(stack, [numbers[2]], 0, 1)


async def test_dates_are_those_at_which_the_status_was_taken(stack: Stack) -> None:
    number = await flow_at(stack, 8)
    await rows(stack, "update helios_workflow set at = $1 where status = 8", datetime(2024, 3, 4, 23, 30, tzinfo=UTC))
    await rows(stack, "update helios_workflow set at = '2020-01-01' where status = 1")
    for query, there in (
        ("min_date=2024-03-05", True),
        ("min_date=2024-03-06", False),
        ("max_date=2024-03-05", False),
        ("max_date=05-03-2024+01:00", True),
        ("min_date=2024-03-05&max_date=2024-03-06", True),
        ("min_date=2019-12-31&max_date=2020-01-02", False),
    ):
        assert await asked(stack, f"status_id=8&{query}") == told(stack, [number] if there else []), query
    answer = await stack.client("arch").get(f"{LIST}?status_id=8&max_date=hier")
    assert (answer.status, answer.body) == (400, b'{"error":"max_date n\\u0027est pas une date"}')


@pytest.mark.parametrize("account", ["certonly", "adm", "gadm", "sadm"])
async def test_nobody_but_an_archivist_has_this_list(stack: Stack, account: str) -> None:
    answer = await stack.client(account).get(f"{LIST}?status_id=8")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.body == b'{"error":"L\\u0027utilisateur n\\u0027est pas archiviste"}'


async def test_the_statistics_of_a_group(stack: Stack) -> None:
    for place, at in enumerate(("2017-07-01 00:00+02", "2017-07-31 23:59:59+02", "2017-08-01 00:00+02")):
        number = await helios.deposit(stack, helios.PES + b" " * place)
        await rows(
            stack, "update helios_transaction set submitted_at = $2::text::timestamptz where id = $1", number, at
        )
    (group,) = await rows(
        stack,
        """select group_id, a.id, a.name from authority_membership m join authority a on a.id = m.authority_id
        where a.id = $1 and valid_to is null""",
        stack.authorities["A"],
    )
    answer = await stack.client("gadm").get(f"{TOTALS}?month=7&year=2017")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    head = (
        f'{{"result":"ok","message":"","authority_group_id":{group["group_id"]},'
        '"min_date":"2017-7-01","max_date":"2017-07-31","nbTransactionPerAuthorities":['
    )
    assert answer.body.startswith(head.encode())
    line = f'"authority_id":{group["id"]},"name":"{group["name"]}","nb_transactions":2'
    assert line.encode() in answer.body.decode("unicode_escape").encode()
    same = await stack.client("sadm").get(f"{TOTALS}?month=7&year=2017&authority_group_id={group['group_id']}")
    assert same.body == answer.body
    nothing = (await stack.client("gadm").get(f"{TOTALS}?month=13&year=2017")).body
    assert b'"max_date":"1970-01-31"' in nothing
    assert b'"nb_transactions":1' not in nothing
    nowhere = b'{"result":"ko","message":"Your authority is not in a group or no group_id provided"}'
    assert (await stack.client("sadm").get(TOTALS)).body == nowhere
    for account in ("adm", "certonly", "arch"):
        assert (await stack.client(account).get(f"{TOTALS}?api=1")).body == error("Accès refusé")
    answer = await stack.client().get(TOTALS)
    assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example")
