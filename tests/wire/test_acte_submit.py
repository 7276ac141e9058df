"""Ready-made envelopes over the wire: what is recorded of them, every refusal in its words, nothing left behind."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tdt.domain.ids import ActeId
from tests.actes_archives import PDF, PNG, Acte, Idcl, Parcel, acte_parcel, answer_parcel, classification_parcel
from tests.wire import test_actes_api as actes
from tests.wire.client import File, Parts
from tests.wire.stack import Stack

SUBMIT = "/modules/actes/actes_transac_submit.php"
SERIAL = "/modules/actes/actes_transac_get_env_serial.php"
IMPORT = "Erreur d'importation de l'enveloppe :\n"
TRANSACTION = "Erreur d'importation transaction : "
REMADE = "Erreur lors de la regénération de l'archive.\n"

ready = actes.ready
fetchval = actes.fetchval


async def post(stack: Stack, parcel: Parcel | bytes, name: str = "", account: str = "certonly") -> bytes:
    data = parcel if isinstance(parcel, bytes) else parcel.build()
    name = name or (parcel.name if isinstance(parcel, Parcel) else "")
    parts: Parts = [("api", "1"), ("enveloppe", File(name, data))]
    return (await stack.client(account).post(SUBMIT, parts)).body


async def submitted(stack: Stack, parcel: Parcel) -> list[ActeId]:
    answer = await post(stack, parcel)
    match = re.fullmatch(rb"OK\n([0-9]+)\n((?:[0-9]+\n)+)\n", answer)
    assert match, answer.decode("latin-1")
    numbers = [ActeId(int(number)) for number in match[2].split()]
    assert len(numbers) == int(match[1])
    return numbers


def said(message: str) -> bytes:
    escaped = message.replace('"', "&quot;").replace("'", "&#039;")
    return b"KO\n" + escaped.encode("latin-1") + b"\n"


def together(*parcels: Parcel) -> Parcel:
    """One envelope with the messages of several."""
    first = parcels[0]
    return replace(
        first,
        messages={name: data for one in parcels for name, data in one.messages.items()},
        documents={name: data for one in parcels for name, data in one.documents.items()},
    )


async def test_every_message_becomes_a_transaction_with_its_files(ready: Stack) -> None:
    first, second = Acte(number="A_1"), Acte(number="A_2", files=(("99_DE", "pdf", PDF), ("99_DE", "png", PNG)))
    parcel = together(acte_parcel(first), acte_parcel(second), classification_parcel("2019-03-01", 1))
    numbers = await submitted(ready, parcel)
    assert len(numbers) == 3
    for number, acte in zip(numbers, (first, second), strict=False):
        assert (await ready.client().get(f"{actes.STATUS}?transaction={number}")).body == b"OK\n1\n"
        names = await fetchval(
            ready,
            "select array_agg(name || ':' || mimetype || ':' || code_pj order by position) from acte_file"
            " where transaction_id = $1",
            number,
        )
        assert isinstance(names, list)
        expected = [(acte.message_name, "text/xml", "")]
        types = {"pdf": "application/pdf", "png": "image/png"}
        for name, (code, kind, _) in zip(acte.documents(), acte.files, strict=True):
            expected.append((name, types[kind], code))
        assert names == [":".join(one) for one in expected]
        row = await fetchval(
            ready,
            "select type || number || decision_date || nature_code || classif::text || subject || unique_id"
            " || classification_date from acte_transaction where id = $1",
            number,
        )
        assert row == f"1{acte.number}2026-11-201{{3,1}}{acte.subject}{acte.id_acte}2019-03-01"
    envelopes = await fetchval(
        ready,
        "select array_agg(distinct e.name || ' ' || e.archive_name) from acte_envelope e"
        " join acte_transaction t on t.envelope_id = e.id",
    )
    assert envelopes == [f"{parcel.envelope_name} {parcel.name}"]
    assert await fetchval(ready, "select count(*) from job where kind = 'actes.analyse'") == 1
    file = await fetchval(ready, "select id from acte_file where transaction_id = $1 and position = 0", numbers[0])
    given = await ready.client().get(f"{actes.DOWNLOAD}?file={file}")
    assert given.body == first.message()
    assert await fetchval(ready, "select count(*) from audit where tag = 'api:acte:envelope'") == 3


async def test_large_documents_are_in_the_spool_and_nothing_else_is(ready: Stack) -> None:
    large = Acte(files=(("99_DE", "pdf", PDF + bytes(range(256)) * 2000),))
    await submitted(ready, acte_parcel(large))
    assert len(ready.spooled()) == 1


async def test_the_return_address_is_added_and_the_rest_kept(ready: Stack) -> None:
    parcel = acte_parcel(Acte())
    await submitted(ready, parcel)
    xml = await fetchval(
        ready, "select data from content where id = (select xml_content_id from acte_envelope limit 1)"
    )
    assert xml == parcel.envelope()  # the sandbox gives no address of its own


async def test_a_browser_is_sent_on(ready: Stack) -> None:
    parcel = acte_parcel(Acte())
    answer = await ready.client().post(SUBMIT, [("enveloppe", File(parcel.name, parcel.build()))])
    assert (answer.status, answer.headers["location"]) == (302, actes.INDEX)
    again = await ready.client().post(SUBMIT, [("enveloppe", File(parcel.name, parcel.build()))])
    page = "https://tdt.example/modules/actes/actes_transac_import.php"
    assert (again.status, again.headers["location"], again.body) == (302, page, b"")


async def test_the_same_envelope_twice_is_refused(ready: Stack) -> None:
    parcel = acte_parcel(Acte())
    [number] = await submitted(ready, parcel)
    told = (
        f"L'enveloppe {parcel.envelope_name} a déjà été déposée (transactions {number}) : rien n'est envoyé deux fois. "
        "Pour un autre envoi, prenez un nouveau numéro d'enveloppe."
    )
    assert await post(ready, parcel) == said(told)
    assert await post(ready, replace(acte_parcel(Acte(number="AUTRE")), serial=1)) == said(told)
    assert await fetchval(ready, "select count(*) from acte_transaction") == 1


async def test_a_number_that_an_envelope_bears_is_not_given_again(ready: Stack) -> None:
    today = f"{await fetchval(ready, 'select tdt_today()')}".replace("-", "")
    parcel = acte_parcel(Acte(), serial=7)
    name, envelope = (text.replace("20261122", today) for text in (parcel.name, parcel.envelope_name))
    data = replace(parcel, changes={parcel.envelope_name: None, envelope: parcel.envelope()}).build()
    assert (await post(ready, data, name)).startswith(b"OK\n1\n")
    assert (await ready.client().get(SERIAL)).body == b"OK\n8\n"


def idcl(**changes: str) -> Callable[[], Parcel]:
    return lambda: acte_parcel(Acte(), idcl=replace(Idcl(), **changes))


def changed(**entries: bytes | None) -> Callable[[], Parcel]:
    """A good parcel with these entries changed: `envelope`, `message`, `acte`, `annexe`, or a new one."""
    acte = Acte()
    parcel = acte_parcel(acte)
    document, annexe = acte.documents()
    names = {"envelope": parcel.envelope_name, "message": acte.message_name, "acte": document, "annexe": annexe}
    return lambda: replace(parcel, changes={names.get(key, f"{key}.pdf"): data for key, data in entries.items()})


ACTE = Acte()
DOCUMENT, ANNEXE = ACTE.documents()
MISMATCH = "{} contenu dans l'enveloppe ne correspond pas à celui de l'utilisateur authentifié. Abandon."
PARCEL = acte_parcel(ACTE)


@pytest.mark.parametrize(
    ("parcel", "message"),
    [
        (idcl(siren="987654324"), None),
        (idcl(nature="32"), IMPORT + MISMATCH.format("Le type de collectivité")),
        (idcl(department="033"), IMPORT + MISMATCH.format("Le département de la collectivité")),
        (idcl(district="4"), IMPORT + MISMATCH.format("L'arrondissement de la collectivité")),
        (
            changed(envelope=PARCEL.envelope().replace(b'SIREN="123456782"', b'SIREN="987654324"')),
            IMPORT + MISMATCH.format("Le numéro de SIREN"),
        ),
        (
            changed(envelope=re.sub(rb"<actes:AdressesRetour>.*</actes:AdressesRetour>", b"", PARCEL.envelope())),
            IMPORT + "L'enveloppe ne contient pas la balise AdressesRetour",
        ),
        (changed(envelope=b"<a>"), IMPORT + "Erreur lors de l'importation du fichier XML de l'enveloppe."),
        (changed(envelope=ACTE.message()), IMPORT + "Erreur lors de l'importation du fichier XML de l'enveloppe."),
        (
            changed(envelope=b'<!DOCTYPE a [<!ENTITY b "c">]>' + PARCEL.envelope().partition(b"\n")[2]),
            IMPORT + "Erreur lors de l'importation du fichier XML de l'enveloppe.",
        ),
        (
            changed(envelope=None),
            IMPORT + "Impossible de trouver le fichier XML enveloppe correspondant à l'archive.",
        ),
        (changed(message=None), TRANSACTION + "Fichier XML introuvable."),
        (changed(message=b"<a"), TRANSACTION + "Impossible d'importer le fichier message XML."),
        (
            changed(message=ACTE.message().replace(b"actes:Acte", b"actes:ARDemandePieceComplementaire")),
            TRANSACTION + "Mauvais type de transaction.",
        ),
        (
            changed(message=ACTE.message().replace(b"</actes:Document>", b"<actes:NomFichier/></actes:Document>")),
            TRANSACTION + "Impossible de traiter plusieurs document actes",
        ),
        (changed(acte=None), f"{TRANSACTION}Fichier non présent : {DOCUMENT}"),
        (changed(annexe=None), f"{TRANSACTION}Fichier non présent : {ANNEXE}"),
        (
            changed(acte=PNG),
            f'{TRANSACTION}Le fichier de l\'acte " {DOCUMENT} " est de type " image/png ". Fichier PDF ou XML requis.',
        ),
        (
            changed(acte=b'<?xml version="1.0"?><a/>'),
            TRANSACTION + "Seuls les documents budgétaires et financiers peuvent être au format XML.",
        ),
        (
            changed(annexe=b"PK\x03\x04"),
            f'{TRANSACTION}Le fichier attaché " {ANNEXE} " est de type " application/zip ".'
            " Fichier PDF, XML, PNG ou JPEG requis.",
        ),
        (changed(orphelin=PDF), REMADE + "Le fichier orphelin.pdf est présent mais n'est pas annoncé\n"
         "Le nom du fichier orphelin.pdf n'est pas correct"),
        (lambda: acte_parcel(replace(ACTE, announced=3)),
         f"{REMADE}Le message {ACTE.message_name} annonce 3 annexes et en nomme 1"),
        (
            lambda: acte_parcel(replace(ACTE, siren="987654324"), idcl=Idcl()),
            f"{REMADE}Le nom du message {replace(ACTE, siren='987654324').message_name} n'est pas correct",
        ),
        (
            lambda: acte_parcel(replace(ACTE, number="minuscule")),
            "Erreur lors de l'enregistrement de la transaction.\nLe champ Numéro de l'acte ne peut contenir que des "
            "chiffres, des lettres en majuscules et _\n",
        ),
        (
            lambda: acte_parcel(replace(ACTE, matieres=(3,))),
            "Erreur lors de l'enregistrement de la transaction.\n"
            "Les deux premiers niveaux de classification sont obligatoires.",
        ),
        (
            lambda: acte_parcel(replace(ACTE, nature=9, subject="o" * 500)),
            "Erreur lors de l'enregistrement de la transaction.\nDescription nature de l'acte doit être présent.\n"
            "Le champ Objet de l'acte est trop long (499 caractères maxi autorisés).\n",
        ),
        (
            lambda: together(PARCEL, acte_parcel(replace(ACTE, date="2026-11-19"))),
            "Un numéro interne d'acte entre en conflit avec un acte existant dans la base de données.",
        ),
        (lambda: answer_parcel(ACTE.id_acte, "2-2", 1), TRANSACTION + "Transaction de référence introuvable."),
        (lambda: answer_parcel(ACTE.id_acte, "6-1", 1), TRANSACTION + "Transaction de référence introuvable."),
    ],
)  # fmt: skip
async def test_refused_envelopes_leave_nothing(ready: Stack, parcel: Callable[[], Parcel], message: str | None) -> None:
    whole = parcel()
    if message is None:
        message = "L'archive n'a pas un nom valide : Le nom de l'archive n'est pas correct"
    assert await post(ready, whole) == said(message)
    assert ready.spooled() == []
    for table in ("acte_transaction", "acte_envelope", "job"):
        assert await fetchval(ready, f"select count(*) from {table}") == 0, table


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("archive.tar.gz", "Le nom de l'archive n'est pas correct"),
        ("ABC-TACT--123456782--20261122-1.tar.gz",
         "Le trigramme trouvé (ABC) ne correspond pas au trigramme attendu (TDT)"),
        ("TDT-EACT--123456782--20261122-1.tar.gz",
         "Le quadrigramme trouvé (EACT) ne correspond pas au quadrigramme attendu (TACT)"),
        ("TDT-TACT--987654324--20261122-1.tar.gz", "Le nom de l'archive n'est pas correct"),
        ("TDT-TACT--123456782--20261122-1.zip", "Le nom de l'archive n'est pas correct"),
        ("TDT-TACT--123456782.tar.gz", "Le nom de l'archive n'est pas correct"),
    ],
)  # fmt: skip
async def test_the_name_of_the_archive(ready: Stack, name: str, message: str) -> None:
    assert await post(ready, PARCEL.build(), name) == said(f"L'archive n'a pas un nom valide : {message}")
    assert ready.spooled() == []


async def test_bad_archives_and_bad_forms(ready: Stack) -> None:
    whole = PARCEL.build()
    for data, message in (
        (b"%PDF-", "Mauvais format de l'archive (.tar.gz requis)."),
        (whole[:-20], "Mauvais format de l'archive (.tar.gz requis)."),
        (b"x" * 2_000_001, "La taille de l'archive est trop élevée, 2000001 octets (maximum 2000000 octets autorisés)"),
        (
            b"x" * 2_700_000,
            "La taille de l'archive est trop élevée, plus de 2666666 octets (maximum 2000000 octets autorisés)",
        ),
    ):
        assert await post(ready, data, PARCEL.name) == said(IMPORT + message)
    client = ready.client()
    assert (await client.post(SUBMIT, [("api", "1")])).body == said("Pas de fichier archive spécifié.")
    assert (await client.get(f"{SUBMIT}?api=1")).body == said("Pas de fichier archive spécifié.")
    empty: Parts = [("api", "1"), ("enveloppe", File("", b""))]
    assert (await client.post(SUBMIT, empty)).body == said("Envoi de fichier incorrect.")
    assert ready.spooled() == []


async def test_who_may_submit(ready: Stack) -> None:
    assert await post(ready, PARCEL, account="sadm") == said("Accès refusé")
    await fetchval(ready, "update account_permission set permission = 'CS' where module = 'actes' returning 1")
    assert await post(ready, PARCEL) == said("Accès refusé")
    assert ready.spooled() == []


async def test_an_act_needs_a_classification_held(ready: Stack) -> None:
    await fetchval(ready, "with gone as (delete from acte_classification returning 1) select 1")
    assert await post(ready, PARCEL) == said(
        "La collectivité n'a encore reçu aucune classification : demandez-la (actes_classification_request.php) et "
        "attendez la réponse de la préfecture avant d'envoyer un acte."
    )
    assert len(await submitted(ready, classification_parcel(None, 2))) == 1


async def test_a_number_in_use_is_refused_whatever_became_of_its_act(ready: Stack) -> None:
    number = await actes.create(ready, actes.form("DEJA"))
    await actes.move(ready, number, -1, None, "Erreur")
    assert await post(ready, acte_parcel(replace(ACTE, number="DEJA"), serial=9)) == said(
        "Un numéro interne d'acte entre en conflit avec un acte existant dans la base de données."
    )


async def test_an_annulation_and_answers_to_letters(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form("ACTE_1"))
    id_acte = "034-123456782-20200131-ACTE_1-DE"
    refused = TRANSACTION + "Impossible d'annuler une transaction qui n'est pas en état « Acquittement reçu »."
    assert await post(ready, answer_parcel(id_acte, "6-1", 20)) == said(refused)
    await actes.move(ready, acte, 4, b"<ar/>")
    [cancelling] = await submitted(ready, answer_parcel(id_acte, "6-1", 20))
    pending = TRANSACTION + "Une demande d'annulation est déjà en cours pour cette transaction."
    assert await post(ready, answer_parcel(id_acte, "6-1", 21)) == said(pending)
    row = "select type || ' ' || coalesce(type_reponse, 0) || ' ' || related_id || ' ' || number || ' ' || unique_id"
    row += " || coalesce(' ' || letter_date, '') from acte_transaction where id = $1"
    assert await fetchval(ready, row, cancelling) == f"6 0 {acte} ACTE_1 {id_acte}"
    letters = {}
    for kind, day in ((2, "2026-11-22"), (3, "2026-11-22"), (3, "2026-11-23"), (4, "2026-11-20")):
        letters[kind, day] = await fetchval(
            ready,
            "insert into acte_transaction (authority_id, account_id, envelope_id, related_id, type, status, number,"
            " unique_id, letter_date) select authority_id, account_id, envelope_id, id, $2::int, 7, number, unique_id,"
            " $3::text::date from acte_transaction where id = $1 returning id",
            acte,
            kind,
            day,
        )
    for serial, (code, choice, day) in enumerate(
        [("2-2", 2, "2026-11-22"), ("3-3", 3, "2026-11-22"), ("3-4", 4, "2026-11-23"), ("4-3", 3, "2026-11-22"),
         ("4-4", 4, "2026-11-22")], start=30
    ):  # fmt: skip
        [reply] = await submitted(ready, answer_parcel(id_acte, code, serial, day))
        # the only letter of its kind is the one answered, whatever the date
        letter = letters[int(code[0]), "2026-11-20" if code[0] == "4" else day]
        assert await fetchval(ready, row, reply) == f"{code[0]} {choice} {letter} ACTE_1 {id_acte} {day}"
        count = await fetchval(ready, "select count(*) from acte_file where transaction_id = $1", reply)
        assert count == 2
    assert await post(ready, answer_parcel(id_acte, "3-3", 50, "2026-11-29")) == said(
        TRANSACTION + "Transaction de référence introuvable."
    )


async def test_what_is_of_another_collectivite_is_unknown(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form("ACTE_1"))
    await actes.move(ready, acte, 4, b"<ar/>")
    parcel = answer_parcel("034-123456782-20200131-ACTE_1-DE", "6-1", 1)
    where = await fetchval(
        ready,
        "select siren || ' ' || department || ' ' || district || ' ' || nature from authority where id = $1",
        ready.authorities["B"],
    )
    theirs = replace(parcel, idcl=Idcl(*str(where).split()))
    answer = await post(ready, theirs, account="other")
    assert answer == said(TRANSACTION + "Transaction de référence introuvable.")
