"""Each acquit and PES_Retour of the reference, when it is there, finds the flow or the collectivité that it names."""

import os
from pathlib import Path

import pytest

from tdt.db.authorities import insert_siret
from tdt.domain.helios.model import DgfipReturn
from tdt.domain.ids import HeliosId
from tdt.domain.siren import is_siret
from tdt.flows import helios_receive, helios_send, received
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant
from tests.unit.helios.samples import read_return

SHARED = Path(os.environ.get("TDT_SHARED") or Path(__file__).parents[3] / "shared") / "data" / "helios"

ACQUITS = (
    "samples/pastell/fakeTdt/pes_acquit.xml",
    "samples/pastell/glaneur-local/ACQUIT_PESALR2_49101169800000_171227_2045.xml",
    "samples/s2low/pes_acquit.xml",
    "samples/s2low/pes_acquit_modif.xml",
    "samples/s2low/pes_acquit_not_valid.xml",
    "samples/stela/006111_190130123456-ACK-A3020100_A0000IDL_KO.xml",
    "samples/stela/006111_190130123456-ACK-A3020100_A0000SDP_KO.xml",
    "skeletons/10_PES_ACQUIT_v2_OK.xml",
    "skeletons/11_PES_ACQUIT_v2_KO_bordereau_ligne.xml",
    "skeletons/12_PES_ACQUIT_v2_KO_piece_recette.xml",
    "skeletons/13_PES_ACQUIT_v2_KO_doublon_PJ.xml",
    "skeletons/14_PES_ACQUIT_v2_KO_bordereau_entier.xml",
    "skeletons/15_PES_ACQUIT_v2_KO_signature.xml",
    "skeletons/16_PES_ACQUIT_v2_KO_technique_conforme.xml",
    "skeletons/17_PES_ACQUIT_v2_KO_technique_comme_en_reel_non_conforme.xml",
    "skeletons/18_PES_ACQUIT_v1_OK_et_KO.xml",
)
RETOURS = (
    "samples/s2low/pes_retour.xml",
    "skeletons/20_PES_Retour_depense_paye.xml",
    "skeletons/21_PES_Retour_depense_rejet.xml",
    "skeletons/22_PES_Retour_recette_encaisse.xml",
    "skeletons/23_PES_Retour_ASAP_v5.30.xml",
)
BOXED = {
    "samples/s2low/pes_acquit_wrongXsd_Not_Linked_To_Transaction.xml": "ACQUIT_SANS_NOMFIC",
    "samples/s2low/PES_ACQUIT_RETOUR.xml": "FICHIER_INCONNU",
    "samples/s2low/pes_aller_ok.xml": "FICHIER_INCONNU",
    "samples/pastell/helios-generique/HELIOS_SIMU_ALR2_1496987735_826268894.xml": "FICHIER_INCONNU",
}


def there(names: tuple[str, ...]) -> list[Path]:
    return [path for path in (SHARED / name for name in names) if path.is_file()]


async def answered_flow(works: Plant, said: DgfipReturn, number: int) -> HeliosId:
    """A flow that was sent with the header that an acquit echoes; one that has its NomFic already waits again."""
    known = await works.value("select id from helios_transaction where xml_nomfic = $1", said.nomfic)
    if known is not None:
        await works.fetch("update received set helios_id = null where helios_id = $1 returning id", known)
        await works.fetch(
            "update helios_transaction set status = 3, acquit_content_id = null where id = $1 returning id", known
        )
        return HeliosId(known)
    assert said.nomfic
    data = pes(said.nomfic, str(number), f"12345678200010U{number}")
    for name, sent, told in (
        ("CodCol", "012", said.cod_col),
        ("CodBud", "00", said.cod_bud),
        ("IdPost", "034001", said.id_post),
        ("IdColl", "12345678200010", said.id_coll),
    ):
        data = data.replace(f'<{name} V="{sent}"/>'.encode(), f'<{name} V="{told or sent}"/>'.encode())
    flow = await works.queued_pes(data)
    await helios_send.transmit(works.deps, flow)
    return flow


@pytest.mark.timeout(60)
async def test_each_acquit_of_the_reference_answers_its_flow(works: Plant) -> None:
    mine = works.people["A"].user.authority_id
    for number, path in enumerate(there(ACQUITS), 1):
        data = path.read_bytes()
        flow = await answered_flow(works, read_return(data), number)
        assert await works.ingest_file(data, path.name) == ("handled", mine), path.name
        assert await works.helios_status(flow) == 8, path.name


async def test_each_retour_of_the_reference_goes_to_the_holder_of_its_siret(works: Plant) -> None:
    theirs = works.people["B"].user.authority_id
    assert theirs is not None
    for path in there(RETOURS):
        data = path.read_bytes()
        siret = read_return(data).id_coll or ""
        waits = await works.ingest_file(data, path.name)
        assert waits in (("set_aside", None), ("handled", theirs))
        async with works.deps.transaction("system") as connection:
            await insert_siret(connection, theirs, siret)
        await helios_receive.reread(works.deps)
        for row in await works.fetch("select id from received where state = 'new'"):
            await helios_receive.ingest(works.deps, row["id"])
        state = await works.value("select state from received where name = $1", path.name)
        assert (state, len(siret)) == ("handled", 14), (path.name, is_siret(siret))
    assert await works.value("select count(*) from helios_retour") == len(there(RETOURS))


async def test_what_answers_nothing_waits_with_its_reason(works: Plant) -> None:
    for path in there(tuple(BOXED)):
        assert await works.ingest_file(path.read_bytes(), path.name) == ("set_aside", None)
        line = await received.get(works.deps, await works.value("select max(id) from received"))
        assert line.code == BOXED[str(path.relative_to(SHARED))]
        assert line.said["root"]
