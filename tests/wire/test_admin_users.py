"""Administration of accounts over the wire: each endpoint, each refusal, exact bytes."""

import base64
import json

from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.wire.administration import audited, error, hash_of, id_of, make_certificate, rows, told
from tests.wire.client import Client, File, Parts
from tests.wire.stack import Stack

HANDLER = "/admin/users/admin_user_edit_handler.php"
DETAIL = "/admin/users/admin_user_detail.php"
LIST = "/admin/users/admin_users.php"
ROLES = "/admin/users/admin_users_role.php"
DOWNLOAD = "/admin/users/admin_user_download_cert.php"
BULK = "/admin/users/do_modif_bulk_certif.php"
TEST = "/api/test-connexion.php"

SAVING = "Erreur lors de l'enregistrement de l'utilisateur :<br />\n"
TAKEN = (
    "Un utilisateur avec les mêmes données de certificat existe déjà. "
    "Vous pouvez mettre un login/mot de passe pour les différencier"
)
TWIN = "Un utilisateur avec les mêmes informations de connexion et d'identification existe dans la base S2low"
REFUSED = error("Accès refusé")


def fields(stack: Stack, **changes: str | bytes | File | None) -> Parts:
    """A form that creates an account of collectivité A; None leaves a field out."""
    values: dict[str, str | bytes | File | None] = {
        "api": "1",
        "authority_id": str(stack.authorities["A"]),
        "name": "Dupré",
        "givenname": "Zoé",
        "email": "zoe@sablieres.example",
        "telephone": "0102",
        "status": "1",
        "role": "USER",
        "perm_1": "RW",
        **changes,
    }
    return [(name, value) for name, value in values.items() if value is not None]


def pem(name: str, days: int = 30) -> File:
    return File("certificat.pem", make_certificate(name, days))


async def refusal(stack: Stack, account: str, **changes: str | bytes | File | None) -> bytes:
    """What the handler says of a form that it refuses."""
    answer = await stack.client(account).post(HANDLER, fields(stack, **changes))
    assert answer.status == 200
    return answer.body


async def test_an_account_is_created_connects_is_modified_and_leaves_its_trace(stack: Stack) -> None:
    certificate = stack.pki.client("no-account").cert.read_bytes()
    key = stack.pki.client("no-account").key.read_bytes()  # given by mistake: never kept
    answer = await stack.client("adm").post(
        HANDLER, fields(stack, certificate=File("c.pem", certificate + key), authority_id="999", perm_4="x")
    )
    account = await id_of(stack, "zoe@sablieres.example")
    assert answer.body == (
        b'{"status":"ok","message":"Cr\\u00e9ation de l\'utilisateur Zo\\u00e9 Dupr\\u00e9 (id=%d). '
        b'R\\u00e9sultat ok.","id":%d}' % (account, account)
    )
    assert answer.headers["content-type"] == "text/plain"
    client = stack.client("no-account")
    assert (await client.get(TEST)).body == b"OK"
    (stored,) = await rows(stack, "select * from account where id = $1", account)
    parsed = x509.load_pem_x509_certificate(certificate)
    assert stored["certificate"] == parsed.public_bytes(Encoding.PEM).decode()
    assert (stored["certificate_hash"], stored["certificate_not_before"]) == (
        hash_of(certificate),
        parsed.not_valid_before_utc,
    )
    assert stored["certificate_serial"] == f"{parsed.serial_number:X}"
    assert (stored["authority_id"], stored["login"], stored["password_hash"]) == (stack.authorities["A"], None, None)
    trace = await audited(stack, "api:account:create")
    assert (trace["authority_id"], trace["object_id"]) == (stack.authorities["A"], account)
    assert trace["account_id"] == await id_of(stack, "adm@sablieres.example")
    assert trace["data"]["after"]["permissions"] == {"actes": "RW", "helios": "NONE", "mail": "NONE"}
    assert "BEGIN" not in json.dumps(trace["data"])

    # a modification gives everything: what it leaves out becomes empty, but the password and the certificate
    answer = await stack.client("adm").post(
        HANDLER,
        fields(stack, id=str(account), telephone=None, perm_1=None, perm_2="CS", login="zoé", password="sésame"),
    )
    assert told(answer) == {
        "status": "ok",
        "message": f"Modification de l'utilisateur Zoé Dupré (id={account}). Résultat ok.",
        "id": account,
    }
    (stored,) = await rows(stack, "select * from account where id = $1", account)
    assert PasswordHasher().verify(stored["password_hash"], "sésame")
    assert stored["password_hash"].startswith("$argon2id$")
    trace = await audited(stack, "api:account:modify")
    assert trace["data"] == {
        "before": {
            "telephone": "0102",
            "login": None,
            "permissions": {"actes": "RW", "helios": "NONE", "mail": "NONE"},
            "password": "",
        },
        "after": {
            "telephone": "",
            "login": "zoé",
            "permissions": {"actes": "NONE", "helios": "CS", "mail": "NONE"},
            "password": "changed",
        },
    }
    assert (await Client(stack.port, stack.pki, "no-account", "zoé", "sésame").get(TEST)).body == b"OK"

    # the login alone goes, then both; a second certificate comes with method 3 and goes with another
    for changes, expected in (
        ({"auth_method": "2"}, (None, True, "")),
        ({"auth_method": "1", "login": "x", "password": "y"}, (None, False, "")),
        ({"auth_method": "3", "certificate_rgs_2_etoiles": File("2.pem", certificate)}, (None, False, "BEGIN")),
        ({"auth_method": "3"}, (None, False, "BEGIN")),
        ({"auth_method": "2", "status": "0"}, (None, False, "")),
    ):
        answer = await stack.client("adm").post(HANDLER, fields(stack, id=str(account), **changes))
        assert told(answer)["status"] == "ok"
        (stored,) = await rows(stack, "select * from account where id = $1", account)
        assert (stored["login"], stored["password_hash"] is not None) == expected[:2]
        assert expected[2] in stored["certificate_rgs_2_etoiles"]
        assert bool(expected[2]) == bool(stored["certificate_rgs_2_etoiles"])
    assert stored["status"] == 0
    assert (await client.get("/modules/actes/api/actes_status.php?api=1")).body == error("Échec de l'authentification")


async def test_the_refusals_of_the_form(stack: Stack) -> None:
    own = str(await id_of(stack, "agent@sablieres.example"))
    new = pem("Nouveau")
    cases: list[tuple[dict[str, str | bytes | File | None], str]] = [
        ({"id": "12a"}, "Le paramètre id doit être un entier"),
        ({"id": "-1"}, "Le paramètre id doit être un entier"),
        ({"id": "999999"}, "Erreur lors de la modification de l'utilisateur"),
        ({"id": own, "authority_id": None}, "authority_id est obligatoire"),
        ({"authority_id": None}, "authority_id est obligatoire"),
        ({"role": "GADM"}, "Vous devez indiquer un groupe pour créer un administrateur de groupe"),
        ({"new_id": "999999"}, "Erreur lors du clonage de l'utilisateur"),
        ({"new_id": own}, "Le login et le mot de passe sont obligatoire pour cloner un certificat"),
        ({"new_id": own, "login": "x"}, "Le login et le mot de passe sont obligatoire pour cloner un certificat"),
        ({}, "Le certificat utilisateur est obligatoire"),
        ({"certificate": File("vide.pem", b"")}, "Le certificat utilisateur est obligatoire"),
        ({"certificate": File("c.pem", b"-----BEGIN CERTIFICATE-----\nx")}, "Impossible de lire le certificat"),
        ({"certificate": File("c.der", b"0\x82" * 9)}, "Impossible de lire le certificat"),
        ({"certificate": File("c.pem", b"x" * 70_000)}, "Impossible de lire le certificat"),
        ({"certificate": new, "certificate_rgs_2_etoiles": File("c", b"x")}, "Impossible de lire le certificat"),
        ({"certificate": new, "role": "ARCH"}, "Accès refusé"),
        (
            {"certificate": new, "email": "zoe", "name": "", "givenname": None, "telephone": "1" * 26},
            f"{SAVING}Adresse électronique doit être une adresse électronique valide.<br />\n"
            "Nom doit être présent.<br />\nPrénom doit être présent.<br />\n"
            "Le champ Téléphone est trop long (25 caractères maxi autorisés).<br />\n",
        ),
    ]
    for changes, message in cases:
        assert await refusal(stack, "adm", **changes) == error(message), changes
    assert await rows(stack, "select 1 from account where email = 'zoe@sablieres.example'") == []
    assert await rows(stack, "select 1 from audit where tag like 'api:account:%'") == []
    # a browser is sent to its page; the same passwords are asked of it alone
    from_a_browser: list[dict[str, str | bytes | File | None]] = [{"password": "a", "password2": "b"}, {}]
    for changes in from_a_browser:
        answer = await stack.client("adm").post(HANDLER, fields(stack, api=None, certificate=new, **changes))
        assert (answer.status, answer.body) == (302, b"")
        assert answer.headers["location"] == "https://tdt.example/admin/users/admin_users.php"
    assert len(await rows(stack, "select 1 from account where email = 'zoe@sablieres.example'")) == 1


async def test_two_accounts_are_never_one(stack: Stack) -> None:
    """The certificate of another collectivité's account counts too, though the administrator cannot see it."""
    other = File("c.pem", stack.pki.client("other").cert.read_bytes())
    assert await refusal(stack, "adm", certificate=other) == error(TWIN)
    assert await refusal(stack, "adm", certificate=other, login="x") == error(SAVING + TAKEN)
    shared = File("c.pem", stack.pki.client("system").cert.read_bytes())
    assert await refusal(stack, "adm", certificate=shared) == error(TWIN)
    assert await refusal(stack, "adm", certificate=shared, login="system") == error(TWIN)
    system = str(await id_of(stack, "system@sablieres.example"))
    assert await refusal(stack, "adm", id=system) == error(TWIN)  # its login would go
    only = str(await id_of(stack, "certonly@sablieres.example"))
    assert await refusal(stack, "adm", new_id=only, login="x", password="y") == error(SAVING + TAKEN)
    answer = await stack.client("adm").post(HANDLER, fields(stack, new_id=system, login="x", password="y"))
    assert told(answer)["status"] == "ok"
    assert (await Client(stack.port, stack.pki, "system", "x", "y").get(TEST)).body == b"OK"


async def test_each_administrator_within_its_limits(stack: Stack) -> None:
    town, village = str(stack.authorities["A"]), str(stack.authorities["B"])
    group = str((await rows(stack, "select id from authority_group"))[0]["id"])
    for account in ("agent", "arch", "certonly"):
        assert await refusal(stack, account) == REFUSED
    # an ADM: its own collectivité, whatever it asks for; SADM and GADM become ADM
    created = await stack.client("adm").post(
        HANDLER, fields(stack, certificate=pem("a"), authority_id=village, role="SADM", perm_1="GRANT")
    )
    account = told(created)["id"]
    (row,) = await rows(
        stack,
        "select role, u.authority_id, group_id, permission from account u join account_permission on account_id = u.id "
        "where u.id = $1 and module = 'actes'",
        account,
    )
    assert tuple(row.values()) == ("ADM", int(town), None, "NONE")
    # another collectivité's account is as unknown as none; one above is refused
    foreign = str(await id_of(stack, "other@valsonge.example"))
    assert await refusal(stack, "adm", id=foreign) == error("Erreur lors de la modification de l'utilisateur")
    assert await refusal(stack, "adm", new_id=foreign, login="x", password="y") == error(
        "Erreur lors du clonage de l'utilisateur"
    )
    # a GADM: the collectivités of its group
    assert await refusal(stack, "gadm", certificate=pem("b"), authority_id="999") == error(
        "La collectivité n'appartient pas au groupe courant"
    )
    answer = await stack.client("gadm").post(
        HANDLER, fields(stack, certificate=pem("b"), authority_id=village, role="GADM", authority_group_id=group)
    )
    second = told(answer)["id"]
    assert (await rows(stack, "select role, group_id, authority_id from account where id = $1", second)) == [
        {"role": "ADM", "group_id": None, "authority_id": int(village)}
    ]
    # a SADM: everything
    assert await refusal(stack, "sadm", certificate=pem("c"), authority_id="999") == error(
        f"{SAVING}Erreur lors de la sauvegarde de l'utilisateur."
    )
    assert await refusal(stack, "sadm", certificate=pem("c"), role="GADM", authority_group_id="999") == error(
        f"{SAVING}Erreur lors de la sauvegarde de l'utilisateur."
    )
    assert await refusal(stack, "sadm", certificate=pem("c"), authority_group_id="x") == error(
        f"{SAVING}Groupe doit être un entier.<br />\n"
    )
    above = []
    for role in ("SADM", "GADM", "ARCH"):
        answer = await stack.client("sadm").post(
            HANDLER, fields(stack, certificate=pem(role), role=role, authority_group_id=group, perm_1="GRANT")
        )
        above.append(str(told(answer)["id"]))
    denied = error("Accès refusé pour la modification de cet utilisateur")
    assert [await refusal(stack, "adm", id=one) for one in above[:2]] == [denied, denied]
    assert await refusal(stack, "gadm", id=above[0]) == denied
    for who, one, role in (("adm", above[2], "ARCH"), ("gadm", above[1], "GADM")):
        # what it is already, it stays
        answer = await stack.client(who).post(
            HANDLER, fields(stack, id=one, role=role, authority_group_id=group, telephone="7")
        )
        assert told(answer)["status"] == "ok", who
        assert (await rows(stack, "select role, telephone from account where id = $1", int(one))) == [
            {"role": role, "telephone": "7"}
        ]


async def test_the_detail_of_an_account(stack: Stack) -> None:
    system, second = await id_of(stack, "system@sablieres.example"), await id_of(stack, "system-2@sablieres.example")
    answer = await stack.client("adm").get(f"{DETAIL}?id={system}")
    certificate = (await rows(stack, "select certificate from account where id = $1", system))[0]["certificate"]
    expected = {
        "name": "métier",
        "givenname": "Logiciel",
        "login": "system",
        "email": "system@sablieres.example",
        "telephone": "0467000000",
        "status": 1,
        "authority_id": stack.authorities["A"],
        "authority_group_id": "",
        "role": "USER",
        "certificate": certificate,
        "module": {"1": "RW", "2": "RW", "4": "RW"},
        "other_id": [second, system],
    }
    assert told(answer) == expected
    assert answer.body == json.dumps(expected, separators=(",", ":")).replace("/", "\\/").encode()
    no_access = error("Impossible de d'accéder à cet utilisateur. Accés refusé.")
    foreign = await id_of(stack, "other@valsonge.example")
    for who, wanted in (("adm", str(foreign)), ("adm", "999999"), ("adm", ""), ("adm", "x"), ("sadm", "999999")):
        assert (await stack.client(who).get(f"{DETAIL}?id={wanted}")).body == no_access
    assert told(await stack.client("gadm").get(f"{DETAIL}?id={foreign}"))["name"] == "de Valsonge"
    assert (await stack.client("agent").get(f"{DETAIL}?id={system}")).body == error("Accés refusé")
    # an account of no collectivité has no permissions; the module that a collectivité has not is shown to nobody
    gadm = told(await stack.client("sadm").get(f"{DETAIL}?id={await id_of(stack, 'gadm@sablieres.example')}"))
    assert (gadm["authority_id"], gadm["login"], gadm["module"]) == ("", "", {"1": "", "2": "", "4": ""})


async def test_the_list_of_accounts_its_filters_and_pages(stack: Stack) -> None:
    town, village = stack.authorities["A"], stack.authorities["B"]
    (group,) = [row["id"] for row in await rows(stack, "select id from authority_group")]
    await stack.client("sadm").post(HANDLER, fields(stack, certificate=pem("x", days=-1), name="aaa", status="0"))

    async def names(account: str, query: str = "") -> list[str]:
        answer = await stack.client(account).get(f"{LIST}?api=1&count=100&{query}")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
        return [one["name"] for one in json.loads(answer.body)]

    everybody = await names("sadm")
    assert everybody == sorted(everybody, key=str.lower)
    assert len(everybody) == len(await rows(stack, "select 1 from account where status = 1"))
    first = json.loads((await stack.client("adm").get(f"{LIST}?api=1&count=1")).body)
    assert first == [
        {
            "id": await id_of(stack, "adm@sablieres.example"),
            "name": "Administrateur",
            "givenname": "Dominique",
            "email": "adm@sablieres.example",
            "role": "ADM",
            "status": 1,
            "authority_id": town,
            "authority_name": "Commune de Sablières-la-Vieille",
        }
    ]
    own = await names("adm")
    assert own == [name for name in everybody if name in own] != everybody
    assert "de Valsonge" not in own
    assert await names("gadm") == sorted([*own, "de Valsonge"], key=str.lower)
    assert await names("adm", f"authority={village}&group=999") == own
    assert await names("gadm", f"authority={village}") == ["de Valsonge"]
    assert await names("sadm", f"authority={village}") == ["de Valsonge"]
    assert await names("sadm", f"group={group}") == await names("gadm")
    assert await names("sadm", "group=999") == []
    assert await names("sadm", "role=ADM") == ["Administrateur"]
    assert await names("sadm", "role=x") == []
    assert await names("sadm", "name=VALSONGE") == ["de Valsonge"]
    assert await names("sadm", "name=%25") == []
    assert await names("sadm", "status=0") == ["aaa"] == await names("sadm", "status=&name=AAA")
    assert await names("sadm", "status=&certificat_status=1&name=aaa") == ["aaa"]
    assert await names("sadm", "status=0&certificat_status=0") == []
    assert await names("sadm", "status=99999999999999999") == []

    pages = [json.loads((await stack.client("sadm").get(f"{LIST}?api=1&page={page}")).body) for page in range(4)]
    assert [len(page) for page in pages] == [10, 10, len(everybody) - 10, len(everybody) - 10]
    assert pages[0] == pages[1]
    assert pages[3] == pages[2]  # beyond the last page, the last page
    assert [one["name"] for one in pages[1] + pages[2]] == everybody
    answer = await stack.client("agent").get(f"{LIST}?api=1")
    assert (answer.status, answer.headers["location"], answer.body) == (302, "https://tdt.example", b"")


async def test_roles_and_the_certificate_of_an_account(stack: Stack) -> None:
    answer = await stack.client("adm").get(ROLES)
    assert answer.body == (
        b'{"SADM":"Super administrateur","GADM":"Administrateur de groupe",'
        b'"ADM":"Administrateur collectivit\\u00e9","USER":"Utilisateur","ARCH":"Archiviste"}'
    )
    assert (await stack.client("agent").get(ROLES)).body == REFUSED
    account = await id_of(stack, "certonly@sablieres.example")
    answer = await stack.client("adm").get(f"{DOWNLOAD}?id={account}")
    certificate = x509.load_pem_x509_certificate(stack.pki.client("certonly").cert.read_bytes())
    assert answer.body == certificate.public_bytes(Encoding.PEM)
    assert answer.headers["content-type"] == f'application/octet-stream; name="{account}_certificate.pem"'
    assert answer.headers["content-disposition"] == f'attachment; filename="{account}_certificate.pem"'
    foreign = await id_of(stack, "other@valsonge.example")
    for who, wanted in (("adm", foreign), ("adm", 999999), ("adm", ""), ("agent", account)):
        answer = await stack.client(who).get(f"{DOWNLOAD}?id={wanted}")
        assert (answer.status, answer.headers["location"], answer.body) == (302, "https://tdt.example", b"")


async def test_a_certificate_is_replaced_for_all_who_share_it(stack: Stack) -> None:
    system = await id_of(stack, "system@sablieres.example")
    # an account of another collectivité shares it: the ADM replaces its own only
    await stack.client("sadm").post(
        HANDLER,
        fields(stack, new_id=str(system), login="b", password="b", authority_id=str(stack.authorities["B"])),
    )
    new = stack.pki.client("no-account").cert.read_bytes()
    parts: Parts = [("api", "1"), ("user_id", str(system)), ("confirm", "OUI"), ("certificat", File("c.pem", new))]
    for left_out, message in (
        ("user_id", "Aucun identifiant utilisateur n'a été présenté"),
        ("confirm", "Vous devez confirmer la modification"),
        ("certificat", "Vous devez fournir un certificat"),
    ):
        answer = await stack.client("adm").post(BULK, [part for part in parts if part[0] != left_out])
        assert answer.body == error(message)
    foreign: Parts = [(name, "999999" if name == "user_id" else value) for name, value in parts]
    answer = await stack.client("adm").post(BULK, foreign)
    assert answer.body == error("Erreur lors de la modification de l'utilisateur")
    taken: Parts = [*parts[:3], ("certificat", File("c.pem", stack.pki.client("certonly").cert.read_bytes()))]
    assert (await stack.client("adm").post(BULK, taken)).body == error(SAVING + TAKEN)
    answer = await stack.client("adm").post(BULK, parts)
    assert answer.body == b'{"status":"ok","message":"Certificat mis \\u00e0 jour"}'
    found = await rows(stack, "select login from account where certificate_hash = $1 order by login", hash_of(new))
    assert [row["login"] for row in found] == ["system", "system-2"]
    password = stack.settings.password("system")
    assert (await Client(stack.port, stack.pki, "no-account", "system", password).get(TEST)).body == b"OK"
    tags = await rows(stack, "select data from audit where tag = 'api:account:replace_certificate'")
    changes = json.loads(tags[0]["data"])
    assert len(tags) == 2
    assert (changes["before"]["certificate"], changes["after"]["certificate"]) == (
        hash_of(stack.pki.client("system").cert.read_bytes()),
        hash_of(new),
    )
    answer = await stack.client("adm").post(BULK, [part for part in parts if part[0] != "api"])
    assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example/admin/users/admin_users.php")


async def test_a_forwarded_certificate_given_by_an_administrator_is_what_the_header_must_hold(stack: Stack) -> None:
    person = make_certificate("Personne")
    parts = fields(
        stack,
        auth_method="3",
        certificate=File("c.pem", stack.pki.client("no-account").cert.read_bytes()),
        certificate_rgs_2_etoiles=File("p.pem", person),
    )
    assert told(await stack.client("adm").post(HANDLER, parts))["status"] == "ok"
    client = stack.client("no-account")
    der = x509.load_pem_x509_certificate(person).public_bytes(Encoding.DER)
    header = {"org.s2low.forward-x509-identification": base64.b64encode(der).decode()}
    assert (await client.get(TEST, header)).body == b"OK"
    assert (await client.get(TEST)).body != b"OK"
