"""What the DGFiP says, end to end: a refused line becomes a verdict, a PES_Retour finds the flows of its pièces."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tdt.db.migrate import migrations_directory
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Refused, Temporary
from tdt.domain.ids import HeliosId, HeliosRetourId
from tdt.domain.jobs import JobKind
from tdt.flows import helios_send
from tdt.flows.helios_view import view_retour, view_verdict
from tdt.simulators.dgfip_acquit import build_technical, build_v1, build_v2, elements_of, refuse_first
from tdt.simulators.dgfip_reader import read_flow
from tdt.simulators.dgfip_retour import Wanted, build_retour
from tdt.workers.handlers import HANDLERS
from tests.commands import open_terminal
from tests.dgfip_flows import Slip, envelope, slip
from tests.faults.plant import Plant
from tests.postgres import TestDatabase

OPERATOR = Actor(Source.CLI, None)
LABEL = "1971 - Compte fonction présent à tort"
REFUSED_LINE = (
    '<ElementACQUIT><DomaineAck V="5"/><EtatAck V="0"/><NumBord V="12"/><ExerciceBord V="2026"/><DetailPiece>'
    '<NumPiece V="345"/><DetailLigne><NumLigne V="7"/><Erreur><NumAnoAck V="ERREUR_AUTRE"/>'
    f'<LibelleAnoAck V="{LABEL}"/></Erreur></DetailLigne></DetailPiece></ElementACQUIT>'
    '<ElementACQUIT><DomaineAck V="6"/><EtatAck V="1"/><NumBord V="7"/><ExerciceBord V="2026"/></ElementACQUIT>'
)


def pes(name: str = "FLUX-ESSAI-1", *slips: Slip) -> bytes:
    """A flow of one bordereau of mandats (12, mandat 345) and one of titres (7, titre 88), unless told otherwise."""
    blocks = ""
    for side, expense in (("Depense", True), ("Recette", False)):
        made = "".join(slip(one) for one in slips or (Slip(), Slip("7", expense=False)) if one.expense is expense)
        head = f'<EnTete{side}><IdVer V="2"/><InfoDematerialisee V="0"/></EnTete{side}>'
        blocks += f"<PES_{side}Aller>{head}{made}</PES_{side}Aller>" if made else ""
    return f"{envelope(name)}{blocks}</n:PES_Aller>".encode("latin-1")


def acquit(elements: str) -> bytes:
    """The answer to `pes`."""
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><n:PES_ACQUIT xmlns:n="urn:essai"><Enveloppe><Parametres>'
        '<NomFic V="FLUX-ESSAI-1"/></Parametres></Enveloppe><EnTetePES><CodCol V="012"/></EnTetePES>'
        f"<ACQUIT>{elements}</ACQUIT></n:PES_ACQUIT>"
    ).encode("latin-1")


def piece(number: str, state: str, more: str = "") -> str:
    return f'<Piece><InfoPiece><IdPce V="{number}"/><EtatPce V="{state}"/>{more}</InfoPiece></Piece>'


def retour(*pieces: str, bordereau: str = "12", kind: str = "01", cod_bud: str = "00", note: str = "") -> bytes:
    """A PES_Retour about mandats of the budget of `pes`."""
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?><!--{note}--><n:PES_Retour xmlns:n="urn:r"><EnTetePES>'
        f'<IdColl V="12345678200010"/><CodColl V="012"/><CodBud V="{cod_bud}"/></EnTetePES><PES_DepenseRetour>'
        '<EnTeteDepense><TypRestit V="01"/></EnTeteDepense><Bordereau><BlocBordereau><Exer V="2026"/>'
        f'<IdBord V="{bordereau}"/><TypBord V="{kind}"/></BlocBordereau>{"".join(pieces)}</Bordereau>'
        "</PES_DepenseRetour></n:PES_Retour>"
    ).encode("latin-1")


async def sent(works: Plant, data: bytes, who: str = "A") -> HeliosId:
    flow = await works.queued_pes(data, who)
    await helios_send.transmit(works.deps, flow)
    return flow


async def verdict(works: Plant, flow: HeliosId, who: str = "A") -> dict[str, Any]:
    told = await view_verdict(works.deps, Actor(Source.API, works.people[who]), flow)
    return json.loads(json.dumps(told))  # type: ignore[no-any-return]


async def news(works: Plant, data: bytes, name: str = "R.xml") -> HeliosRetourId:
    assert (await works.ingest_file(data, name))[0] == "handled"
    (row,) = await works.fetch("select max(id) as id from helios_retour")
    return HeliosRetourId(row["id"])


async def test_a_refused_line_becomes_a_verdict(works: Plant, tmp_path: Path) -> None:
    flow = await sent(works, pes())
    assert (await verdict(works, flow))["verdict"] is None
    await works.ingest_file(acquit(REFUSED_LINE))
    assert await works.helios_status(flow) == 8  # what clients of S2LOW read does not change
    told = await verdict(works, flow)
    assert told["verdict"]["outcome"] == {"code": "partial", "label": "Accepté en partie"}
    assert told["verdict"]["counts"] == {"bordereau": {"accepted": 1, "rejected": 1, "unstated": 0}}
    refused, accepted = told["verdict"]["elements"]
    assert (accepted["number"], accepted["state"], accepted["pieces"]) == ("7", "accepted", [])
    (line,) = refused["pieces"][0]["lignes"]
    assert (refused["number"], refused["pieces"][0]["number"], line["number"]) == ("12", "345", "7")
    assert line["anomalies"] == [
        {
            "code": "ERREUR_AUTRE",
            "label": LABEL,
            "cause": "La ligne porte un code fonction que la nomenclature de ce budget n'admet pas.",
            "who": "un agent de la collectivité",
            "remedy": "ôter la fonction de la ligne, ou demander au comptable la nomenclature suivie, puis déposer le "
            "flux corrigé sous un nouveau NomFic",
        }
    ]
    folder = tmp_path / "terminal"
    folder.mkdir()
    terminal = open_terminal(works.database, folder)
    text = await asyncio.to_thread(terminal.run, "flow", f"helios:{flow}")
    assert "Accepté en partie — 1 bordereau accepté, 1 bordereau REFUSÉ (ACK.xml)" in text
    assert f"pièce 345 ligne 7 ERREUR_AUTRE « {LABEL} »" in text
    assert "À faire par un agent de la collectivité : ôter la fonction de la ligne" in text
    as_json = await asyncio.to_thread(terminal.rows, "flow", f"helios:{flow}")
    assert as_json["verdict"] == told["verdict"]


async def test_an_acquit_that_came_before_verdicts_were_kept_is_read_on_demand(works: Plant) -> None:
    flow = await sent(works, pes())
    await works.ingest_file(acquit(REFUSED_LINE))
    kept = (await verdict(works, flow))["verdict"]
    await works.fetch("delete from helios_verdict")
    assert (await verdict(works, flow))["verdict"] == {**kept, "read_at": None}


async def test_a_later_acquit_replaces_the_first_which_is_kept(works: Plant) -> None:
    flow = await sent(works, pes())
    await works.ingest_file(acquit(REFUSED_LINE))
    assert (await works.ingest_file(acquit(""), "ACK2.xml"))[0] == "set_aside"
    assert (await verdict(works, flow))["verdict"]["acquit"] == "ACK.xml"
    # an operator gives it to the flow
    await works.fetch(
        "update received set state = 'new', assigned_helios_id = $1, authority_id = $2, assigned = true"
        " where name = 'ACK2.xml'",
        flow,
        works.people["A"].user.authority_id,
    )
    (row,) = await works.fetch("select id from received where name = 'ACK2.xml'")
    await works.read_again(row["id"])
    told = await verdict(works, flow)
    assert (told["verdict"]["acquit"], told["verdict"]["outcome"]["code"]) == ("ACK2.xml", "unstated")
    assert [(one["acquit"], one["outcome"]["code"]) for one in told["earlier"]] == [("ACK.xml", "partial")]


async def test_a_rejected_mandat_finds_its_flow_then_is_paid(works: Plant) -> None:
    flow = await sent(works, pes())
    reason = '<ObsEtat V="03"/><Commentaire V="Article 6068"/><DtePceRej V="2026-01-20"/>'
    first = await news(works, retour(piece("0000345", "04", reason), piece("999", "04"), bordereau="0012"))
    told = (await verdict(works, flow))["returns"]
    assert (told["counts"], told["omitted"]) == ({"rejected": 1}, 0)
    (one,) = told["pieces"]
    assert (one["side"], one["exercice"], one["bordereau"], one["piece"]) == ("depense", 2026, 12, 345)
    assert one["state"] == {"kind": "rejected", "code": "04", "label": "Rejeté"}
    assert (one["date"], one["comment"], one["also_in"]) == ("2026-01-20", "Article 6068", [])
    assert (one["observation"]["label"], one["observation"]["who"]) == (
        "Insuffisance de crédits budgétaires",
        "l'ordonnateur",
    )
    seen = await view_retour(works.deps, OPERATOR, first)
    assert seen["counts"] == {"depense": {"rejected": 2}}
    pieces: Any = seen["pieces"]
    assert [(one["piece"], one["flows"]) for one in pieces] == [(345, [flow]), (999, [])]
    second = await news(works, retour(piece("345", "05"), kind="01"), "P.xml")
    told = (await verdict(works, flow))["returns"]
    assert told["counts"] == {"paid": 1}
    assert told["pieces"][0]["retour"]["id"] == second


async def test_a_corrected_copy_is_linked_too_the_newest_first(works: Plant) -> None:
    first = await sent(works, pes("COPIE-1"))
    second = await sent(works, pes("COPIE-2"))
    shown = await view_retour(works.deps, OPERATOR, await news(works, retour(piece("345", "01"))))
    pieces: Any = shown["pieces"]
    assert pieces[0]["flows"] == [second, first]
    assert (await verdict(works, first))["returns"]["pieces"][0]["also_in"] == [second]
    flows: Any = shown["flows"]
    assert [one["nomfic"] for one in flows] == ["COPIE-2", "COPIE-1"]


@pytest.mark.parametrize("other", [{"bordereau": "13"}, {"cod_bud": "01"}])
async def test_another_bordereau_or_another_budget_is_not_linked(works: Plant, other: dict[str, str]) -> None:
    flow = await sent(works, pes())
    await news(works, retour(piece("345", "04"), **other))
    assert (await verdict(works, flow))["returns"] == {"counts": {}, "omitted": 0, "pieces": []}


async def test_the_type_separates_bordereaux_of_one_number(works: Plant) -> None:
    ordinary = await sent(works, pes("ORDINAIRE", Slip()))
    cancelling = await sent(works, pes("ANNULATION", Slip(kind="02")))
    shown = await view_retour(works.deps, OPERATOR, await news(works, retour(piece("345", "04"), kind="02")))
    pieces: Any = shown["pieces"]
    assert pieces[0]["flows"] == [cancelling]
    assert (await verdict(works, ordinary))["returns"]["pieces"] == []


async def test_never_with_the_flows_of_another_collectivite(works: Plant) -> None:
    mine = await sent(works, pes("A"))
    theirs = await sent(works, pes("B"), "B")
    shown = await view_retour(works.deps, OPERATOR, await news(works, retour(piece("345", "04"))))
    pieces: Any = shown["pieces"]
    assert pieces[0]["flows"] == [mine]
    assert (await verdict(works, theirs, "B"))["returns"]["pieces"] == []
    with pytest.raises(Refused):
        await verdict(works, mine, "B")


@pytest.mark.parametrize("tried", [False, True])
async def test_a_flow_that_never_left_is_not_linked(works: Plant, tried: bool) -> None:
    flow = await works.queued_pes(pes())
    if tried:
        works.ftp.behaviour.site_reply = "500 not now"
        with pytest.raises(Temporary):
            await helios_send.transmit(works.deps, flow)
        works.ftp.behaviour.site_reply = "200 ok"
    await sent(works, pes("AUTRE", Slip("99")))
    await news(works, retour(piece("345", "04")))
    assert (await verdict(works, flow))["returns"]["pieces"] == []
    if tried:
        await helios_send.transmit(works.deps, flow)
        assert len((await verdict(works, flow))["returns"]["pieces"]) == 1


async def test_a_flow_analysed_again_is_indexed_once(database: TestDatabase, works: Plant) -> None:
    flow = await works.submit_pes(pes())
    for _ in range(2):
        await helios_send.analyse(works.deps, flow)
        await works.fetch("update helios_transaction set status = 1")
    rows = await works.fetch("select side, exercice, number, type, pieces from helios_bordereau order by side")
    assert [tuple(row) for row in rows] == [
        ("depense", 2026, 12, "01", [345]),
        ("recette", 2026, 7, "01", [88]),
    ]


async def test_a_flow_of_before_is_read_once_for_what_it_carries(works: Plant) -> None:
    """As the upgrade does it: one job for each flow that left, none for one that is noted already."""
    flow = await sent(works, pes("AVANT"))
    noted = await sent(works, pes("APRES", Slip("99")))
    await works.fetch("delete from helios_bordereau where transaction_id = $1", flow)
    migration = next(migrations_directory().glob("*_post_helios_bordereaux.sql")).read_text(encoding="utf-8")
    connection = await asyncpg.connect(works.database.owner_dsn)
    try:
        await connection.execute(migration)
    finally:
        await connection.close()
    jobs = await works.fetch("select object_id from job where kind = 'helios.index'")
    assert [row["object_id"] for row in jobs] == [flow] != [noted]
    await HANDLERS[JobKind.HELIOS_INDEX](works.deps, flow)
    await HANDLERS[JobKind.HELIOS_INDEX](works.deps, 999)
    await news(works, retour(piece("345", "04")))
    assert (await verdict(works, flow))["returns"]["counts"] == {"rejected": 1}


async def test_what_the_simulated_dgfip_says(works: Plant, tmp_path: Path) -> None:
    """Its refusals of both versions and its technical one give the verdict; its rejection finds the flow."""
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    outcomes = []
    for number, build in enumerate((build_v2, build_v1), 1):
        flow = await sent(works, pes(f"SIMULE-{number}", Slip(str(number)), Slip(f"9{number}", expense=False)))
        path = tmp_path / f"{number}.xml"
        path.write_bytes(pes(f"SIMULE-{number}", Slip(str(number)), Slip(f"9{number}", expense=False)))
        seen = read_flow(path)
        await works.ingest_file(build(seen, refuse_first(seen, elements_of(seen))), f"SIM{number}.xml")
        told = await verdict(works, flow)
        refused = told["verdict"]["elements"][0]
        line = refused["pieces"][0]["lignes"][0]
        outcomes.append((told["verdict"]["outcome"]["code"], refused["pieces"][0]["number"], line["number"]))
        assert line["anomalies"][0]["who"] == "un agent de la collectivité"
    assert outcomes == [("partial", "345", "7")] * 2
    flow = await sent(works, pes("TECHNIQUE", Slip("77")))
    path.write_bytes(pes("TECHNIQUE", Slip("77")))
    await works.ingest_file(build_technical(read_flow(path), 3, 14, "élément inattendu"), "TECH.xml")
    told = await verdict(works, flow)
    assert told["verdict"]["outcome"]["code"] == "technical"
    assert told["verdict"]["elements"][0]["anomalies"][0]["who"] == "l'éditeur du logiciel"
    header = {"IdPost": "034001", "CodCol": "012", "CodBud": "00"}
    carried = {"exercise": "2026", "number": "77", "kind": "01", "piece": "345", "line": "7"}
    rejection = build_retour(Wanted("12345678200010", "depense", "R"), header, at, carried)
    await news(works, rejection.content, rejection.name)
    (one,) = (await verdict(works, flow))["returns"]["pieces"]
    assert (one["state"]["kind"], one["observation"]["label"]) == (
        "rejected",
        "Insuffisance de crédits budgétaires",
    )
    assert one["lignes"][0]["state"] == {"code": "02", "label": "Rejeté"}
