"""Administration of collectivités and their SIRETs over the wire: each endpoint, each refusal, exact bytes."""

import csv
import io
import json
from datetime import date
from urllib.parse import quote

import pytest

from tdt.db.authorities import NewAuthority, insert_authority
from tdt.domain.ids import AuthorityId
from tests.wire.administration import audited, error, rows, told
from tests.wire.client import File, Parts
from tests.wire.stack import Stack

PREFIX = "/admin/authorities/"
HANDLER = PREFIX + "admin_authority_edit_handler.php"
DETAIL = PREFIX + "admin_authority_detail.php"
LIST = PREFIX + "admin_authorities.php"
TYPES = PREFIX + "admin_authority_types.php"
EXPORT = PREFIX + "admin_authorities_export.php"
CONVENTION = PREFIX + "admin_authority_download_convention.php"
SIRET, ADD, DEL = (PREFIX + f"admin_authority_siret{end}.php" for end in ("", "_add", "_del"))
BLOCK, UNBLOCK = (PREFIX + f"admin_authority_siret_{end}.php" for end in ("block", "unblock"))

PDF = b"%PDF-1.4\n%convention\n"
SAVING = "Erreur lors de l'enregistrement de la collectivité&nbsp;:<br />\n"
UNKNOWN = "Erreur lors de la modification de la collectivité"
REFUSED = error("Accès refusé")
NEW_SIREN, OTHER_SIREN = "552100554", "732829320"


def fields(**changes: str | bytes | File | None) -> Parts:
    """A form that creates a collectivité; None leaves a field out."""
    values: dict[str, str | bytes | File | None] = {
        "api": "1",
        "name": "Commune d'Été-sur-Mer",
        "siren": NEW_SIREN,
        "status": "1",
        "authority_type_id": "31",
        "department": "034",
        "district": "3",
        "address": "1 rue",
        "postal_code": "34000",
        "city": "Été-sur-Mer",
        "helios_ftp_dest": "  VHPCE31 ",
        "perm_1": "1",
        "perm_2": "on",
        "perm_4": "0",
        "email": "mairie@ete.example",
        "broadcast_email": "a@ete.example, b@ete.example",
        **changes,
    }
    return [(name, value) for name, value in values.items() if value is not None]


async def refusal(stack: Stack, account: str, **changes: str | bytes | File | None) -> bytes:
    answer = await stack.client(account).post(HANDLER, fields(**changes))
    assert answer.status == 200
    return answer.body


@pytest.fixture
async def foreign(stack: Stack) -> AuthorityId:
    """A collectivité of no group."""
    async with stack.deps.transaction("system") as connection:
        return await insert_authority(connection, NewAuthority("Commune d'ailleurs", OTHER_SIREN, 31, "011", "1"))


async def group_of(stack: Stack) -> int:
    found: int = (await rows(stack, "select id from authority_group"))[0]["id"]
    return found


async def test_a_collectivite_is_created_modified_and_leaves_its_trace(stack: Stack) -> None:
    group = await group_of(stack)
    answer = await stack.client("sadm").post(
        HANDLER, fields(authority_group_id=str(group), convention_actes=File("c.pdf", PDF))
    )
    (stored,) = await rows(stack, "select * from authority where siren = $1", NEW_SIREN)
    authority = stored["id"]
    assert answer.body == (
        b'{"status":"ok","message":"Cr\\u00e9ation de la collectivit\\u00e9 '
        b"Commune d'\\u00c9t\\u00e9-sur-Mer (id=%d). "
        b'R\\u00e9sultat ok.","id":%d}' % (authority, authority)
    )
    assert (stored["p_dest"], stored["modules"], stored["nature"]) == ("VHPCE31", ["actes", "helios"], 31)
    membership = await rows(
        stack, "select group_id, valid_to from authority_membership where authority_id = $1", authority
    )
    assert membership == [{"group_id": group, "valid_to": None}]
    trace = await audited(stack, "api:authority:create")
    assert (trace["authority_id"], trace["data"]["before"]["name"]) == (authority, None)
    assert trace["data"]["after"]["modules"] == ["actes", "helios"]

    got = await stack.client("gadm").get(f"{CONVENTION}?authority_id={authority}")
    assert (got.status, got.body, got.headers["content-type"]) == (200, PDF, "application/pdf")

    # a full replacement: what the form leaves out is emptied, the convention stays
    changes = {"email": None, "broadcast_email": None, "helios_ftp_dest": None, "perm_2": None, "city": "Ailleurs"}
    answer = await stack.client("gadm").post(HANDLER, fields(id=str(authority), **changes))
    assert (
        told(answer)["message"]
        == f"Modification de la collectivité Commune d'Été-sur-Mer (id={authority}). Résultat ok."
    )
    (stored,) = await rows(stack, "select * from authority where id = $1", authority)
    assert [stored[name] for name in ("email", "broadcast_email", "p_dest", "modules", "city")] == [
        "",
        "",
        "",
        ["actes"],
        "Ailleurs",
    ]
    assert stored["agreement_content_id"] is not None
    trace = await audited(stack, "api:authority:modify")
    assert trace["data"]["before"]["modules"] == ["actes", "helios"]
    assert trace["data"]["after"] == {
        "email": "",
        "broadcast_email": "",
        "p_dest": "",
        "modules": ["actes"],
        "city": "Ailleurs",
    }

    # a SADM takes it out of its group: history stays
    assert told(await stack.client("sadm").post(HANDLER, fields(id=str(authority))))["status"] == "ok"
    assert await rows(stack, "select 1 from authority_membership where authority_id = $1", authority) == []
    answer = await stack.client("gadm").post(HANDLER, fields(id=str(authority)))
    assert answer.body == error(UNKNOWN)
    answer = await stack.client("sadm").post(HANDLER, fields(api=None, id=str(authority)))
    assert (answer.status, answer.headers["location"]) == (
        302,
        "https://tdt.example/admin/authorities/admin_authorities.php",
    )


async def test_an_adm_sets_the_ways_to_reach_its_collectivite_and_nothing_else(stack: Stack) -> None:
    own = stack.authorities["A"]
    answer = await stack.client("adm").post(
        HANDLER, fields(id=str(own), descr_mail_securise="Mairie", perm_2=None, nomfic="t", status="0", agreement="X")
    )
    assert told(answer)["status"] == "ok"
    (stored,) = await rows(stack, "select * from authority where id = $1", own)
    assert (stored["email"], stored["city"], stored["descr_mail_securise"]) == (
        "mairie@ete.example",
        "Été-sur-Mer",
        "Mairie",
    )
    assert (stored["siren"], stored["name"], stored["status"]) == ("123456782", "Commune de Sablières-la-Vieille", 1)
    assert (stored["modules"], stored["p_dest"], stored["agreement"]) == (["actes", "helios", "mail"], "VHPCE31", "")
    membership = await rows(stack, "select valid_to from authority_membership where authority_id = $1", own)
    assert membership == [{"valid_to": None}]


async def test_the_waiver_of_nomfic_is_for_super_administrators(stack: Stack) -> None:
    own, group = stack.authorities["A"], str(await group_of(stack))
    waiver = "select nomfic_uniqueness_waived as waived from authority where id = $1"
    form = {"id": str(own), "siren": "123456782", "authority_group_id": group}
    for account, posted, expected in (
        ("gadm", "t", False),
        ("sadm", "t", True),
        ("gadm", None, True),
        ("sadm", None, False),
    ):
        answer = await stack.client(account).post(HANDLER, fields(**form, helios_do_not_verify_nom_fic_unicity=posted))
        assert told(answer)["status"] == "ok"
        assert (await rows(stack, waiver, own))[0]["waived"] is expected, account


async def test_the_refusals_of_the_form(stack: Stack, foreign: AuthorityId) -> None:
    own, group = str(stack.authorities["A"]), await group_of(stack)
    cases: list[tuple[str, dict[str, str | bytes | File | None], str]] = [
        ("agent", {}, "Accès refusé"),
        ("adm", {}, "Accès refusé"),
        ("adm", {"id": str(foreign)}, UNKNOWN),
        ("adm", {"id": "999999"}, UNKNOWN),
        ("gadm", {"id": str(foreign)}, UNKNOWN),
        ("sadm", {"id": "999999"}, UNKNOWN),
        ("sadm", {"id": "12a"}, "id n'est pas un entier"),
        ("sadm", {"authority_group_id": "x"}, "authority_group_id n'est pas un entier"),
        ("sadm", {"authority_type_id": "x"}, "authority_type_id n'est pas un entier"),
        ("adm", {"id": own, "district": "9"}, "Le code département ou le code arrondissement sont incorrects"),
        ("sadm", {"department": "34"}, "Le code département ou le code arrondissement sont incorrects"),
        ("sadm", {"district": None}, "Le code département ou le code arrondissement sont incorrects"),
        ("gadm", {}, f"Ce numéro de SIREN ({NEW_SIREN}) n'est pas autorisé pour le groupe Groupe du bac à sable"),
        ("sadm", {"authority_group_id": "999999"}, SAVING + "Erreur lors de la sauvegarde de la collectivité."),
        ("sadm", {"broadcast_email": "a@b.example,nul"}, "L'email nul n'est pas valide."),
        ("sadm", {"default_broadcast_email": "nul"}, "L'email nul n'est pas valide."),
        ("sadm", {"siren": "123456782"}, SAVING + "Numéro de SIREN doit être unique.<br />\n"),
        (
            "sadm",
            {"siren": "123456789"},
            SAVING + "Numéro de SIREN doit être un SIREN : neuf chiffres dont le dernier contrôle les autres.<br />\n",
        ),
        ("sadm", {"status": "5"}, SAVING + "État doit être 0 ou 1.<br />\n"),
        (
            "sadm",
            {"name": "", "email": "nul", "status": None, "telephone": "1" * 26, "authority_type_id": None},
            SAVING + "Nom doit être présent.<br />\n"
            "Adresse électronique doit être une adresse électronique valide.<br />\n"
            "État doit être présent.<br />\nType de collectivité doit être présent.<br />\n"
            "Le champ Téléphone est trop long (25 caractères maxi autorisés).<br />\n",
        ),
        (
            "sadm",
            {"convention_actes": File("c.pdf", b"PK\x03\x04")},
            "Erreur lors de la sauvegarde de la convention (PDF attendu)",
        ),
        (
            "sadm",
            {"convention_actes": File("c.pdf", b"")},
            "Erreur lors de la sauvegarde de la convention (PDF attendu)",
        ),
        (
            "sadm",
            {"convention_actes": File("c.pdf", PDF + bytes(2_000_001))},
            "Erreur lors de la sauvegarde de la convention (PDF attendu)",
        ),
    ]
    for kind in ("1", "0", "-31", "+" + "9" * 30, "9" * 5000):
        unlisted = SAVING + "Type de collectivité doit être un type connu.<br />\n"
        cases.append(("sadm", {"authority_type_id": kind}, unlisted))
    before = await rows(stack, "select * from authority order by id")
    for account, changes, message in cases:
        assert await refusal(stack, account, **changes) == error(message), (account, changes)
    assert await rows(stack, "select * from authority order by id") == before
    assert await rows(stack, "select 1 from audit where tag like '%authority%'") == []
    assert stack.spooled() == []
    # allowed to the group, the SIREN is refused no more; the group is the administrator's own whatever is asked
    allowed = f"{PREFIX}admin_authorities_add_siren.php?authority_group_id={group}&siren={NEW_SIREN}"
    assert told(await stack.client("gadm").get(allowed))["message"] == "ajout reussi"
    answer = told(await stack.client("gadm").post(HANDLER, fields(authority_group_id="999999")))
    stays = await rows(stack, "select group_id from authority_membership where authority_id = $1", answer["id"])
    assert stays == [{"group_id": group}]


async def test_hostile_values_are_kept_as_text_or_refused(stack: Stack) -> None:
    answer = await stack.client("sadm").post(HANDLER, fields(name=b"Ville\0 <b>'\" \xe9"))
    authority = told(answer)["id"]
    got = told(await stack.client("sadm").get(f"{DETAIL}?id={authority}"))
    assert got["name"] == "Ville\ufffd <b>'\" é"
    assert b"trop long (255" in await refusal(stack, "sadm", siren=OTHER_SIREN, name="x" * 256)
    assert await refusal(stack, "sadm", siren=OTHER_SIREN, id="9" * 30) == error(UNKNOWN)


async def test_the_detail_of_a_collectivite(stack: Stack, foreign: AuthorityId) -> None:
    own = stack.authorities["A"]
    answer = await stack.client("adm").get(f"{DETAIL}?id={own}")
    plain_keys = (
        "id,name,siren,authority_type_id,status,email,default_broadcast_email,broadcast_email,address,postal_code,city,"
        "department,district,telephone,fax,email_mail_securise,pastell_url,pastell_login,pastell_password,pastell_id_e"
    )
    assert ",".join(told(answer)) == plain_keys
    got = told(await stack.client("gadm").get(f"{DETAIL}?id={own}"))
    assert ",".join(got) == plain_keys + ",authority_group_id,helios_ftp_dest,module"
    assert got["module"] == {"1": True, "2": True, "4": True}
    assert (got["siren"], got["authority_group_id"], got["pastell_password"]) == (
        "123456782",
        await group_of(stack),
        "",
    )
    refused = error("Accès refusé pour la consultation de cette collectivité")
    for account, wanted in (
        ("adm", stack.authorities["B"]),
        ("adm", 999999),
        ("gadm", foreign),
        ("sadm", 999999),
        ("sadm", ""),
    ):
        assert (await stack.client(account).get(f"{DETAIL}?id={wanted}")).body == refused, (account, wanted)
    assert (await stack.client("agent").get(f"{DETAIL}?id={own}")).body == REFUSED


async def test_the_list_of_collectivites_its_filters_and_pages(stack: Stack, foreign: AuthorityId) -> None:
    own, other = stack.authorities["A"], stack.authorities["B"]

    async def ids(account: str, query: str = "") -> list[int]:
        answer = await stack.client(account).get(f"{LIST}?api=1{query}")
        return [one["id"] for one in json.loads(answer.body)]

    answer = await stack.client("adm").get(f"{LIST}?api=1")
    assert (
        answer.body
        == json.dumps(
            [
                {
                    "id": own,
                    "name": "Commune de Sablières-la-Vieille",
                    "authority_group_id": await group_of(stack),
                    "siren": "123456782",
                    "address": "1 place de la Mairie",
                    "city": "Sablières-la-Vieille",
                    "postal_code": "34000",
                    "telephone": "0467000001",
                }
            ],
            separators=(",", ":"),
        ).encode()
    )
    cases: list[tuple[str, str, list[int]]] = [
        ("gadm", "", [own, other]),
        ("sadm", "", [foreign, own, other]),
        ("sadm", "&name=" + quote("AILLEURS"), [foreign]),
        ("sadm", "&siren=732+829", [foreign]),
        ("sadm", "&siret=12345678200010", [own]),
        ("gadm", "&siret=0001", [own, other]),
        ("sadm", f"&group={await group_of(stack)}", [own, other]),
        ("gadm", "&group=999999", [own, other]),
        ("adm", "&group=999999&name=valsonge", []),
        ("sadm", "&type=32", []),
        ("sadm", "&count=2", [foreign, own]),
        ("sadm", "&count=2&page=2", [other]),
        ("sadm", "&count=2&page=99", [other]),
        ("sadm", "&name=%25", []),
    ]
    for account, query, expected in cases:
        assert await ids(account, query) == expected, (account, query)
    answer = await stack.client("agent").get(f"{LIST}?api=1")
    assert (answer.status, answer.headers["location"], answer.body) == (302, "https://tdt.example", b"")


async def test_the_types_of_collectivites(stack: Stack) -> None:
    answer = await stack.client("gadm").get(TYPES)
    assert answer.body.startswith(
        b'{"11":"11 - Conseil r\\u00e9gional","12":"12 - \\u00c9tablissements publics locaux d\'enseigne...","14"'
    )
    assert list(told(answer))[-1] == "74"
    assert (await stack.client("adm").get(TYPES)).body == REFUSED


async def test_the_export_holds_what_the_caller_administers(stack: Stack, foreign: AuthorityId) -> None:
    answer = await stack.client("gadm").get(EXPORT)
    assert answer.headers["content-disposition"] == 'attachment; filename="collectivite.csv"'
    table = list(csv.reader(io.StringIO(answer.body.decode())))
    assert table[0][:3] == ["Nom", "Adresse email", "Numéro SIREN"]
    assert [row[2] for row in table[1:]] == ["123456782", "987654324"]
    assert table[1][-3:] == ["1", "Groupe du bac à sable", "Commune"]
    table = list(csv.reader(io.StringIO((await stack.client("sadm").get(EXPORT)).body.decode())))
    assert [row[2] for row in table[1:]] == [OTHER_SIREN, "123456782", "987654324"]
    answer = await stack.client("adm").get(EXPORT)
    assert (answer.status, answer.body) == (302, b"")


async def test_the_convention_of_another_is_as_absent_as_none(stack: Stack, foreign: AuthorityId) -> None:
    for account, wanted in (("adm", foreign), ("adm", stack.authorities["A"]), ("gadm", foreign), ("sadm", 999999)):
        answer = await stack.client(account).get(f"{CONVENTION}?authority_id={wanted}")
        assert (answer.status, answer.headers["location"], answer.body) == (302, "https://tdt.example", b"")


async def test_sirets_are_added_removed_blocked(stack: Stack, foreign: AuthorityId) -> None:
    own = stack.authorities["A"]
    sadm, adm = stack.client("sadm"), stack.client("adm")

    async def sirets() -> list[str]:
        found: list[str] = json.loads((await adm.get(f"{SIRET}?id={own}&api=1")).body)
        return found

    new = "12345678200028"
    assert await sirets() == ["12345678200010"]
    for _ in range(2):
        answer = await sadm.post(ADD, [("api", "1"), ("authority_id", str(own)), ("siret", "123 456 782 00028")])
        assert answer.body == b'{"status":"ok","message":"Num\\u00e9ro SIRET ajout\\u00e9"}'
    assert await sirets() == ["12345678200010", new]
    assert (await audited(stack, "api:siret:add"))["data"]["after"] == {"siret": new}
    (row,) = await rows(stack, "select id from authority_siret where siret = $1", new)
    number = [("api", "1"), ("authority_siret_id", str(row["id"]))]
    assert told(await sadm.post(BLOCK, [*number]))["message"] == "Le SIRET a été bloqué"
    assert await sirets() == ["12345678200010"]
    assert (await audited(stack, "api:siret:block"))["data"] == {"before": {new: "free"}, "after": {new: "blocked"}}
    assert told(await sadm.post(UNBLOCK, [*number]))["message"] == "Le SIRET a été débloqué"
    assert told(await sadm.post(DEL, [*number]))["message"] == "Numéro SIRET retiré"
    by_itself = [("api", "1"), ("authority_id", str(own)), ("siret", "12345678200010")]
    assert told(await sadm.post(DEL, [*by_itself]))["message"] == "Numéro SIRET retiré"
    assert await sirets() == []

    for account, path, parts, message in (
        ("adm", ADD, [("authority_id", str(own)), ("siret", new)], "Accès refusé"),
        ("gadm", DEL, [("authority_siret_id", "1")], "Accès refusé"),
        ("sadm", ADD, [("authority_id", "999999"), ("siret", new)], "Aucune collectivité trouvée"),
        ("sadm", ADD, [("authority_id", str(own)), ("siret", "12345678200029")], "Le numéro SIRET n'est pas valide"),
        ("sadm", ADD, [("authority_id", str(own))], "Le numéro SIRET n'est pas valide"),
        ("sadm", DEL, [("authority_siret_id", "999999")], "Aucun numéro SIRET trouvé"),
        ("sadm", BLOCK, [("authority_id", str(own)), ("siret", new)], "Aucun numéro SIRET trouvé"),
    ):
        posted: Parts = [("api", "1"), *parts]
        assert (await stack.client(account).post(path, posted)).body == error(message), (account, path, parts)
    for account, wanted in (("adm", foreign), ("adm", 999999), ("gadm", foreign), ("sadm", 999999)):
        answer = await stack.client(account).get(f"{SIRET}?id={wanted}&api=1")
        assert answer.body == error("Aucune collectivité trouvée"), (account, wanted)


async def test_a_move_planned_for_later_is_not_undone_by_an_edit_today(stack: Stack) -> None:
    own, group = stack.authorities["A"], await group_of(stack)
    await stack.deps.pool.execute("select 1")
    later = date(2099, 1, 1)
    async with stack.deps.transaction("system") as connection:
        await connection.execute("update authority_membership set valid_to = $2 where authority_id = $1", own, later)
    form = fields(id=str(own), siren="123456782", authority_group_id=str(group))
    assert told(await stack.client("sadm").post(HANDLER, form))["status"] == "ok"
    stays = await rows(stack, "select valid_to from authority_membership where authority_id = $1", own)
    assert stays == [{"valid_to": later}]
