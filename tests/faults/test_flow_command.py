"""`tdt flow`: the operator finds an acte or a PES by whatever name somebody quotes, and reads its whole life."""

import asyncio
from pathlib import Path

import pytest

from tdt.flows import actes_send, helios_send
from tests.budgets import budget, sealed
from tests.commands import Terminal, open_terminal
from tests.dgfip_flows import sample as pes
from tests.faults.plant import SIREN, Plant, acquit, anomaly_mail, ar_mail
from tests.faults.test_budgets import submit as submit_budget


@pytest.fixture
def terminal(works: Plant, tmp_path: Path) -> Terminal:
    folder = tmp_path / "terminal"
    folder.mkdir()
    return open_terminal(works.database, folder)


async def told(terminal: Terminal, *words: object, code: int = 0) -> str:
    return await asyncio.to_thread(terminal.run, "flow", *words, code=code)


async def test_an_acte_by_each_of_its_names(works: Plant, terminal: Terminal) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    assert (await works.ingest(ar_mail()))[0] == "handled"
    row = (await works.fetch("select name, archive_name from acte_envelope where id = $1", envelope))[0]
    unique_id = f"034-{SIREN}-20260309-2026_017-DE"
    by_number = await told(terminal, f"actes:{acte}")
    for name in (unique_id, row["name"], row["archive_name"]):
        assert await told(terminal, name) == by_number, name
    for words in (
        f"actes:{acte} · Transmission d'un acte (1-1)",
        "Acquittement reçu (4) depuis le ",
        f"IDActe        {unique_id}",
        "Nature        1 Délibérations",
        "Été",
        "AR du         2026-03-10",
        "Dépôt initial [A]",
        "Reçu par le MI le 2026-03-10 [l'État]",
        f"accepté  {row['archive_name']}",
        "déféré : réception de l'acte du 2026-03-10",
        "99_DE application/pdf",
    ):
        assert words in by_number, (words, by_number)
    assert "Cause" not in by_number
    assert "Attendu" not in by_number
    as_json = await asyncio.to_thread(terminal.rows, "flow", f"actes:{acte}")
    assert (as_json["flow"], as_json["unique_id"], as_json["status"]["code"]) == (f"actes:{acte}", unique_id, 4)


async def test_an_acte_in_error_tells_cause_and_remedy(works: Plant, terminal: Terminal) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    assert (await works.ingest(anomaly_mail("007")))[0] == "handled"
    text = await told(terminal, f"actes:{acte}")
    assert "Cause         Un fichier est refusé : format, typologie ou fichier illisible. [ANOMALIE_ACTE_007]" in text
    assert "À faire par   la collectivité" in text
    assert "Remède        corriger le fichier" in text


async def test_a_budget_shows_its_totals(works: Plant, terminal: Terminal) -> None:
    acte = await submit_budget(works, sealed(budget()))
    await actes_send.analyse(works.deps, acte)
    text = await told(terminal, f"actes:{acte}")
    assert "budget : bon — Budget primitif 2026, M57-M57_A, 5 lignes" in text
    assert "fonctionnement, depenses : MtBudgPrec 1000.00, MtPropNouv 1200.00, MtPrev 1200.00" in text


async def test_work_set_aside_is_told_with_its_reason_to_the_operator(works: Plant, terminal: Terminal) -> None:
    acte, envelope = await works.packaged_acte()
    await works.fetch(
        "update job set state = 'dead', last_error = 'ECHEC : disque plein' where object_id = $1", envelope
    )
    text = await told(terminal, f"actes:{acte}")
    assert "MIS DE CÔTÉ" in text
    assert "ECHEC : disque plein" in text
    assert "Attendu       l'exploitant de la plate-forme : reprendre ce traitement, mis de côté" in text


async def test_a_pes_by_each_of_its_names(works: Plant, terminal: Terminal) -> None:
    number = await works.queued_pes(pes("FLUX-ESSAI-1"))
    await helios_send.transmit(works.deps, number)
    await works.ingest_file(acquit())
    row = (await works.fetch("select transmitted_name from helios_transaction where id = $1", number))[0]
    by_number = await told(terminal, f"helios:{number}")
    for name in ("FLUX-ESSAI-1", row["transmitted_name"], "flux.xml", "ACK.xml"):
        assert await told(terminal, name) == by_number, name
    for words in (
        f"helios:{number} · Flux PES",
        "NomFic        FLUX-ESSAI-1",
        row["transmitted_name"],
        "acquit   ACK.xml",
    ):
        assert words in by_number, (words, by_number)
    as_json = await asyncio.to_thread(terminal.rows, "flow", f"helios:{number}")
    assert as_json["files"][0]["posted_filename"] == "flux.xml"


async def test_what_the_dgfip_would_refuse_is_told_with_its_place(works: Plant, terminal: Terminal) -> None:
    number = await works.queued_pes(pes().replace(b'.pdf"', b'"').replace(b'CodCol V="012"', b'CodCol V="000"'))
    assert "helios.schema  à faire" in await told(terminal, f"helios:{number}")
    await helios_send.check_schema(works.deps, number)
    text = await told(terminal, f"helios:{number}")
    assert "schéma : la DGFiP le refuserait" in text
    assert "Le Guichet XML refuserait tout le flux : 2 défauts." in text
    assert "Le code de la collectivité (CodCol) vaut 000. [GUICHET_CODCOL_ZERO, refus : flux]" in text
    assert "(PJ 12345678200010ESSAI1) [GUICHET_PJ_NOM, refus : PJ]" in text
    as_json = await asyncio.to_thread(terminal.rows, "flow", f"helios:{number}")
    [report] = [one for one in as_json["reports"] if one["aspect"] == "schema"]
    assert [one["code"] for one in report["data"]["findings"]] == ["GUICHET_CODCOL_ZERO", "GUICHET_PJ_NOM"]


async def test_several_of_one_name_are_listed(works: Plant, terminal: Terminal) -> None:
    for nomfic in ("FLUX-1", "FLUX-2"):
        await works.submit_pes(pes(nomfic))
    listed = await told(terminal, "flux.xml", code=3)
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["helios:1", "helios:2"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("actes:999", "REFUS : Numéro de transaction invalide."),
        ("helios:999", "REFUS : Numéro de transaction invalide."),
        ("12", "REFUS : Un numéro seul est ambigu : actes:12 ou helios:12."),
        ("RIEN.xml", "REFUS : Rien ne porte ce nom : RIEN.xml"),
    ],
)
async def test_what_is_unknown(terminal: Terminal, name: str, words: str) -> None:
    assert words in await told(terminal, name, code=1)
