"""A collectivité reads its balances, their documents and signatures, and nobody else's."""

import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any

from tdt.db.balances import NewBalance, insert_balance, move_to_signed
from tdt.domain.balance import Heading, Side, document
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind
from tests.wire.administration import error
from tests.wire.client import Answer
from tests.wire.stack import Stack

PATH = "/api/v1/balances"


def told(answer: Answer) -> dict[str, Any]:
    """What our own endpoints say, in JSON."""
    assert answer.headers["content-type"] == "application/json", answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


async def keep(stack: Stack, authority: AuthorityId, day: int, signature: bytes = b"") -> int:
    """A balance of this day of March 2026."""
    async with stack.deps.transaction("system") as connection:
        route = RouteId(await connection.fetchval("select min(id) from route where kind = 'actes'"))
        on = date(2026, 3, day)
        heading = Heading(authority, "Ville", "123456782", RouteKind.ACTES, route, "p", True, on, AT, AT, AT, None)
        written = document(heading, Side(), {})
        digest = hashlib.sha256(written).digest()
        new = NewBalance(authority, RouteKind.ACTES, route, on, True, written, digest, Side().ledger, ())
        number = await insert_balance(connection, new)
        if signature:
            await move_to_signed(connection, number, signature, b"certificat", AT)
    return number


async def listed(stack: Stack, account: str, query: str) -> list[int]:
    answer = told(await stack.client(account).get(f"{PATH}?{query}"))
    assert answer["next"] is None
    return [one["id"] for one in answer["balances"]]


async def test_a_collectivite_reads_its_own(stack: Stack) -> None:
    own, other = (AuthorityId(stack.authorities[name]) for name in ("A", "B"))
    first, second, foreign = await keep(stack, own, 1), await keep(stack, own, 2), await keep(stack, other, 1)
    march = "from=2026-03-01&to=2026-03-31"
    assert await listed(stack, "adm", march) == [first, second]
    assert await listed(stack, "adm", "from=2026-03-02&to=2026-03-31") == [second]
    assert await listed(stack, "adm", f"{march}&after={first}") == [second]
    assert await listed(stack, "adm", f"{march}&module=helios") == []
    assert await listed(stack, "adm", f"{march}&authority={other}") == []
    assert set(await listed(stack, "sadm", march)) == {first, second, foreign}
    assert await listed(stack, "sadm", f"{march}&authority={other}") == [foreign]
    client = stack.client("adm")
    one = told(await client.get(f"{PATH}/{first}"))
    assert (one["day"], one["balanced"], one["closing"]["deposited"], one["signed_at"]) == ("2026-03-01", True, 0, None)
    # the second says that there was none before it
    assert told(await client.get(f"{PATH}/{second}"))["fault"] == "il ne suit pas le solde précédent"
    assert (one["valid"], one["document"]["authority"]["siren"]) == (True, "123456782")
    for number in (foreign, 10**9, "x"):
        assert (await client.get(f"{PATH}/{number}")).body == error("Ce solde n'existe pas.")
    for query, message in (
        ("from=hier", "Date invalide : AAAA-MM-JJ."),
        ("module=x", "module : actes, helios."),
    ):
        assert (await client.get(f"{PATH}?{query}")).body == error(message)


async def test_an_account_reads_those_of_the_modules_that_it_may_read(stack: Stack) -> None:
    own, other = (AuthorityId(stack.authorities[name]) for name in ("A", "B"))
    number, foreign = await keep(stack, own, 1), await keep(stack, other, 1)
    march = "from=2026-03-01&to=2026-03-31"
    rights = """update account_permission set permission = 'NONE' where module = 'actes'
        and account_id in (select id from account where role = $1 and authority_id = $2)"""
    for who, role in (("agent", "USER"), ("arch", "ARCH")):
        client = stack.client(who)
        assert await listed(stack, who, march) == [number]
        assert told(await client.get(f"{PATH}/{number}"))["valid"]
        assert (await client.get(f"{PATH}/{foreign}")).body == error("Ce solde n'existe pas.")
        async with stack.deps.transaction("system") as connection:
            await connection.execute(rights, role, own)
        assert await listed(stack, who, march) == []
        assert await listed(stack, who, f"{march}&module=actes") == []
        assert (await client.get(f"{PATH}/{number}")).body == error("Accès refusé")


async def test_its_files_are_given_as_they_are_kept(stack: Stack) -> None:
    own = AuthorityId(stack.authorities["A"])
    unsigned, signed = await keep(stack, own, 3), await keep(stack, own, 4, b"\x30signature")
    client = stack.client("adm")
    answer = await client.get(f"{PATH}/{signed}?file=document")
    whole = told(await client.get(f"{PATH}/{signed}"))
    assert json.loads(answer.body) == whole["document"]
    assert hashlib.sha256(answer.body).hexdigest() == whole["sha256"]
    assert answer.headers["content-disposition"] == f'attachment; filename="solde-20260304-{signed}.json"'
    signature = await client.get(f"{PATH}/{signed}?file=signature")
    assert (signature.body, signature.headers["content-type"]) == (b"\x30signature", "application/pkcs7-signature")
    assert (await client.get(f"{PATH}/{signed}?file=certificate")).body == b"certificat"
    refusal = (await client.get(f"{PATH}/{unsigned}?file=signature")).body
    assert refusal == error("Ce solde n'est pas encore signé.")
    assert (await client.get(f"{PATH}/{signed}?file=x")).body == error("file : document, signature, certificate.")
