"""What an account wishes to be told by e-mail, over HTTP and at the command line."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tdt.domain.ids import AccountId
from tests.commands import open_terminal
from tests.wire.administration import audited, error, id_of, rows
from tests.wire.client import Answer
from tests.wire.stack import Stack
from tests.wire.test_closing import close

PATH = "/api/v1/me/notifications"
DEFAULT = {"error": "immediate", "acknowledged": "immediate", "letter": "immediate"}


def read(answer: Answer) -> dict[str, Any]:
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def email_of(stack: Stack, account: str) -> str:
    email: str = read(await stack.client(account).get(PATH))["email"]
    return email


async def test_told_at_once_until_it_says_otherwise(stack: Stack) -> None:
    client = stack.client()
    found = read(await client.get(PATH))
    assert found["preferences"] == DEFAULT
    assert (found["enabled"], found["digest_hour"], found["refused"]) == (False, 7, None)
    changed = read(await client.post(PATH, [("error", "digest"), ("letter", "none"), ("acknowledged", "")]))
    assert changed["preferences"] == {"error": "digest", "acknowledged": "immediate", "letter": "none"}
    assert read(await client.get(PATH)) == changed
    assert read(await client.get(f"{PATH}?error=none&retry=1")) == changed, "a GET changes nothing"
    row = await audited(stack, "api:account:notify")
    assert row["object_id"] == row["account_id"] == await id_of(stack, found["email"])
    assert row["data"] == {
        "before": {"error": "immediate", "letter": "immediate"},
        "after": {"error": "digest", "letter": "none"},
    }
    await client.post(PATH, [("error", "immediate"), ("letter", "immediate")])
    assert await rows(stack, "select 1 from account_notification") == []


@pytest.mark.parametrize("value", ["refused", "IMMEDIATE", "x<y>"])
async def test_what_is_no_wish_is_refused_and_changes_nothing(stack: Stack, value: str) -> None:
    answer = await stack.client().post(PATH, [("error", "digest"), ("letter", value)])
    assert answer.body == error(f"Préférence « letter » : « {value} » n'est pas immediate, digest ou none.")
    assert await rows(stack, "select 1 from account_notification") == []


async def test_an_account_only_has_its_own(stack: Stack) -> None:
    await stack.client("adm").post(PATH, [("error", "none")])
    assert read(await stack.client().get(PATH))["preferences"] == DEFAULT
    [row] = await rows(stack, "select account_id from account_notification")
    assert row["account_id"] == await id_of(stack, await email_of(stack, "adm"))


async def test_an_account_of_no_collectivite_is_told_of_none(stack: Stack) -> None:
    number = await id_of(stack, await email_of(stack, "sadm"))
    await rows(stack, "update account set authority_id = null where id = $1 returning 1", number)
    assert read(await stack.client("sadm").get(PATH))["preferences"] == DEFAULT
    answer = await stack.client("sadm").post(PATH, [("error", "none")])
    assert answer.body == error("Ce compte n'appartient à aucune collectivité : aucun acte ne lui est annoncé.")


async def test_a_closed_collectivite_reads_its_wishes_and_changes_none(stack: Stack) -> None:
    await close(stack)
    assert read(await stack.client().get(PATH))["preferences"] == DEFAULT
    answer = await stack.client().post(PATH, [("error", "none")])
    assert "La collectivité est fermée" in json.loads(answer.body)["error-message"]
    assert await rows(stack, "select 1 from account_notification") == []


async def refuse(stack: Stack, address: str) -> None:
    await rows(
        stack,
        "insert into mail_refusal (authority_id, recipient, reply) values ($1, $2, '550 no') returning 1",
        stack.authorities["A"],
        address,
    )


async def test_an_address_that_was_refused_is_told_and_tried_again(stack: Stack) -> None:
    await refuse(stack, await email_of(stack, "certonly"))
    assert read(await stack.client().get(PATH))["refused"]["reply"] == "550 no"
    assert read(await stack.client().post(PATH, [("retry", "1")]))["refused"] is None
    assert (await audited(stack, "api:account:notify"))["data"] == {
        "before": {"refused": "550 no"},
        "after": {"refused": None},
    }


async def test_the_operator_sets_wishes_and_lifts_refusals(stack: Stack, tmp_path: Path) -> None:
    terminal = open_terminal(stack.database, tmp_path)
    email = await email_of(stack, "certonly")
    account = AccountId(await id_of(stack, email))
    await refuse(stack, "liste@a.example")
    await refuse(stack, email)

    def run(*words: object) -> Any:
        return terminal.rows("admin", "users", *words)

    shown = await asyncio.to_thread(run, "notify", account)
    assert shown == {"account": account, "email": email, **DEFAULT, "refused": "550 no"}
    shown = await asyncio.to_thread(run, "notify", account, "--all", "digest", "--letter", "immediate", "--retry")
    assert shown == shown | {"error": "digest", "acknowledged": "digest", "letter": "immediate", "refused": None}
    assert (await audited(stack, "cli:account:notify"))["object_id"] == account
    own = stack.authorities["A"]
    [refused] = await asyncio.to_thread(run, "refused-addresses")
    assert (refused["authority_id"], refused["address"], refused["reply"]) == (own, "liste@a.example", "550 no")
    assert await asyncio.to_thread(run, "refused-addresses", "--retry", own, "Liste@A.example") == []
    assert (await audited(stack, "cli:authority:mail-retry"))["object_id"] == own
    words = ("admin", "users", "refused-addresses", "--retry", own, "autre@a.example")
    assert "n'est pas mise à l'écart" in await asyncio.to_thread(lambda: terminal.run(*words, code=1))
    unknown = await asyncio.to_thread(lambda: terminal.run("admin", "users", "notify", 999999, code=1))
    assert "REFUS : Ce compte n'existe pas." in unknown
