"""The opening of a collectivité, in JSON, in S2LOW's detail and at the command line, on the accounts of the sandbox."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tdt.db.authorities import NewAuthority, insert_authority
from tdt.db.onboarding import list_openings
from tests.commands import open_terminal
from tests.wire.administration import error, make_certificate, rows, told
from tests.wire.stack import Stack

DETAIL = "/admin/authorities/admin_authority_detail.php"
NOT_FOUND = error("Aucune collectivité trouvée")


def path(authority: object) -> str:
    return f"/api/v1/authorities/{authority}/onboarding"


async def checklist(stack: Stack, account: str, authority: int) -> dict[str, Any]:
    answer = await stack.client(account).get(path(authority))
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = json.loads(answer.body)
    return found


def missing(found: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(item["code"], item["module"]) for item in found["items"] if item["state"] == "missing"]


async def test_what_the_sandbox_still_needs_then_nothing(stack: Stack, tmp_path: Path) -> None:
    own = stack.authorities["A"]
    found = await checklist(stack, "adm", own)
    assert (found["authority_id"], found["complete"]) == (own, False)
    assert missing(found) == [("CLASSIFICATION", "actes"), ("ESSAI", "actes"), ("ESSAI", "helios")]
    by_code = {(item["code"], item["module"]): item for item in found["items"]}
    assert by_code["ROUTE", "actes"]["detail"] == "« Préfecture du bac à sable », une route d'essai."
    assert by_code["CERTIFICAT", "actes"]["state"] == "done"
    assert by_code["CONVENTION", "helios"]["detail"] == "Convention HELIOS-A-2020 : en vigueur."
    assert by_code["ESSAI", "actes"] == {
        "code": "ESSAI",
        "module": "actes",
        "label": "Premier essai (ACTES)",
        "state": "missing",
        "detail": "Aucun envoi d'essai n'a encore reçu de réponse.",
        "remedy": "envoyer un essai au bac à sable ou à la plateforme d'essai de l'État",
        "who": "administrateur de la collectivité",
    }
    for account in ("gadm", "sadm"):
        assert await checklist(stack, account, own) == found
    detail = told(await stack.client("adm").get(f"{DETAIL}?id={own}&onboarding=1"))
    assert [item["code"] for item in detail.pop("onboarding")["items"]] == [item["code"] for item in found["items"]]
    assert detail == told(await stack.client("adm").get(f"{DETAIL}?id={own}"))

    async with stack.deps.transaction("system") as connection:
        content = await connection.fetchval(
            """insert into content (authority_id, size, sha256, place, data) values ($1, 1, '\\x00', 'row', '\\x20')
            returning id""",
            own,
        )
        await connection.execute(
            "insert into acte_classification (authority_id, date, content_id) values ($1, '2026-01-02', $2)",
            own,
            content,
        )
        envelope = await connection.fetchval(
            """insert into acte_envelope (authority_id, route_id, name, archive_name)
            select $1, id, 'n', 'a' from route where kind = 'actes' returning id""",
            own,
        )
        await connection.execute(
            "insert into acte_transaction (authority_id, envelope_id, type, number, status) values ($1, $2, 1, 'N', 4)",
            own,
            envelope,
        )
        await connection.execute(
            """insert into helios_transaction (authority_id, route_id, siren, filename, content_id, sha1, size, status,
                acquit_content_id)
            select $1, id, '123456782', 'f', $2, '\\x01', 1, 4, $2 from route where kind = 'helios'""",
            own,
            content,
        )
    found = await checklist(stack, "adm", own)
    assert (missing(found), found["complete"]) == ([], True)
    assert missing(await checklist(stack, "gadm", stack.authorities["B"]))[-1] == ("ESSAI", "helios")

    trust = "\n".join(
        f'{name} = "{getattr(stack.deps.config.server, name)}"'
        for name in ("transmit_authorities", "connect_authorities")
    )
    terminal = open_terminal(stack.database, tmp_path, f"[server]\n{trust}\n")
    listed = await asyncio.to_thread(terminal.rows, "admin", "onboarding")
    assert [(one["id"], one["missing"]) for one in listed] == [
        (stack.authorities["B"], ["CLASSIFICATION/actes", "ESSAI/actes", "ESSAI/helios"])
    ]
    everything = await asyncio.to_thread(terminal.rows, "admin", "onboarding", "--all")
    assert [one["complete"] for one in everything] == [True, False]
    one = await asyncio.to_thread(terminal.rows, "admin", "authorities", "onboarding", own)
    assert {item["state"] for item in one} == {"done", "warning", "not_applicable"}
    assert "à surveiller" in await asyncio.to_thread(terminal.run, "admin", "onboarding", own)


async def test_the_checklist_of_another_is_as_unknown_as_none(stack: Stack) -> None:
    async with stack.deps.transaction("system") as connection:
        foreign = await insert_authority(connection, NewAuthority("Ailleurs", "732829320", 31, "011", "1"))
    for account, wanted in (
        ("adm", stack.authorities["B"]),
        ("adm", foreign),
        ("adm", 999999),
        ("gadm", foreign),
        ("gadm", "x"),
        ("sadm", 999999),
    ):
        answer = await stack.client(account).get(path(wanted))
        assert answer.body == NOT_FOUND, (account, wanted)
    assert (await stack.client("agent").get(path(stack.authorities["A"]))).body == error("Accès refusé")
    assert await rows(stack, "select 1 from audit where tag like 'api:%'") == []


async def test_a_collectivite_that_is_suspended_says_so(stack: Stack) -> None:
    own = stack.authorities["B"]
    await rows(stack, "update authority set status = 0 where id = $1 returning id", own)
    detail = told(await stack.client("sadm").get(f"{DETAIL}?id={own}&onboarding=1"))
    first = detail["onboarding"]["items"][0]
    assert (first["code"], first["state"], first["who"]) == ("EN_SERVICE", "missing", "exploitant")


async def test_a_certificate_that_may_not_transmit_is_told_with_the_reason(stack: Stack) -> None:
    own = stack.authorities["B"]
    pem = make_certificate("Sans autorité").decode()
    await rows(stack, "update account set certificate = $2 where authority_id = $1 returning id", own, pem)
    item = {(one["code"], one["module"]): one for one in (await checklist(stack, "sadm", own))["items"]}
    told_of = item["CERTIFICAT", "helios"]
    assert told_of["state"] == "missing"
    assert "ne mène à aucune des autorités acceptées" in told_of["detail"]


async def test_many_collectivites_cost_no_more_statements_than_one(stack: Stack) -> None:
    async def statements(more: int) -> tuple[int, int]:
        async with stack.deps.transaction("system") as connection:
            for number in range(more):
                await insert_authority(connection, NewAuthority(f"C{number}", str(300000000 + number), 31, "011", "1"))
        sent: list[str] = []
        async with stack.deps.transaction("system") as connection:
            with connection.query_logger(lambda query: sent.append(query.query)):  # type: ignore[attr-defined]
                found = await list_openings(connection)
        return len(found), len(sent)

    assert await statements(0) == (2, 7)
    assert await statements(1000) == (1002, 7)
