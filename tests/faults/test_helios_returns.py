"""What comes back from the DGFiP finds its flow and its collectivité, or the operator's box with its reason."""

import asyncio
import json
from datetime import date

import pytest

from tdt.db import purge
from tdt.db import received as db
from tdt.db.authorities import insert_siret
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId, HeliosId, ReceivedId
from tdt.domain.routes import RouteKind
from tdt.flows import helios_receive, helios_send, received, sirets
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, acquit

BY = Actor(Source.CLI, None, "root")
SIRET, SHARED = "12345678200010", "73282932000074"


def owner(works: Plant, who: str = "A") -> AuthorityId:
    authority = works.people[who].user.authority_id
    assert authority is not None
    return authority


async def sent(works: Plant, who: str = "A", data: bytes | None = None) -> HeliosId:
    flow = await works.queued_pes(data or pes(), who)
    await helios_send.transmit(works.deps, flow)
    return flow


async def boxed(works: Plant, data: bytes, name: str = "ACK.xml") -> db.BoxLine:
    """A file that came, as it was read."""
    number = await works.deliver(data, RouteKind.HELIOS, name)
    await helios_receive.ingest(works.deps, number)
    return await received.get(works.deps, number)


async def read_again(works: Plant, line: db.BoxLine) -> db.BoxLine:
    await helios_receive.ingest(works.deps, line.id)
    return await received.get(works.deps, line.id)


def answer(header: str, nomfic: str = "FLUX-ESSAI-1", root: str = "PES_ACQUIT") -> bytes:
    return (
        f'<n:{root} xmlns:n="urn:essai"><Enveloppe><Parametres><TypFic V="UNKNOWN_TYPE"/><NomFic V="{nomfic}"/>'
        f"</Parametres></Enveloppe><EnTetePES>{header}</EnTetePES><ACQUIT/></n:{root}>"
    ).encode("latin-1")


def retour(siret: str, note: str = "") -> bytes:
    return (
        f'<n:PES_Retour xmlns:n="urn:essai"><!--{note}--><Enveloppe><Parametres><TypFic V="PES2R_DEP"/></Parametres>'
        f'</Enveloppe><EnTetePES><IdPost V="034001"/><IdColl V="{siret}"/><CodColl V="012"/></EnTetePES>'
        "<PES_DepenseRetour/></n:PES_Retour>"
    ).encode("latin-1")


async def texts(works: Plant, flow: HeliosId) -> list[str]:
    rows = await works.fetch("select message from helios_workflow where transaction_id = $1 order by id", flow)
    return [row["message"] for row in rows]


# --- acquits


async def test_a_second_acquit_stays_beside_the_first_until_an_operator_prefers_it(works: Plant) -> None:
    flow, mine = await sent(works), owner(works)
    first = await boxed(works, acquit(), "PREMIER.xml")
    assert (first.state, first.helios_id) == ("handled", flow)
    second = await boxed(works, acquit(note="2"), "SECOND.xml")
    assert (second.state, second.code, second.authority_id, second.helios_id) == (
        "set_aside",
        "ACQUIT_AUTRE",
        mine,
        flow,
    )
    # its double is known, the box does not grow
    assert (await boxed(works, acquit(note="2"), "BIS.xml")).state == "ignored"
    await received.retry(works.deps, BY, second.id)
    assert (await read_again(works, second)).code == "ACQUIT_AUTRE"
    assert (await texts(works, flow))[4:] == [f"Transaction {flow} : autre acquittement reçu (SECOND.xml)"]
    shown = "select acquit_filename from helios_transaction where id = $1"
    assert await works.value(shown, flow) == "PREMIER.xml"
    await received.assign_to_flow(works.deps, BY, second.id, flow)
    assert (await read_again(works, second)).state == "handled"
    assert await works.value(shown, flow) == "SECOND.xml"
    assert (await texts(works, flow))[5:] == [f"Transaction {flow} : autre acquittement retenu (SECOND.xml)"]
    assert await works.helios_status(flow) == 8
    assert await works.value("select count(*) from received where helios_id = $1", flow) == 3


async def test_the_acquit_of_two_flows_of_one_couple_goes_to_the_operator(works: Plant) -> None:
    # the uniqueness is waived, both hold the same bordereaux: nothing tells which one is answered
    first, second = await sent(works), await works.queued_pes(pes("FLUX-2"))
    assert (await boxed(works, acquit())).helios_id == first
    await works.fetch("update helios_transaction set xml_nomfic = 'FLUX-ESSAI-1' where id = $1 returning id", second)
    await helios_send.transmit(works.deps, second)
    line = await boxed(works, acquit(), "BIS.xml")
    assert (line.state, line.code, line.helios_id) == ("set_aside", "ACQUIT_IDENTIQUE", second)
    assert await works.helios_status(second) == 3
    await received.assign_to_flow(works.deps, BY, line.id, second)
    assert (await read_again(works, line)).state == "handled"
    assert await works.helios_status(second) == 8
    # both are answered: once more is only once more
    assert (await boxed(works, acquit(), "TER.xml")).state == "ignored"


async def test_a_later_acquit_that_says_more_replaces_the_first(works: Plant) -> None:
    flow = await sent(works)
    without = acquit().replace(b"<ACQUIT>", b"<AUTRE>").replace(b"</ACQUIT>", b"</AUTRE>")
    assert (await boxed(works, without)).state == "handled"
    refused = answer('<CodCol V="012"/>', root="PES_NonAcquit")
    assert (await boxed(works, refused, "NON.xml")).state == "handled"
    assert (await boxed(works, acquit(), "OUI.xml")).state == "handled"
    assert await works.helios_life(flow) == [1, 2, 3, 4, 6, 8]
    assert (await boxed(works, refused, "NON-ENCORE.xml")).state == "ignored"
    assert await works.value("select acquit_filename from helios_transaction where id = $1", flow) == "OUI.xml"


async def test_a_flow_put_in_error_by_hand_is_answered_all_the_same(works: Plant) -> None:
    flow = await sent(works)
    await works.fetch("update helios_transaction set status = -1 where id = $1 returning id", flow)
    assert (await boxed(works, acquit())).state == "handled"
    assert await works.helios_status(flow) == 8


async def test_what_never_left_is_never_answered(works: Plant) -> None:
    flow = await works.queued_pes(pes())
    line = await boxed(works, acquit())
    words = "Le couple NomFic FLUX-ESSAI-1 et CodCol 012 n'est associé à aucune transaction dans la base de données"
    assert (line.state, line.code, line.detail, line.authority_id) == ("set_aside", "ACQUIT_SANS_FLUX", words, None)
    assert await works.helios_status(flow) == 2
    with pytest.raises(Refused, match="n'a jamais été transmis"):
        await received.assign_to_flow(works.deps, BY, line.id, flow)
    # it leaves at last: the hourly look gives it what waited
    assert await helios_receive.reread(works.deps) == 0
    await helios_send.transmit(works.deps, flow)
    assert await helios_receive.reread(works.deps) == 1
    assert (await read_again(works, line)).state == "handled"
    assert await helios_receive.reread(works.deps) == 0


async def test_an_acquit_of_another_column_is_proposed_and_given_by_an_operator(works: Plant) -> None:
    flow = await sent(works)
    line = await boxed(works, acquit(cod_col="099"))
    assert (line.code, line.proposed_authority_id, line.proposed_helios_id) == ("ACQUIT_SANS_FLUX", owner(works), flow)
    # B sees nothing of it, even when it is given the file by mistake
    await received.assign(works.deps, BY, line.id, owner(works, "B"))
    mistaken = await read_again(works, line)
    assert (mistaken.state, mistaken.authority_id) == ("set_aside", owner(works, "B"))
    await received.assign_to_flow(works.deps, BY, line.id, flow)
    done = await read_again(works, line)
    assert (done.state, done.authority_id, done.helios_id) == ("handled", owner(works), flow)
    assert await works.helios_life(flow) == [1, 2, 3, 8]
    rows = await works.fetch("select data from audit where tag = 'cli:received:assign' order by id")
    changes = [json.loads(row["data"]) if isinstance(row["data"], str) else row["data"] for row in rows]
    assert [one["after"].get("flow") for one in changes] == [None, flow]
    assert await works.value("select authority_id from content where id = $1", done.content_id) == owner(works)


async def test_between_two_collectivites_what_the_acquit_says_decides_or_the_operator(works: Plant) -> None:
    mine, theirs = (
        await sent(works, "A"),
        await sent(
            works,
            "B",
            pes(number="13").replace(b'"012"', b'"013"').replace(b'"034001"', b'"034002"'),
        ),
    )
    unsure = await boxed(works, answer(""))
    assert (unsure.code, unsure.authority_id, unsure.proposed_authority_id) == (
        "ACQUIT_PLUSIEURS_COLLECTIVITES",
        None,
        None,
    )
    assert (await boxed(works, answer('<IdPost V="034002"/>'), "B.xml")).helios_id == theirs
    # given to its collectivité by the operator, only hers are looked at
    await received.assign(works.deps, BY, unsure.id, owner(works, "A"))
    assert (await read_again(works, unsure)).helios_id == mine
    assert [await works.helios_status(one) for one in (mine, theirs)] == [8, 8]


async def test_a_closed_a_suspended_and_a_purged_collectivite(works: Plant) -> None:
    flow, mine = await sent(works), owner(works)
    await works.fetch(
        "update authority set status = 0, closes_on = $2 where id = $1 returning id", mine, date(2020, 1, 1)
    )
    assert (await boxed(works, acquit())).helios_id == flow
    assert (await boxed(works, retour(SIRET), "R.xml")).authority_id == mine
    async with works.deps.transaction("system") as connection:
        await purge.delete_flows(connection, mine)
        await purge.delete_received(connection, mine)
        await purge.delete_particulars(connection, mine)
    line = await boxed(works, acquit(note="tard"))
    assert (line.code, line.proposed_authority_id) == ("ACQUIT_SANS_FLUX", None)
    assert (await boxed(works, retour(SIRET, "tard"), "R.xml")).code == "RETOUR_SIRET_INCONNU"


async def test_the_names_of_2008_and_what_breaks_the_schema(works: Plant) -> None:
    flow = await sent(works)
    old = answer('<CodCol V="012"/>', root="PES_Acquit").replace(
        b"urn:essai", b"http://www.minefi.gouv.fr/cp/heliso/pes_v2/Rev0/aller"
    )
    assert (await boxed(works, old)).helios_id == flow
    nameless = await boxed(works, b"<PES_ACQUIT><Inconnu/></PES_ACQUIT>", "SANS.xml")
    assert (nameless.code, nameless.detail) == ("ACQUIT_SANS_NOMFIC", "L'acquittement ne porte pas de NomFic.")
    # the operator knows which flow is meant
    other = await sent(works, data=pes(number="14").replace(b"FLUX-ESSAI-1", b"FLUX-ESSAI-2"))
    await received.assign_to_flow(works.deps, BY, nameless.id, other)
    assert (await read_again(works, nameless)).helios_id == other


# --- PES_Retour


async def test_a_retour_is_given_by_its_siret_or_waits_with_the_words_of_s2low(works: Plant) -> None:
    await sent(works)  # its SIRET is learnt
    mine = owner(works)
    given = await boxed(works, retour(SIRET), "R.xml")
    assert (given.state, given.authority_id) == ("handled", mine)
    assert await works.value("select siret from helios_retour where received_id = $1", given.id) == SIRET
    # the same from another route
    assert (await boxed(works, retour(SIRET), "R.xml")).state == "ignored"
    assert (await boxed(works, retour(SIRET, "demain"), "R.xml")).state == "handled"
    # the SIREN alone gives nothing to anybody
    unknown = await boxed(works, retour("12345678200028"), "R2.xml")
    assert (unknown.code, unknown.authority_id, unknown.proposed_authority_id) == ("RETOUR_SIRET_INCONNU", None, mine)
    assert unknown.detail == (
        "La collectivité 12345678200028 n'est pas abonnée à l'application Comptabilité Publique du TdT, elle n'est donc"
        " pas autorisée à recevoir le PES_Retour "
    )
    assert (await boxed(works, retour(""), "R3.xml")).code == "RETOUR_SANS_SIRET"


async def jobs(works: Plant) -> int:
    """Run what a change of SIRET asked for; how many."""
    rows = await works.fetch("delete from job where kind = 'helios.reread' returning id")
    if rows:
        await helios_receive.reread_all(works.deps)
    return len(rows)


async def test_a_retour_waits_for_its_siret_to_be_given_unblocked_or_held_by_one(works: Plant) -> None:
    mine, theirs = owner(works, "A"), owner(works, "B")
    line = await boxed(works, retour(SHARED), "R.xml")
    assert line.code == "RETOUR_SIRET_INCONNU"
    await sirets.add(works.deps, BY, mine, SHARED)
    assert await jobs(works) == 1
    assert (await read_again(works, line)).authority_id == mine

    siret = await sirets.find(works.deps, BY, mine, SHARED)
    await sirets.set_blocked(works.deps, BY, siret, True)
    assert await jobs(works) == 1
    blocked = await boxed(works, retour(SHARED, "2"), "R.xml")
    assert (blocked.code, blocked.proposed_authority_id) == ("RETOUR_SIRET_BLOQUE", mine)
    assert "n'est pas abonnée" in blocked.detail
    await sirets.set_blocked(works.deps, BY, siret, False)
    assert await jobs(works) == 1
    assert (await read_again(works, blocked)).authority_id == mine

    async with works.deps.transaction("system") as connection:
        await insert_siret(connection, theirs, SHARED)
    shared = await boxed(works, retour(SHARED, "3"), "R.xml")
    assert (shared.code, shared.authority_id, shared.proposed_authority_id) == ("RETOUR_SIRET_PARTAGE", None, None)
    assert shared.detail == (
        f"Le SIRET {SHARED} est associé à plusieurs collectivités. Le PES_Retour n'est donc pas attribué"
    )
    assert await helios_receive.reread(works.deps) == 0
    await sirets.remove(works.deps, BY, siret)
    assert await jobs(works) == 1
    assert (await read_again(works, shared)).authority_id == theirs
    assert await works.value("select count(*) from helios_retour") == 3


async def test_what_an_operator_gave_is_not_read_again_for_somebody_else(works: Plant) -> None:
    line = await boxed(works, retour(SHARED), "R.xml")
    await received.assign(works.deps, BY, line.id, owner(works, "B"))
    assert (await read_again(works, line)).authority_id == owner(works, "B")
    await sirets.add(works.deps, BY, owner(works, "A"), SHARED)
    await jobs(works)
    assert (await received.get(works.deps, line.id)).authority_id == owner(works, "B")


async def test_a_retour_given_to_the_wrong_collectivite_is_taken_back(works: Plant) -> None:
    mine, theirs = owner(works, "A"), owner(works, "B")
    await sirets.add(works.deps, BY, mine, SHARED)
    pieces = b"<PES_DepenseRetour><Bordereau><Piece><InfoPiece><IdPce V='1'/><EtatPce V='04'/></InfoPiece></Piece>"
    line = await boxed(
        works, retour(SHARED).replace(b"<PES_DepenseRetour/>", pieces + b"</Bordereau></PES_DepenseRetour>")
    )
    assert (line.state, line.authority_id) == ("handled", mine)
    with pytest.raises(Refused, match="à l'état « handled »"):
        await received.retry(works.deps, BY, line.id)
    with pytest.raises(Refused, match="à l'état « handled »"):
        await received.assign(works.deps, BY, line.id, mine)
    await received.assign(works.deps, BY, line.id, theirs)
    assert await works.value("select count(*) from helios_retour") == 0
    moved = await read_again(works, line)
    assert (moved.state, moved.authority_id) == ("handled", theirs)
    owners = "select authority_id from helios_retour union select authority_id from helios_retour_piece"
    assert [row["authority_id"] for row in await works.fetch(owners)] == [theirs]
    assert await works.value("select authority_id from content where id = $1", line.content_id) == theirs


# --- other files


@pytest.mark.parametrize(
    ("name", "data", "code", "detail"),
    [
        ("QUELCONQUE.OCRE", b"<PES_ACQUIT/>", "FICHIER_OCRE", "conservé tel quel"),
        ("quelconque.ocr", b"\x00\xff", "FICHIER_OCRE", "conservé tel quel"),
        ("vide.xml", b"", "FICHIER_VIDE", "0 octet"),
        ("coupe.xml", acquit()[:-20], "FICHIER_ILLISIBLE", "illisible"),
        ("dtd.xml", b"<!DOCTYPE a []><a/>", "FICHIER_ILLISIBLE", "déclaration de type"),
        ("docs.xml", b"<n:ENSUDocuments xmlns:n='urn:x'/>", "FICHIER_INCONNU", "Type PES retour inconnu : ENSU"),
    ],
)
async def test_what_is_not_routed_waits_untouched(works: Plant, name: str, data: bytes, code: str, detail: str) -> None:
    line = await boxed(works, data, name)
    assert (line.state, line.code, line.authority_id, line.size) == ("set_aside", code, None, len(data))
    assert detail in line.detail
    assert b"".join([chunk async for chunk in received.stream(works.deps, line.id)]) == data
    with pytest.raises(Refused, match="Seul un acquittement"):
        await received.assign_to_flow(works.deps, BY, line.id, HeliosId(1))
    await received.assign(works.deps, BY, line.id, owner(works))
    assert (await read_again(works, line)).authority_id == owner(works)
    reason = "ocre" if code == "FICHIER_OCRE" else "attributed"
    assert await received.count_waiting(works.deps) == {("helios", reason): 1}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("docs.xml", b"<FCTVA><Etat><IdCollBen V='12345678200010'/></Etat></FCTVA>"),
        ("doc.xml", b"<DocumentComptable><Siret V='12345678200028'/></DocumentComptable>"),
        ("erar.xml", b"<PosteComptable><IdPost V='034001'/><x><CodCol V='012'/></x></PosteComptable>"),
        ("12345678200010.ocr", b"???"),
        ("PES2R_DEP_P_012_00_034001_20250307_20250307_20250308182309.xml", b"<tronque"),
        ("ACK.xml", acquit(cod_col="077")[:-20]),
    ],
)
async def test_an_owner_is_proposed_by_what_a_file_says(works: Plant, name: str, data: bytes) -> None:
    await sent(works)
    line = await boxed(works, data, name)
    assert (line.state, line.authority_id, line.proposed_authority_id) == ("set_aside", None, owner(works))


async def test_a_worker_taken_for_dead_does_not_undo_what_an_operator_decided(works: Plant) -> None:
    flow = await sent(works)
    number = await works.deliver(acquit(cod_col="099"), RouteKind.HELIOS, "ACK.xml")
    await asyncio.gather(*(helios_receive.ingest(works.deps, ReceivedId(number)) for _ in range(3)))
    await received.assign_to_flow(works.deps, BY, number, flow)
    ended = await asyncio.gather(*(helios_receive.ingest(works.deps, number) for _ in range(3)), return_exceptions=True)
    assert ended == [None] * 3
    assert await works.helios_life(flow) == [1, 2, 3, 8]
