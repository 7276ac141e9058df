"""What the DGFiP says of a PES, over the wire: the bytes of the JSON, who reads it, the refusals."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tdt.db.helios_bordereaux import insert_bordereaux
from tdt.db.helios_news import Budget, insert_news
from tdt.db.helios_verdicts import KeptVerdict, insert_verdict
from tdt.domain.helios.carried import Carried, CarriedBordereau
from tdt.domain.helios.news import NewsReader, Side
from tdt.domain.ids import HeliosId, HeliosRetourId
from tests.wire import test_helios_api as helios
from tests.wire import test_helios_retours as retours
from tests.wire.administration import error
from tests.wire.stack import Stack

ACQUIT = b'<PES_ACQUIT><ACQUIT><ElementACQUIT><EtatAck V="1"/></ElementACQUIT></ACQUIT></PES_ACQUIT>'
REFUSED: dict[str, Any] = {
    "kind": "pj",
    "domain": "4",
    "exercice": "",
    "number": "ESSAI0002",
    "state": "rejected",
    "anomalies": [{"code": "ERREUR_DOUBLON_PJ", "label": "1984 - L'identifiant unique de la PJ a déjà servi"}],
    "pieces": [],
}
COUNTS = {"elements": {"pj": {"accepted": 0, "rejected": 1, "unstated": 0}}, "anomalies": 1, "omitted": 0}

ELEMENTS = (
    (2, "PES_DepenseRetour", ""),
    (4, "TypRestit", "01"),
    (3, "Bordereau", ""),
    (5, "Exer", "2026"),
    (5, "IdBord", "12"),
    (5, "TypBord", "01"),
    (4, "Piece", ""),
    (6, "IdPce", "345"),
    (6, "EtatPce", "04"),
    (6, "ObsEtat", "03"),
)


def path(flow: object) -> str:
    return f"/api/v1/helios/{flow}/verdict"


async def told(stack: Stack, flow: object, account: str = "certonly") -> dict[str, Any]:
    answer = await stack.client(account).get(path(flow))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    assert answer.body.isascii()
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def answered(stack: Stack) -> HeliosId:
    """A flow that has its acquit, which says something that was kept."""
    flow = await helios.deposit(stack)
    content = await helios.acquit(stack, flow, ACQUIT)
    async with stack.deps.transaction("system") as connection:
        kept = KeptVerdict(content, "ACK.xml", "rejected", COUNTS, [REFUSED])
        await insert_verdict(connection, stack.authorities["A"], flow, kept)
    return flow


async def test_nothing_said_yet(stack: Stack) -> None:
    flow = await helios.deposit(stack)
    assert await told(stack, flow) == {
        "id": flow,
        "nomfic": None,
        "status": {"code": 1, "label": "Posté"},
        "verdict": None,
        "earlier": [],
        "returns": {"counts": {}, "omitted": 0, "pieces": []},
    }


async def test_what_was_kept_is_explained(stack: Stack) -> None:
    flow = await answered(stack)
    verdict = (await told(stack, flow))["verdict"]
    assert verdict.pop("read_at")
    assert verdict == {
        "outcome": {"code": "rejected", "label": "Rejeté"},
        "acquit": "ACK.xml",
        "counts": COUNTS["elements"],
        "anomalies": 1,
        "omitted": 0,
        "download": f"/modules/helios/helios_download_acquit.php?id={flow}",
        "elements": [
            {
                "kind": "pj",
                "domain": {"code": "4", "label": "PJ"},
                "exercice": None,
                "number": "ESSAI0002",
                "state": "rejected",
                "anomalies": [
                    {
                        "code": "ERREUR_DOUBLON_PJ",
                        "label": "1984 - L'identifiant unique de la PJ a déjà servi",
                        "cause": "Une pièce jointe de cet identifiant unique est déjà dans Hélios.",
                        "who": "un agent de la collectivité",
                        "remedy": "si c'est le même document, ne pas le renvoyer ; sinon lui donner un autre "
                        "identifiant, dans PES_PJ et dans la pièce comptable",
                    }
                ],
                "pieces": [],
            }
        ],
    }
    given = await stack.client().get(verdict["download"])
    assert given.body == ACQUIT


async def test_an_acquit_that_was_never_read_is_read_now(stack: Stack) -> None:
    flow = await helios.deposit(stack)
    await helios.acquit(stack, flow, ACQUIT)
    verdict = (await told(stack, flow))["verdict"]
    assert (verdict["outcome"]["code"], verdict["read_at"]) == ("accepted", None)


async def test_who_reads_it(stack: Stack) -> None:
    flow = await answered(stack)
    for account in ("adm", "arch", "sadm"):
        assert (await told(stack, flow, account))["id"] == flow


@pytest.mark.parametrize("number", ["999999999", "0", "-1", "x", "1.5", "9" * 30, "%00", "%C3%A9"])
async def test_a_number_of_nothing_and_one_of_another_are_the_same(stack: Stack, number: str) -> None:
    flow = await answered(stack)
    unknown = await stack.client("other").get(path(number))
    foreign = await stack.client("other").get(path(flow))
    assert unknown.body == foreign.body == error("Numéro de transaction invalide.")


async def test_a_retour_tells_its_pieces_and_their_flows(stack: Stack) -> None:
    flow = await helios.deposit(stack)
    number = await retours.put(stack, stack.authorities["A"], at=datetime(2026, 3, 4, 9, tzinfo=UTC))
    said = NewsReader()
    for element in ELEMENTS:
        said.start(*element)
    async with stack.deps.transaction("system") as connection:
        await connection.execute(
            "update helios_transaction set status = 3, transmitted_name = 'P', xml_cod_col = '012', xml_cod_bud = '00',"
            " xml_nomfic = 'N' where id = $1",
            flow,
        )
        carried = CarriedBordereau(Side.DEPENSE, 2026, 12, "01", [345])
        await insert_bordereaux(connection, stack.authorities["A"], flow, Carried((carried,)))
        await insert_news(connection, stack.authorities["A"], HeliosRetourId(number), Budget("012", "00"), said.close())
    answer = await stack.client().get(f"/api/v1/helios/retours/{number}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    seen = json.loads(answer.body)
    (piece,) = seen.pop("pieces")
    (carrier,) = seen.pop("flows")
    assert (carrier["id"], carrier["nomfic"], piece["flows"]) == (flow, "N", [flow])
    assert seen == {
        "id": number,
        "name": "PES_RETOUR_1.xml",
        "typ_fic": None,
        "siret": None,
        "received_at": "2026-03-04T09:00:00+00:00",
        "read": False,
        "read_at": None,
        "download": f"/modules/helios/api/helios_get_retour.php?id={number}",
        "header": {"CodCol": "012", "CodBud": "00"},
        "restitutions": [{"code": "01", "label": "Rejet"}],
        "counts": {"depense": {"rejected": 1}},
        "omitted": 0,
    }
    assert (piece["state"], piece["observation"]["code"]) == (
        {"kind": "rejected", "code": "04", "label": "Rejeté"},
        "03",
    )
    news = (await told(stack, flow))["returns"]
    assert (news["counts"], news["pieces"][0]["retour"]["id"]) == ({"rejected": 1}, number)
    for unknown in (f"{number + 1}", "x", "0"):
        refused = await stack.client().get(f"/api/v1/helios/retours/{unknown}")
        assert refused.body == error("Numéro de PES_Retour invalide.")
    foreign = await stack.client("other").get(f"/api/v1/helios/retours/{number}")
    assert foreign.body == error("Numéro de PES_Retour invalide.")
