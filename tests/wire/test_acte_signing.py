"""Acts that wait for their signature: deposit without RGS, signature, posting without; exact bytes."""

import base64
from pathlib import Path

import msgspec

from tdt.config import Config
from tdt.domain.actes.reading import parse_received
from tdt.domain.ids import ActeId
from tdt.sandbox.pki import Pki
from tests.postgres import TestDatabase
from tests.signing import Authority, Person, sign_apart
from tests.wire import test_actes_api as actes
from tests.wire.client import File, Parts
from tests.wire.stack import Stack, changed, run_stack

SIGN = "/modules/actes/actes_transac_sign.php"
UNSIGNED = "/modules/actes/actes_transac_post_without_signature.php"
SIGNATURE = "/modules/actes/actes_get_signature.php"

ready = actes.ready
fetchval = actes.fetchval


def said(message: str) -> bytes:
    return b"KO\n" + message.replace("'", "&#039;").encode("latin-1") + b"\n"


async def to_sign(stack: Stack, number: str = "A_SIGNER", **fields: str | File) -> ActeId:
    return await actes.create(stack, actes.form(number, must_signed="1", **fields))


async def file_of(stack: Stack, acte: ActeId, position: int = 1) -> int:
    found = await fetchval(
        stack, "select id from acte_file where transaction_id = $1 and position = $2", acte, position
    )
    assert isinstance(found, int)
    return found


async def life(stack: Stack, acte: ActeId) -> object:
    return await fetchval(
        stack,
        "select array_agg(status || ' ' || message order by id) from acte_workflow where transaction_id = $1",
        acte,
    )


async def test_what_must_be_signed_waits_and_needs_no_rgs_to_be_deposited(ready: Stack) -> None:
    acte = await to_sign(ready, en_attente="1")
    assert (await ready.client().get(f"{actes.STATUS}?transaction={acte}")).body == b"OK\n18\n"
    assert await life(ready, acte) == ["18 En attente d'être signé"]
    assert await fetchval(ready, "select count(*) from job where kind = 'actes.analyse'") == 0
    other = await actes.create(ready, actes.form("SANS", must_signed="0"))
    assert await fetchval(ready, "select status from acte_transaction where id = $1", other) == 1


async def test_posted_without_signature(ready: Stack) -> None:
    acte = await to_sign(ready)
    client = ready.client()
    answer = await client.post(UNSIGNED, [("api", "1"), ("id", str(acte))])
    message = f"La transaction {acte} a été posté sans signature"
    assert answer.body == f"OK\n{message}\n".encode("latin-1")
    assert await life(ready, acte) == ["18 En attente d'être signé", f"1 {message}"]
    assert await fetchval(ready, "select count(*) from job where kind = 'actes.analyse'") == 1
    again = await client.post(UNSIGNED, [("api", "1"), ("id", str(acte))])
    assert again.body == said(f"La transaction {acte} n'est pas dans l'état « En attente d'être signée. »")
    unknown = await client.post(UNSIGNED, [("api", "1"), ("id", "99999999")])
    assert unknown.body == said("Aucun identifiant de transaction trouvé")
    theirs = await ready.client("other").post(UNSIGNED, [("api", "1"), ("id", str(acte))])
    assert theirs.body == unknown.body
    browser = await client.post(UNSIGNED, [("id", str(await to_sign(ready, "AUTRE")))])
    assert (browser.status, browser.body) == (302, b"")


async def test_a_colleague_may_and_whoever_is_none_may_not(ready: Stack) -> None:
    first, second = await to_sign(ready, "A_1"), await to_sign(ready, "A_2")
    client = ready.client("agent")
    assert (await client.post(UNSIGNED, [("api", "1"), ("id", str(first))])).body.startswith(b"OK\n")
    await fetchval(ready, "with gone as (delete from service_member returning 1) select count(*) from gone")
    answer = await client.post(UNSIGNED, [("api", "1"), ("id", str(second))])
    assert answer.body == said("Vous n'avez pas le droit de faire cela")


async def test_without_rgs_an_act_is_deposited_for_its_signature_and_no_more(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    server = msgspec.structs.replace(config.server, transmit_authorities=Authority("Autre").write(tmp_path / "o.pem"))
    async with run_stack(changed(config, server=server), database, pki) as stack:
        await actes.hold_classification(stack)
        client = stack.client()
        refusal = b"KO\nLa t\xe9l\xe9transmission n\xe9cessite un certificat RGS"
        assert (await client.post(actes.CREATE, actes.form())).body.startswith(refusal)
        assert stack.spooled() == []
        acte = await to_sign(stack)
        for path in (UNSIGNED, SIGN):
            answer = await client.post(path, [("api", "1"), ("id", str(acte)), ("nb_signature", "1")])
            assert answer.body.startswith(refusal)
        assert (await client.get(f"{actes.STATUS}?transaction={acte}")).body == b"OK\n18\n"


def signer() -> Person:
    return Authority("AC").person("Le maire")


async def test_signed_act_and_annexe_leave_with_their_signatures(ready: Stack) -> None:
    person = signer()
    acte = await to_sign(ready)
    first, second = await file_of(ready, acte, 1), await file_of(ready, acte, 2)
    apart = sign_apart(actes.PDF, person)
    beside = sign_apart(actes.PDF + b"0", person)
    answer = await ready.client().post(
        SIGN,
        [
            ("api", "1"),
            ("nb_signature", "2"),
            ("signature_1", base64.b64encode(apart.encode()).decode()),
            ("signature_id_1", str(first)),
            ("signature_2", beside),
            ("signature_id_2", str(second)),
        ],
    )
    assert answer.body == "OK\nLa signature a été enregistrée\n".encode("latin-1")
    assert await life(ready, acte) == ["18 En attente d'être signé", "1 L'acte a été signé électroniquement"]
    message = await file_of(ready, acte, 0)
    xml = (await ready.client().get(f"{actes.DOWNLOAD}?file={message}")).body
    signatures = [str(one.text) for one in parse_received(xml).iter("{*}Signature")]
    assert signatures == [apart.strip(), beside.strip()]
    size = await fetchval(ready, "select size from acte_file where id = $1", message)
    assert size == len(xml)
    assert (await ready.client().get(f"{SIGNATURE}?id={first}")).body == apart.strip().encode()
    third = await ready.client().get(f"{SIGNATURE}?id={await file_of(ready, acte, 3)}")
    assert (third.status, third.headers["content-type"], third.body) == (200, "text/plain", b"")
    assert await fetchval(ready, "select count(*) from job where kind = 'actes.analyse'") == 1


async def test_refused_signatures_change_nothing(ready: Stack) -> None:
    acte = await to_sign(ready)
    file = await file_of(ready, acte)
    name = await fetchval(ready, "select name from acte_file where id = $1", file)
    for signature, number, message in (
        ("bonjour", file, "la signature n'est pas au format PKCS#7."),
        (base64.b64encode(b"bonjour").decode(), file, "la signature n'est pas au format PKCS#7."),
        (sign_apart(b"autre chose", signer()), file,
         f"la signature du fichier {name} ne convient pas : le document n'est pas celui qui a été signé"),
        (sign_apart(actes.PDF, signer()), 99999999,
         "Impossible de trouver une transaction ratachée au fichier à signé"),
    ):  # fmt: skip
        parts: Parts = [
            ("api", "1"),
            ("nb_signature", "1"),
            ("signature_1", signature),
            ("signature_id_1", str(number)),
        ]
        answer = await ready.client().post(SIGN, parts)
        assert answer.body == said(f"Erreur lors de la signature : {message}")
    assert (await ready.client().post(SIGN, [("api", "1")])).body == said("Les signatures n'ont pas pu être récupérées")
    assert await life(ready, acte) == ["18 En attente d'être signé"]
    assert await fetchval(ready, "select signature from acte_file where id = $1", file) == ""
