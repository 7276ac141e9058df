"""The documents of an act that went to the préfecture and back: stamped with the days on which it did; bordereau."""

import json
import re
from pathlib import Path

from reportlab.lib.pagesizes import A4

from tests import pdfs
from tests.journeys.running import Sandbox, acte_status, post_acte, until

DOWNLOAD = "/modules/actes/actes_download_file.php"


def read(data: bytes, path: Path) -> str:
    path.write_bytes(data)
    return " ".join(word.text for page in pdfs.see(path) for word in page.words)


def test_the_stamp_and_the_bordereau_say_when_it_was_received(sandbox: Sandbox, tmp_path: Path) -> None:
    client, data = sandbox.client("system"), pdfs.make(A4, pages=2)
    acte = post_acte(client, "TAMPON", pdf=data)
    until(lambda: acte_status(client, acte)[0] == 4 or None, 20, "AR")
    _, ar = acte_status(client, acte)
    found = re.search(rb'actes:DateReception="(\d{4})-(\d\d)-(\d\d)"', ar)
    assert found
    received = "/".join(part.decode() for part in reversed(found.groups()))
    files = json.loads(client.get("/modules/actes/actes_transac_get_files_list.php", transaction=acte))
    for file in files[1:]:
        stamped = client.get(DOWNLOAD, file=file["id"], tampon="true", date_affichage="2026-01-31")
        text = read(stamped, tmp_path / "stamped.pdf")
        assert text.count(f"Reçu en préfecture le {received}") == 2
        assert text.count("Publié le 31/01/2026") == 2
        assert re.search(r"Envoyé en préfecture le \d\d/\d\d/\d{4} Reçu", text)
        assert client.get(DOWNLOAD, file=file["id"]) == data
    bordereau = read(client.get("/modules/actes/actes_create_pdf.php", trans_id=acte), tmp_path / "bordereau.pdf")
    assert f"Date de réception par la préfecture : {received}" in bordereau
    assert "Acquisition d'une parcelle" in bordereau
