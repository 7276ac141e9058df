"""Lists, counts, statistics and export of actes: exact JSON and CSV, dates, scope."""

import csv
import io
import json
from urllib.parse import quote

import pytest

from tests.wire import test_actes_api as actes
from tests.wire.administration import error, id_of, rows
from tests.wire.stack import Stack
from tests.wire.test_actes_close import acte_at, put_at

ready = actes.ready
NUMBER = "/modules/actes/api/number_actes.php"
LIST = "/modules/actes/api/list_actes.php"
TOTALS = "/modules/actes/api/nb_actes_by_authorities_and_date.php"
PAGE = "/modules/actes/actes_export.php"
EXPORT = "/modules/actes/actes_export_handler.php"


async def ids(stack: Stack, query: str, account: str = "certonly") -> list[int]:
    answer = await stack.client(account).get(f"{LIST}?{query}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return [int(one["id"]) for one in json.loads(answer.body)["transactions"]]


async def test_the_number_of_actes(ready: Stack) -> None:
    for number in ("A1", "A2"):
        await acte_at(ready, 4, number)
    await acte_at(ready, 3, "A3")
    town = ready.authorities["A"]
    for status, count in ((4, 2), (3, 1), (17, 0), (99999999, 0)):
        kept = min(status, 32767)
        body = b'{"status_id":%d,"authority_id":%d,"nb_transactions":%d}' % (kept, town, count)
        assert (await ready.client("arch").get(f"{NUMBER}?status_id={status}")).body == body
    nothing = b'{"status_id":0,"authority_id":%d,"nb_transactions":0}'
    assert (await ready.client("other").get(NUMBER)).body == nothing % ready.authorities["B"]
    assert (await ready.client("sadm").get(NUMBER)).body == nothing % 0


async def test_the_list_to_the_byte(ready: Stack) -> None:
    acte = await acte_at(ready, 4)
    town = ready.authorities["A"]
    body = (
        f'{{"status_id":"4","authority_id":"{town}","offset":"0","limit":"100","transactions":[{{"id":"{acte}",'
        '"subject":"D\\u00e9lib\\u00e9ration sur l\'\\u00e9t\\u00e9","number":"ACTE_1","date":"2020-01-31",'
        '"nature_descr":"D\\u00e9lib\\u00e9rations","classification":"1.1","type":"1"}]}'
    )
    assert (await ready.client().get(f"{LIST}?status_id=4")).body == body.encode("ascii")
    empty = f'{{"status_id":"0","authority_id":"{town}","offset":"3","limit":"7","transactions":[]}}'
    assert (await ready.client().get(f"{LIST}?offset=3&limit=7&unknown=1")).body == empty.encode("ascii")
    nobody = b'{"status_id":"4","authority_id":"0","offset":"0","limit":"100","transactions":[]}'
    assert (await ready.client("sadm").get(f"{LIST}?status_id=4")).body == nobody
    # a transaction without act: what it lacks is an empty text
    await actes.fetchval(
        ready,
        """update acte_transaction set type = 7, number = null, decision_date = null, nature_code = null, subject = '',
        classif = '{}' where id = $1 returning id""",
        acte,
    )
    line = json.loads((await ready.client().get(f"{LIST}?status_id=4")).body)["transactions"][0]
    assert line == {
        "id": str(acte), "subject": "", "number": "", "date": "", "nature_descr": "", "classification": "", "type": "7",
    }  # fmt: skip


async def test_newest_first_by_pages(ready: Stack) -> None:
    made = [await acte_at(ready, 4, f"A{number}") for number in range(5)]
    assert await ids(ready, "status_id=4") == made[::-1]
    assert await ids(ready, "status_id=4&limit=2") == [made[4], made[3]]
    assert await ids(ready, "status_id=4&limit=2&offset=2") == [made[2], made[1]]
    assert await ids(ready, "status_id=4&limit=0&offset=4") == [made[0]]
    assert await ids(ready, "status_id=4&limit=-3&offset=-2") == made[::-1]
    assert await ids(ready, "status_id=4", "other") == []
    assert await ids(ready, "status_id=4", "agent") == made[::-1]
    answer = await ready.client().get(f"{LIST}?status_id=4&limit=999999")
    assert json.loads(answer.body)["limit"] == "10000"


async def test_dates_are_those_of_the_status(ready: Stack) -> None:
    old, new = await acte_at(ready, 4, "A1", days=10), await acte_at(ready, 4, "A2", days=1)
    # since then it has been elsewhere, and come back: once in the list all the same
    await put_at(ready, new, 4, days=0)
    for query, expected in (
        ("min_date=" + quote("-5 days"), [new]),
        ("max_date=" + quote("-5 days"), [old]),
        ("min_date=" + quote("-20 days") + "&max_date=tomorrow", [new, old]),
        ("min_date=tomorrow", []),
        ("min_date=2020-01-01&max_date=01/31/2021", []),
        ("type_acte=1", [new, old]),
        ("type_acte=6", []),
        ("type_acte=1&max_date=" + quote("-5 days"), [old]),
        ("min_date=&max_date=0&type_acte=", [new, old]),
    ):
        assert await ids(ready, f"status_id=4&{query}") == expected, query
    for name in ("min_date", "max_date"):
        answer = await ready.client().get(f"{LIST}?status_id=4&{name}=hier")
        assert answer.body == b'{"error":"%b n\'est pas une date"}' % name.encode()
    answer = await ready.client().get(f"{LIST}?type_acte=99")
    assert answer.body.startswith(
        b'{"error":"Code 99 invalide, les valeurs possibles sont : TransmissionActe : 1, CourrierSimple : 2, '
    )
    assert answer.body.endswith(b'Annulation : 6, DemandeDeClassification : 7"}')


async def test_the_statistics_of_a_group(ready: Stack) -> None:
    await acte_at(ready, 4, "A1")
    await acte_at(ready, -1, "A2")
    (group,) = await rows(ready, "select group_id from authority_membership limit 1")
    found = await rows(ready, "select id, name from authority order by name")
    counts = {ready.authorities["A"]: 2}
    lines = [
        {"authority_id": row["id"], "name": row["name"], "nb_transactions": counts.get(row["id"], 0)} for row in found
    ]
    answer = await ready.client("gadm").get(f"{TOTALS}?month=1&year=2020")
    head = '{"result":"ok","message":"","authority_group_id":%d,"min_date":"2020-1-01","max_date":"2020-01-31",'
    assert answer.body.startswith((head % group["group_id"]).encode())
    assert json.loads(answer.body)["nbTransactionPerAuthorities"] == lines
    told = json.loads(
        (await ready.client("sadm").get(f"{TOTALS}?month=02&year=2020&authority_group_id={group['group_id']}")).body
    )
    assert (told["min_date"], told["max_date"]) == ("2020-2-01", "2020-02-29")
    assert [one["nb_transactions"] for one in told["nbTransactionPerAuthorities"]] == [0] * len(found)
    told = json.loads((await ready.client("gadm").get(f"{TOTALS}?month=13&year=2020")).body)
    assert (told["min_date"], told["max_date"]) == ("2020-13-01", "1970-01-31")
    told = json.loads((await ready.client("gadm").get(TOTALS)).body)
    assert told["result"] == "ok"
    assert told["max_date"] < told["min_date"][:5] + "13"


async def test_who_may_have_the_statistics(ready: Stack) -> None:
    nowhere = b'{"result":"ko","message":"Authorities is not in a group or no group_id provided"}'
    assert (await ready.client("sadm").get(TOTALS)).body == nowhere
    for account in ("adm", "certonly"):
        assert (await ready.client(account).get(f"{TOTALS}?api=1")).body == error("Accès refusé")
    answer = await ready.client().get(TOTALS)
    assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example")


async def exported(stack: Stack, query: str = "", account: str = "adm") -> list[list[str]]:
    answer = await stack.client(account).get(f"{EXPORT}?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=iso-8859-1")
    assert answer.headers["content-disposition"] == 'attachment; filename="actes.csv"'
    return list(csv.reader(io.StringIO(answer.body.decode("latin-1"))))


async def test_the_export_of_the_envelopes(ready: Stack) -> None:
    acte = await acte_at(ready, 4)
    (envelope,) = await rows(
        ready,
        """select e.id, e.archive_name,
            to_char(e.submitted_at at time zone 'Europe/Paris', 'YYYY-MM-DD HH24:MI:SS') as at
        from acte_envelope e join acte_transaction t on t.envelope_id = e.id where t.id = $1""",
        acte,
    )
    files = await rows(ready, "select name from acte_file where transaction_id = $1 order by id", acte)
    (line,) = await exported(ready)
    assert line[:3] == [str(envelope["id"]), envelope["at"], envelope["archive_name"]]
    assert line[3] == "\n".join(row["name"] for row in files)
    assert line[4:8] == ["123456782", "034", "3", "Logiciel seul"]
    assert line[9].startswith("certonly@")
    for account in ("gadm", "sadm"):
        assert await exported(ready, account=account) == [line]
        assert await exported(ready, f"authority_id={ready.authorities['A']}", account) == [line]
        assert await exported(ready, f"authority_id={ready.authorities['B']}", account) == []
    refusal = await ready.client("adm").get(f"{EXPORT}?api=1&authority_id={ready.authorities['B']}")
    assert refusal.body == error("Accès refusé")
    assert await exported(ready, "date_debut=2020-01-01&date_fin=2020-12-31") == []
    today = envelope["at"][:10]
    assert await exported(ready, f"date_debut={today}&date_fin={today}") == [line]


async def test_an_export_of_many_comes_whole(ready: Stack) -> None:
    await acte_at(ready, 4)
    await actes.fetchval(
        ready,
        """with made as (
        insert into acte_envelope (authority_id, account_id, route_id, name, archive_name, submitted_at)
        select authority_id, account_id, route_id, 'n' || n, 'a' || n, submitted_at - interval '1 hour'
        from acte_envelope, generate_series(1, 1200) n returning id) select count(*) from made""",
    )
    found = await exported(ready, "date_debut=" + quote("-2 days"))
    assert len({line[0] for line in found}) == len(found) == 1201


@pytest.mark.parametrize(
    "query",
    ["date_debut=2020-01-01&date_fin=2021-02-05", "date_debut=hier&date_fin=2021-02-05", "date_debut=2020-01-01"],
)
async def test_an_export_too_long_goes_back_to_the_page(ready: Stack, query: str) -> None:
    answer = await ready.client("adm").get(f"{EXPORT}?{query}")
    assert answer.status == 302
    assert answer.headers["location"].startswith(f"https://tdt.example{PAGE}?date_debut=")
    shown = await ready.client("adm").get(answer.headers["location"].removeprefix("https://tdt.example"))
    assert "limitée à un intervalle de 400 jours" in shown.body.decode()
    assert await exported(ready, "date_debut=2020-01-01&date_fin=2021-02-04") == []


async def test_who_may_export(ready: Stack) -> None:
    for account in ("certonly", "arch"):
        answer = await ready.client(account).get(EXPORT)
        assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example")
        assert (await ready.client(account).get(f"{PAGE}?api=1")).body == error("Accès refusé")
    assert (await ready.client("gadm").get(f"{EXPORT}?api=1&authority_id=999999")).body == error("Accès refusé")
    assert await id_of(ready, "adm@sablieres.example")
