"""Administration of groups and their SIREN over the wire: each endpoint, each refusal, exact bytes."""

import json

from tests.wire.administration import audited, error, rows, told
from tests.wire.client import File, Parts
from tests.wire.stack import Stack

LIST = "/admin/groups/admin_groups.php"
HANDLER = "/admin/groups/admin_group_edit_handler.php"
DELETE = "/admin/groups/admin_group_delete.php"
SIRENS = "/admin/authorities/admin_authorities_siren.php"
ADD_SIREN = "/admin/authorities/admin_authorities_add_siren.php"
REFUSED = error("Accès refusé")
BAD_FILE = "Le fichier SIREN n'a pas été analysé car il n'est pas au bon format"


async def first_group(stack: Stack) -> int:
    found: int = (await rows(stack, "select min(id) as id from authority_group"))[0]["id"]
    return found


async def test_groups_are_created_renamed_listed_and_removed(stack: Stack) -> None:
    sadm, first = stack.client("sadm"), await first_group(stack)
    sirens = File("s.txt", b"552100554\r\n732 829 320\nnul\n123456789\n")
    answer = await sadm.post(HANDLER, [("api", "1"), ("name", " L'Agglo é "), ("status", "1"), ("siren_file", sirens)])
    group = told(answer)["id"]
    assert told(answer) == {"status": "ok", "message": f"Le groupe « L_Agglo é » (id={group}) a été édité", "id": group}
    assert (await sadm.get(f"{SIRENS}?authority_group_id={group}")).body == b'["552100554","732829320"]'
    trace = await audited(stack, "api:group:allow_siren")
    assert (trace["object_id"], trace["data"]["after"]) == (group, {"sirens": ["552100554", "732829320"]})

    answer = await sadm.get(f"{LIST}?api=1")
    assert (
        answer.body
        == json.dumps(
            [
                {"id": first, "name": "Groupe du bac à sable", "status": 1},
                {"id": group, "name": "L_Agglo é", "status": 1},
            ],
            separators=(",", ":"),
        ).encode()
    )
    assert json.loads((await sadm.get(f"{LIST}?api=1&count=1&page=9")).body)[0]["id"] == group
    assert [one["id"] for one in json.loads((await sadm.get(f"{LIST}?api=1&name=AGGLO")).body)] == [group]

    answer = await sadm.post(HANDLER, [("api", "1"), ("id", str(group)), ("name", "Agglo"), ("status", "0")])
    assert told(answer)["message"] == f"Le groupe « Agglo » (id={group}) a été édité"
    assert (await audited(stack, "api:group:modify"))["data"]["after"] == {"name": "Agglo", "active": False}

    for parts, message in (
        ([("name", "Groupe du bac à sable"), ("status", "1")], "Le nom de ce groupe est déjà utilisé"),
        ([("id", str(group)), ("name", "Groupe du bac à sable")], "Le nom de ce groupe est déjà utilisé"),
        ([("name", " ")], "Le nom du groupe est obligatoire"),
        ([("name", "x" * 256)], "Le champ Nom est trop long (255 caractères maxi autorisés)."),
        ([("id", "999999"), ("name", "x")], "Aucun groupe trouvé"),
        ([("name", "x"), ("siren_file", File("s.pdf", b"%PDF-1.4"))], BAD_FILE),
        ([("name", "x"), ("siren_file", File("s.txt", b"1" * 20_000_000))], BAD_FILE),
    ):
        posted: Parts = [("api", "1"), *parts]
        assert (await sadm.post(HANDLER, posted)).body == error(message), message
    assert len(await rows(stack, "select 1 from authority_group")) == 2

    # one form, one transaction: a name that is refused leaves no SIREN behind
    file = File("s.txt", b"443061841\n")
    taken: Parts = [("api", "1"), ("id", str(group)), ("name", "Groupe du bac à sable"), ("siren_file", file)]
    assert (await sadm.post(HANDLER, taken)).body == error("Le nom de ce groupe est déjà utilisé")
    assert (await sadm.get(f"{SIRENS}?authority_group_id={group}")).body == b'["552100554","732829320"]'
    form: Parts = [("api", "1"), ("id", str(group)), ("name", "Agglo"), ("status", "0"), ("siren_file", file)]
    assert told(await sadm.post(HANDLER, form))["status"] == "ok"
    sirens_now = await rows(stack, "select xmin::text from authority_group_siren where siren = '443061841'")
    assert sirens_now == await rows(stack, "select xmin::text from authority_group where id = $1", group)

    for number, message in (
        (str(first), "Le groupe n'est pas vide. Suppression impossible."),
        ("999999", "Aucun groupe trouvé"),
    ):
        assert (await sadm.post(DELETE, [("api", "1"), ("id", number)])).body == error(message)
    assert told(await sadm.post(DELETE, [("api", "1"), ("id", str(group))]))["message"] == "Le groupe a été supprimé"
    assert (await audited(stack, "api:group:delete"))["data"]["before"]["sirens"] == [
        "443061841",
        "552100554",
        "732829320",
    ]
    answer = await sadm.post(HANDLER, [("name", "Depuis un navigateur")])
    assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example/admin/groups/admin_groups.php")


async def test_groups_are_for_super_administrators(stack: Stack) -> None:
    for account in ("gadm", "adm", "agent", "arch"):
        client = stack.client(account)
        answer = await client.get(f"{LIST}?api=1")
        assert (answer.status, answer.body) == (302, b"")
        assert (await client.post(HANDLER, [("api", "1"), ("name", "x")])).body == REFUSED
        assert (await client.post(DELETE, [("api", "1"), ("id", "1")])).body == REFUSED


async def test_the_accounts_of_a_suspended_group_are_refused(stack: Stack) -> None:
    group, sadm = await first_group(stack), stack.client("sadm")
    form: Parts = [("api", "1"), ("id", str(group)), ("name", "Groupe")]
    assert told(await sadm.post(HANDLER, [*form, ("status", "0")]))["status"] == "ok"
    answer = await stack.client("adm").get(f"{ADD_SIREN}?siren=552100554")
    assert answer.body == error("Echec de l'authentification")
    assert (await stack.client("adm").get(f"{SIRENS}")).body == error("Échec de l'authentification")
    # its administrators too, though they are of no collectivité
    answer = await stack.client("gadm").get(f"{ADD_SIREN}?siren=552100554")
    assert answer.body == error("Echec de l'authentification")
    assert told(await sadm.post(HANDLER, [*form, ("status", "1")]))["status"] == "ok"
    assert told(await stack.client("gadm").get(f"{ADD_SIREN}?siren=552100554"))["status"] == "ok"
    assert (await stack.client("adm").get("/api/test-connexion.php")).body == b"OK"


async def test_the_siren_of_a_group(stack: Stack) -> None:
    group = await first_group(stack)
    other = told(await stack.client("sadm").post(HANDLER, [("api", "1"), ("name", "Autre"), ("status", "1")]))["id"]
    gadm, sadm = stack.client("gadm"), stack.client("sadm")
    answer = await gadm.get(f"{ADD_SIREN}?authority_group_id={group}&siren=552+100+554")
    assert answer.body == b'{"status":"ok","message":"ajout reussi"}'
    assert told(await gadm.get(f"{ADD_SIREN}?siren=732829320"))["status"] == "ok"
    assert told(await sadm.get(f"{ADD_SIREN}?authority_group_id={other}&siren=552100554"))["status"] == "ok"
    for client, query, message in (
        (gadm, f"authority_group_id={other}&siren=552100554", "identifiant groupe invalide"),
        (gadm, "authority_group_id=999999&siren=552100554", "identifiant groupe invalide"),
        (gadm, f"authority_group_id={other}&siren=1", "identifiant groupe invalide"),
        (sadm, "siren=552100554", "identifiant groupe invalide"),
        (sadm, f"authority_group_id={group}&siren=552100555", "siren non valide"),
        (sadm, f"authority_group_id={group}", "siren non valide"),
        (gadm, "siren=552100554", "siren deja present"),
        (stack.client("adm"), "siren=552100554", "Acces refuse"),
    ):
        assert (await client.get(f"{ADD_SIREN}?{query}")).body == error(message), query
    assert (await gadm.get(f"{SIRENS}?authority_group_id={other}")).body == b'["552100554","732829320"]'
    assert (await sadm.get(f"{SIRENS}?authority_group_id={other}")).body == b'["552100554"]'
    for query in ("", "?authority_group_id=999999"):
        assert (await sadm.get(SIRENS + query)).body == b"[]"
    assert (await stack.client("adm").get(SIRENS)).body == REFUSED
