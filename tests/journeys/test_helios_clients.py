"""A client of S2LOW from the deposit of a PES to the PES_Retour, reading answers as both generations of Pastell do."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tdt.sandbox.client import Client, Upload
from tests.journeys.flows import small_pes
from tests.journeys.running import Sandbox, until

API = "/modules/helios/api/"
SIRET = "12345678200010"


def reencoded(body: bytes) -> ElementTree.Element:
    """PHP's utf8_encode of the whole body, then the parser."""
    return ElementTree.fromstring(body.decode("latin-1").encode("utf-8"))


def decoded_twice(body: bytes) -> tuple[str, str]:
    """Pastell of 2021: the body re-encoded, parsed, then the message utf8_decoded."""
    answer = reencoded(body)
    return answer.findtext("status", ""), answer.findtext("message", "").encode("latin-1").decode("utf-8")


def as_it_is(body: bytes) -> tuple[str, str]:
    """Later versions: the body as it came."""
    answer = ElementTree.fromstring(body)
    return answer.findtext("status", ""), answer.findtext("message", "")


def post(client: Client, data: bytes) -> ElementTree.Element:
    answer = client.post(f"{API}helios_importer_fichier.php", [], [Upload("enveloppe", "PES_é.xml", data, "text/xml")])
    return reencoded(answer)


@pytest.mark.parametrize("read_status", [decoded_twice, as_it_is])
def test_from_the_deposit_to_the_acquit(sandbox: Sandbox, read_status: Callable[[bytes], tuple[str, str]]) -> None:
    client, data = sandbox.client("system"), small_pes(f"CLIENT_{read_status.__name__}")
    answer = post(client, data)
    number = answer.findtext("id")
    assert (answer.findtext("resultat"), answer.findtext("message")) == ("OK", "Téléchargement du fichier réussi.")
    first = read_status(client.get(f"{API}helios_transac_get_status.php", transaction=number))
    assert first[1] in (
        "Fichier bien reçu par la plate-forme S2low",
        f"Transaction {number} dans la file d'attente",
        f"Transaction {number} transmise au serveur.",
        f"Transaction {number} : information disponible",
    )

    def last() -> str | None:
        status, message = read_status(client.get(f"{API}helios_transac_get_status.php", transaction=number))
        return message if status == "8" else None

    assert until(last, 10, "acquit") == f"Transaction {number} : information disponible"
    acquit = ElementTree.fromstring(client.get("/modules/helios/helios_download_acquit.php", id=number))
    assert [one.get("V") for one in acquit.iterfind(".//ACQUIT/ElementACQUIT/EtatAck")] == ["1"]
    # the word on which the workflow ends
    again = post(client, data)
    assert again.findtext("resultat") == "KO"
    assert again.findtext("message") == "doublon détecté. Ce fichier a déjà été posté."
    refused = reencoded(client.get(f"{API}helios_transac_get_status.php", transaction=987_654_321))
    assert (refused.findtext("resultat"), refused.findtext("message")) == ("KO", "Numéro de transaction invalide")


def test_a_retour_is_listed_fetched_marked_and_fetched_again(sandbox: Sandbox) -> None:
    client = sandbox.client("system")
    answer = post(client, small_pes("AVANT_RETOUR"))
    assert answer.findtext("resultat") == "OK"
    until(
        lambda: (
            as_it_is(client.get(f"{API}helios_transac_get_status.php", transaction=answer.findtext("id")))[0] == "8"
            or None
        ),
        10,
        "acquit",
    )
    sent = sandbox.control("/dgfip/retour", {"id_coll": SIRET, "kind": "depense"})

    def listed() -> dict[str, str]:
        found = reencoded(client.get(f"{API}helios_get_list.php"))
        assert found.findtext("message") == "liste réussi"
        return {one.findtext("nom", ""): one.findtext("id", "") for one in found.iterfind("pes_retour")}

    number = until(lambda: listed().get(sent["name"]), 10, "PES_Retour")
    assert sent["name"].endswith(".xml")
    data = client.get(f"{API}helios_get_retour.php", id=number)
    assert len(data) == sent["size"]
    assert ElementTree.fromstring(data).tag.endswith("}PES_Retour")
    marked = reencoded(client.get(f"{API}helios_change_status.php", id=number))
    assert (marked.findtext("idRetour"), marked.findtext("resultat")) == (number, "OK")
    assert sent["name"] not in listed()
    assert client.get(f"{API}helios_get_retour.php", id=number) == data
    assert sent["name"] not in {
        one.findtext("nom") for one in reencoded(sandbox.client("other").get(f"{API}helios_get_list.php"))
    }
