"""Lots over the wire: opened, filled, sent file by file, swept; exact bytes."""

import json
from datetime import timedelta

import pytest

from tdt.flows import actes_batches
from tests.wire import test_actes_api as actes
from tests.wire.client import File, Parts
from tests.wire.stack import Stack

CREATE = "/modules/actes/actes_batch_create.php"
ADD = "/modules/actes/actes_batch_add_file.php"
LOT = "KO\nÉchec de la transaction en mode lot.\n".encode("latin-1")

ready = actes.ready
fetchval = actes.fetchval


async def opened(stack: Stack, prefix: str = "LOT_", account: str = "certonly") -> int:
    parts: Parts = [("api", "1"), ("description", "Conseil de juin"), ("num_prefix", prefix)]
    answer = await stack.client(account).post(CREATE, parts)
    assert answer.headers["content-type"] == "application/json"
    lot = json.loads(answer.body)["id"]
    assert answer.body == b'{"id":%d}' % lot
    return int(lot)


async def added(stack: Stack, lot: int, *files: File, account: str = "certonly") -> list[dict[str, object]]:
    parts: Parts = [("batch_id", str(lot)), *(("files[]", file) for file in files)]
    answer = await stack.client(account).post(ADD, parts)
    told = json.loads(answer.body)
    assert told["msg"] == {"msg": f"Lot n&deg;{lot} cr&eacute;&eacute; avec succ&egrave;s.", "error_level": 0}
    found: list[dict[str, object]] = told["files"]
    return found


def batch_form(file: object, number: str = "", **changes: str) -> Parts:
    parts = [part for part in actes.form(number, batchfile=str(file), **changes) if part[0] != "acte_pdf_file"]
    return [*parts]


async def test_files_are_put_in_a_lot_and_sent_one_by_one(ready: Stack) -> None:
    lot = await opened(ready)
    large = actes.PDF + bytes(300_000)
    files = await added(ready, lot, File("un.pdf", actes.PDF), File("deux.PDF", large), File("trois.txt", actes.PDF),
                        File("quatre.pdf", b"PK\x03\x04" * 100_000))  # fmt: skip
    assert [(one["name"], one["size"]) for one in files[:2]] == [("un.pdf", len(actes.PDF)), ("deux.PDF", len(large))]
    assert [one.get("error") for one in files] == [None, None, "Filetype not allowed", "Filetype not allowed"]
    assert len(ready.spooled()) == 1
    assert await added(ready, lot) == []
    first = await actes.create(ready, batch_form(files[0]["id"]))
    second = await actes.create(ready, batch_form(files[1]["id"], "MON_NUMERO"))
    rows = "select t.number || ' ' || f.posted_filename || ' ' || f.size from acte_file f"
    rows += " join acte_transaction t on t.id = f.transaction_id where t.id = $1 and f.position = 1"
    assert await fetchval(ready, rows, first) == f"LOT_1 un.pdf {len(actes.PDF)}"
    assert await fetchval(ready, rows, second) == f"MON_NUMERO deux.PDF {len(large)}"
    for acte, data in ((first, actes.PDF), (second, large)):
        number = await fetchval(ready, "select id from acte_file where transaction_id = $1 and position = 1", acte)
        assert (await ready.client().get(f"{actes.DOWNLOAD}?file={number}")).body == data
    assert await fetchval(ready, "select next_suffix from acte_batch where id = $1", lot) == 3
    again = await ready.client().post(actes.CREATE, batch_form(files[0]["id"], "ENCORE"))
    assert again.body == LOT


async def test_a_browser_goes_on_to_the_next_file(ready: Stack) -> None:
    lot = await opened(ready)
    one, two = await added(ready, lot, File("1.pdf", actes.PDF), File("2.pdf", actes.PDF))

    async def sent(file: object) -> str:
        parts = [part for part in batch_form(file, process_next_batch_file="on") if part[0] != "api"]
        answer = await ready.client().post(actes.CREATE, [*parts])
        assert answer.status == 302
        return answer.headers["location"]

    home = "https://tdt.example/modules/actes/"
    assert await sent(two["id"]) == f"{home}actes_transac_add.php?batchfile={one['id']}"
    assert await sent(one["id"]) == home


async def test_a_file_of_a_lot_is_downloaded_by_its_own_number(ready: Stack) -> None:
    await actes.create(ready, actes.form())
    lot = await opened(ready)
    data = actes.PDF + b"% du lot"
    [file] = await added(ready, lot, File("du lot.pdf", data))
    url = f"{actes.DOWNLOAD}?type=batch&file={file['id']}"
    for account in ("certonly", "adm"):
        answer = await ready.client(account).get(url)
        assert (answer.status, answer.body) == (200, data)
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == 'attachment; filename="du lot.pdf"'
    for where, account in ((url, "other"), (f"{actes.DOWNLOAD}?type=batch&file=99999999", "certonly")):
        answer = await ready.client(account).get(where)
        assert (answer.status, answer.body) == (302, b"")
        assert answer.headers["location"] == "https://tdt.example/modules/actes/index.php"


async def test_the_lot_of_somebody_else_is_unknown(ready: Stack) -> None:
    lot = await opened(ready)
    [file] = await added(ready, lot, File("1.pdf", actes.PDF))
    for account in ("agent", "other"):
        client = ready.client(account)
        parts: Parts = [("api", "1"), ("batch_id", str(lot)), ("files[]", File("2.pdf", actes.PDF))]
        assert (await client.post(ADD, parts)).body == LOT
        assert (await client.post(actes.CREATE, batch_form(file["id"], "AUTRE"))).body == LOT
    [theirs] = await added(ready, lot, File("2.pdf", actes.PDF), account="adm")
    assert (await actes.create(ready, batch_form(theirs["id"]), account="adm")) > 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("description", " ")], "Intitulé du lot doit être présent."),
        (
            [("description", "a"), ("num_prefix", "été")],
            "Le préfixe du numéro ne peut contenir que des chiffres, des lettres en majuscules et _ "
            "(12 caractères au plus).",
        ),
    ],
)
async def test_refused_lots(ready: Stack, fields: Parts, message: str) -> None:
    answer = await ready.client().post(CREATE, [("api", "1"), *fields])
    assert answer.body == f"KO\n{message}\n".encode("latin-1")
    assert await fetchval(ready, "select count(*) from acte_batch") == 0


async def test_refused_files_of_lots(ready: Stack) -> None:
    client = ready.client()
    words = await client.post(actes.CREATE, batch_form("x", "N1"))
    assert words.body == b"KO\nbatchfile n&#039;est pas un entier\n"
    for number in ("99999999", "99999999999999999999999"):
        assert (await client.post(actes.CREATE, batch_form(number, "N1"))).body == LOT
    parts: Parts = [("api", "1"), ("batch_id", "99999999"), ("files[]", File("a.pdf", actes.PDF + bytes(300_000)))]
    assert (await client.post(ADD, parts)).body == LOT
    assert ready.spooled() == []


async def test_what_nobody_sends_is_swept_with_its_body(ready: Stack) -> None:
    lot = await opened(ready)
    used, kept, old, big = await added(
        ready, lot, *(File(f"{n}.pdf", actes.PDF + str(n).encode()) for n in range(3)),
        File("big.pdf", actes.PDF + bytes(300_000)),
    )  # fmt: skip
    await actes.create(ready, batch_form(used["id"]))
    days = ready.deps.config.actes.batch_days
    for file in (used, old, big):
        await fetchval(
            ready,
            "update acte_batch_file set added_at = now() - $2::interval where id = $1 returning id",
            file["id"],
            timedelta(days=days, minutes=1),
        )
    bodies = await fetchval(ready, "select count(*) from content")
    assert await actes_batches.sweep(ready.deps) == 2
    assert await actes_batches.sweep(ready.deps) == 0
    assert await fetchval(ready, "select array_agg(id order by id) from acte_batch_file") == [used["id"], kept["id"]]
    assert await fetchval(ready, "select count(*) from content") == int(str(bodies)) - 2
    assert len(ready.spooled()) == 1  # that of the annexe of the acte
    assert (await ready.client().post(actes.CREATE, batch_form(old["id"], "N1"))).body == LOT
