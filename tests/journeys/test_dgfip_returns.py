"""What the DGFiP returns, on a running sandbox: acquits of every shape, PES_Retour that find their owner late."""

import base64
import json
from typing import Any

import pytest
from click.testing import CliRunner

from tdt.cli import main
from tests.journeys.flows import small_pes
from tests.journeys.running import Sandbox, pes_status, post_pes, until

UNKNOWN = "73282932000074"


def tdt(sandbox: Sandbox, *words: object) -> str:
    """What an operator types there."""
    environment = {"TDT_CONFIG": str(sandbox.directory / "tdt.toml")}
    result = CliRunner().invoke(main, [str(word) for word in words], env=environment)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


def box(sandbox: Sandbox) -> dict[str, Any]:
    """What waits for the operator, by name of file."""
    rows = json.loads(tdt(sandbox, "box", "list", "--json"))
    return {row["code"]: row for row in rows}


def waits(sandbox: Sandbox, code: str) -> Any:
    return until(lambda: box(sandbox).get(code), 30, code)


@pytest.mark.parametrize("shape", ["ok", "v1", "ko", "technical", "duplicate"])
def test_an_acquit_of_every_shape_ends_at_8(sandbox: Sandbox, shape: str) -> None:
    client = sandbox.client("certonly")
    sandbox.control("/dgfip/behaviour", {"acquit": shape})
    flow = post_pes(client, small_pes(f"FORME{shape}"))
    until(lambda: pes_status(client, flow) == 8 or None, 30, "acquit")
    assert b"PES_ACQUIT" in client.get("/modules/helios/helios_download_acquit.php", id=flow)
    sandbox.control("/dgfip/behaviour", {"acquit": "ok"})


def test_what_nobody_can_be_given_waits_and_leaves_the_box(sandbox: Sandbox) -> None:
    deposit = {
        "OCRE_20260301.ocre": b"%OCRE%",
        "ENSU.xml": b"<n:ENSUDocuments xmlns:n='urn:x'><IdColl V='12345678200010'/></n:ENSUDocuments>",
        "034000_260301-ACK-1.xml": small_pes("JAMAIS").replace(b"PES_Aller", b"PES_ACQUIT"),
    }
    for name, data in deposit.items():
        sandbox.control("/dgfip/deposit", {"name": name, "content_base64": base64.b64encode(data).decode()})
    retour = sandbox.control("/dgfip/retour", {"id_coll": UNKNOWN, "kind": "depense"})
    line = waits(sandbox, "RETOUR_SIRET_INCONNU")
    for code in ("FICHIER_OCRE", "FICHIER_INCONNU", "ACQUIT_SANS_FLUX"):
        waits(sandbox, code)
    found = box(sandbox)
    authority = found["FICHIER_INCONNU"]["proposed"]
    assert authority is not None
    shown = json.loads(tdt(sandbox, "box", "show", line["id"], "--json"))
    assert shown["name"] == retour["name"]
    assert (shown["said"]["root"], shown["said"]["id_coll"]) == ("PES_Retour", UNKNOWN)
    target = sandbox.directory / "sauve.ocre"
    tdt(sandbox, "box", "save", found["FICHIER_OCRE"]["id"], "--to", target)
    assert target.read_bytes() == deposit["OCRE_20260301.ocre"]
    # the SIRET is given: the PES_Retour is read again by itself
    tdt(sandbox, "admin", "authorities", "siret", "add", authority, UNKNOWN)
    read = ("box", "list", "--state", "handled", "--json")
    handled = until(lambda: {row["id"]: row for row in json.loads(tdt(sandbox, *read))}.get(line["id"]), 30, "again")
    assert handled["authority"] == authority
    for code in ("FICHIER_OCRE", "FICHIER_INCONNU", "ACQUIT_SANS_FLUX"):
        tdt(sandbox, "box", "dismiss", found[code]["id"], "--reason", "vu")
    assert box(sandbox) == {}
