"""Administration of services, and the list of modules: each endpoint, each refusal, exact bytes."""

import json

from tests.wire.administration import audited, error, id_of, rows, told
from tests.wire.client import Parts
from tests.wire.stack import Stack

ADD = "/admin/services/add-service-user.php"
LIST = "/admin/services/list-service.php"
JOIN = "/admin/users/add-user-to-service.php"
MODULES = "/admin/modules/admin_modules.php"
REFUSED = error("Accès refusé")


async def test_services_are_created_and_listed(stack: Stack) -> None:
    town, village = stack.authorities["A"], stack.authorities["B"]
    answer = await stack.client("adm").post(ADD, [("api", "1"), ("name", "Budget & co")])
    assert answer.body == b'{"status":"ok","message":"Le service a \\u00e9t\\u00e9 cr\\u00e9\\u00e9"}'
    (service,) = await rows(stack, "select id, authority_id, parent_id from service where name = 'Budget & co'")
    assert (service["authority_id"], service["parent_id"]) == (town, None)
    trace = await audited(stack, "api:service:create")
    assert (trace["object_id"], trace["data"]["after"]["name"]) == (service["id"], "Budget & co")

    refusals: list[tuple[str, Parts, str]] = [
        ("adm", [("name", "Budget & co")], "Ce service existe déjà !"),
        ("adm", [], "Le nom du service est obligatoire"),
        ("adm", [("name", "x" * 256)], "Le champ Nom du service est trop long (255 caractères maxi autorisés)."),
        ("adm", [("name", "x"), ("authority_id", str(village))], "Accès refusé"),
        ("adm", [("name", "x"), ("authority_id", "999999")], "Accès refusé"),
        ("gadm", [("name", "x"), ("authority_id", "999999")], "Accès refusé"),
        ("sadm", [("name", "x")], "authority_id est obligatoire"),
        ("agent", [("name", "x")], "Accès refusé"),
    ]
    for account, parts, message in refusals:
        answer = await stack.client(account).post(ADD, [("api", "1"), *parts])
        assert answer.body == error(message), (account, parts)
    for account in ("gadm", "sadm"):
        parts = [("api", "1"), ("authority_id", str(village)), ("name", f"Service de {account}")]
        assert told(await stack.client(account).post(ADD, parts))["status"] == "ok"
    answer = await stack.client("adm").post(ADD, [("name", "Depuis un navigateur")])
    assert (answer.status, answer.headers["location"]) == (
        302,
        "https://tdt.example/admin/services/admin_services.php",
    )

    found = await rows(stack, "select id, name from service where authority_id = $1 order by name", town)
    answer = await stack.client("adm").get(f"{LIST}?authority_id={town}")
    assert answer.body == json.dumps(
        [{"id": row["id"], "authority_id": town, "name": row["name"], "parent_id": None} for row in found],
        separators=(",", ":"),
    ).encode("ascii")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert len(json.loads((await stack.client("gadm").get(f"{LIST}?authority_id={village}")).body)) == 2
    assert (await stack.client("adm").get(LIST)).body == b"[]"
    for account, wanted in (("adm", village), ("adm", 999999), ("sadm", 999999), ("agent", town)):
        answer = await stack.client(account).get(f"{LIST}?api=1&authority_id={wanted}")
        assert answer.body == REFUSED, (account, wanted)
    answer = await stack.client("adm").get(f"{LIST}?authority_id={village}")
    assert (answer.status, answer.body) == (302, b"")


async def test_an_account_joins_a_service_of_its_collectivite(stack: Stack) -> None:
    town, village = stack.authorities["A"], stack.authorities["B"]
    for authority, name in ((town, "Ici"), (village, "Là")):
        parts: Parts = [("api", "1"), ("authority_id", str(authority)), ("name", name)]
        await stack.client("sadm").post(ADD, parts)
    here, there = [
        (await rows(stack, "select id from service where name = $1", name))[0]["id"] for name in ("Ici", "Là")
    ]
    mine, foreign = await id_of(stack, "arch@sablieres.example"), await id_of(stack, "other@valsonge.example")

    async def join(account: str, service: object, user: object) -> bytes:
        parts: Parts = [("api", "1"), ("id_service", str(service)), ("id_user", str(user))]
        return (await stack.client(account).post(JOIN, parts)).body

    ok = b'{"status":"ok","message":"L\'utilisateur a \\u00e9t\\u00e9 ajout\\u00e9 au service"}'
    assert await join("adm", here, mine) == ok
    assert await join("adm", here, mine) == ok  # it is there already
    assert (await audited(stack, "api:service:add_member"))["data"] == {
        "before": {"account_id": None},
        "after": {"account_id": mine},
    }
    assert await join("gadm", there, foreign) == ok
    unknown = 999999
    for account, service, user in (
        ("adm", there, mine),
        ("adm", here, foreign),
        ("adm", unknown, mine),
        ("adm", here, unknown),
        ("adm", "", ""),
        ("sadm", here, foreign),  # a colleague of another collectivité would see what is deposited here
        ("sadm", here, await id_of(stack, "gadm@sablieres.example")),
        ("agent", here, mine),
    ):
        assert await join(account, service, user) == REFUSED, (account, service, user)
    assert len(await rows(stack, "select 1 from service_member where service_id = any($1)", [here, there])) == 2


async def test_the_modules(stack: Stack) -> None:
    answer = await stack.client("gadm").get(f"{MODULES}?api=1")
    assert answer.body == (
        b'[{"id":1,"name":"actes","description":"Module Actes"},{"id":2,"name":"helios","description":"Module Helios"},'
        b'{"id":3,"name":"dia","description":"Module DIA"},{"id":4,"name":"mail","description":"Module Mail"}]'
    )
    assert answer.headers["content-type"] == "text/plain"
    assert (await stack.client("sadm").get(f"{MODULES}?api=1")).body == answer.body
    assert (await stack.client("adm").get(f"{MODULES}?api=1")).body == REFUSED
    assert (await stack.client("adm").get(MODULES)).status == 302
