"""The main job on a running sandbox: an acte to its AR, a PES to its acquit, nothing of it for anybody else."""

import hashlib
import json
import re
import ssl
import time
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tdt.sandbox.client import Upload
from tests.journeys.flows import small_pes
from tests.journeys.running import Sandbox, acte_status, pes_status, post_acte, post_pes, until
from tests.pes_signing import at, sign, signed, unsigned
from tests.signing import Person

STATUS = "/modules/actes/actes_transac_get_status.php"
FILES = "/modules/actes/actes_transac_get_files_list.php"


def test_acte_and_pes_arrive_within_five_seconds(sandbox: Sandbox) -> None:
    client = sandbox.client("system")
    started = time.monotonic()
    acte, pes = post_acte(client, "DEUX"), post_pes(client, small_pes("DEUX"))
    until(lambda: acte_status(client, acte)[0] == 4 or None, 5, "AR")
    until(lambda: pes_status(client, pes) == 8 or None, 5 - (time.monotonic() - started), "acquit")
    _, ar = acte_status(client, acte)
    assert re.search(rb'actes:DateReception="\d{4}-\d\d-\d\d"', ar)
    files = json.loads(client.get(FILES, transaction=acte))
    assert [file["posted_filename"] for file in files] == ["", "deliberation.pdf", "annexe 0.pdf"]
    assert [file["id"] for file in files] == sorted(file["id"] for file in files)
    acquit = client.get("/modules/helios/helios_download_acquit.php", id=pes)
    assert b'<NomFic V="DEUX"/>' in acquit
    assert b'<EtatAck V="1"/>' in acquit
    assert client.get("/modules/helios/helios_download_file.php", id=pes) == small_pes("DEUX")


def test_another_collectivite_gets_what_an_unknown_number_gets(sandbox: Sandbox) -> None:
    mine, other = sandbox.client("certonly"), sandbox.client("other")
    acte, pes = post_acte(mine, "PRIVE"), post_pes(mine, small_pes("PRIVE"))
    until(lambda: acte_status(mine, acte)[0] == 4 or None, 10, "AR")
    until(lambda: pes_status(mine, pes) == 8 or None, 10, "acquit")
    file = json.loads(mine.get(FILES, transaction=acte))[1]["id"]
    pairs = [
        (STATUS, "transaction", acte),
        (FILES, "transaction", acte),
        ("/modules/actes/actes_download_file.php", "file", file),
        ("/modules/actes/actes_transac_get_ARActe.php", "id", acte),
        ("/modules/helios/helios_download_acquit.php", "id", pes),
        ("/modules/helios/helios_download_file.php", "id", pes),
    ]
    for path, name, number in pairs:
        theirs = other.get(path, **{name: number})
        unknown = other.get(path, **{name: 987_654_321})
        assert theirs == unknown, path
    theirs = other.get("/modules/helios/api/helios_transac_get_status.php", transaction=pes)
    unknown = other.get("/modules/helios/api/helios_transac_get_status.php", transaction=987_654_321)
    assert theirs == unknown.replace(b"987654321", str(pes).encode())


def holder(sandbox: Sandbox) -> Person:
    """Who signs with the certificate of a software of the sandbox."""
    clients = sandbox.directory / "pki" / "clients"
    key = load_pem_private_key((clients / "certonly.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Person(x509.load_pem_x509_certificate((clients / "certonly.pem").read_bytes()), key)


def test_a_pes_signed_with_the_certificate_of_an_agent(sandbox: Sandbox) -> None:
    agent = holder(sandbox)
    now = at(datetime.now(UTC).replace(microsecond=0))  # the certificate of the sandbox is an hour old
    client, data = sandbox.client("certonly"), signed(agent, now, name="SIGNE")
    pes = post_pes(client, data)
    until(lambda: pes_status(client, pes) == 8 or None, 10, "acquit")
    assert client.get("/modules/helios/helios_download_file.php", id=pes) == data
    altered = post_pes(client, signed(agent, now, name="ALTERE").replace(b'<MtHT V="100.00"/>', b'<MtHT V="900.00"/>'))
    until(lambda: pes_status(client, altered) == -1 or None, 10, "refusal")
    told = client.get("/modules/helios/api/helios_transac_get_status.php", transaction=altered)
    assert b"La signature du fichier est invalide : Impossible d&#039;affirmer que la signature correspond" in told


def test_a_pes_that_waits_for_its_signature_leaves_with_it(sandbox: Sandbox) -> None:
    """Deposited at 13, signed elsewhere, brought back: the signed document goes to its acquit, both are kept."""
    client, deposited = sandbox.client("certonly"), unsigned("12", name="A-SIGNER")
    upload = Upload("enveloppe", "flux.xml", deposited, "text/xml")
    answer = client.post("/modules/helios/api/helios_importer_fichier.php", [("must_signed", "1")], [upload])
    found = re.search(rb"<id>(\d+)</id>\s*<resultat>OK", answer)
    assert found, answer
    pes = int(found[1])
    assert pes_status(client, pes) == 13
    data = sign(deposited, holder(sandbox), shape=at(datetime.now(UTC).replace(microsecond=0)))
    told = client.post(f"/api/v1/helios/{pes}/signed", [], [Upload("enveloppe", "signe.xml", data, "text/xml")])
    assert json.loads(told)["status"] == 1, told
    until(lambda: pes_status(client, pes) == 8 or None, 10, "acquit")
    assert client.get("/modules/helios/helios_download_file.php", id=pes) == data
    assert client.get("/modules/helios/helios_download_file.php", id=pes, deposited=1) == deposited


@pytest.mark.parametrize("name", ["unknown-ca", "expired", "revoked"])
def test_bad_certificates_never_reach_the_application(sandbox: Sandbox, name: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        sandbox.intruder(name).get("/api/test-connexion.php")


def test_a_valid_certificate_of_nobody_is_told_so(sandbox: Sandbox) -> None:
    answer = sandbox.intruder("no-account").get("/api/test-connexion.php")
    assert answer == "KO\nLe certificat n&#039;est pas valide : aucun compte trouvé\n".encode("latin-1")


def test_a_shared_certificate_needs_its_login(sandbox: Sandbox) -> None:
    client = sandbox.client("system")
    assert client.get("/api/test-connexion.php") == b"OK"
    alone = sandbox.client("system", login=None)
    assert alone.get("/api/test-connexion.php").startswith(b"KO\nLa connexion n&#039;a pas pu")


def test_the_simulators_received_what_the_server_serves(sandbox: Sandbox) -> None:
    client = sandbox.client("certonly")
    pes = post_pes(client, small_pes("IDENTIQUE"))
    until(lambda: pes_status(client, pes) == 8 or None, 10, "acquit")
    received = sandbox.control("/dgfip/received")
    number = next(n for n, one in enumerate(received) if one["size"] == len(small_pes("IDENTIQUE")) and one["metadata"])
    bodies = [sandbox.received("/dgfip/received", n) for n in range(number, len(received))]
    assert small_pes("IDENTIQUE") in bodies
    metadata = received[-1]["metadata"]
    assert metadata["P_MSG"] == "PES#123#034000#01"


def test_digests_are_those_of_the_bytes(sandbox: Sandbox) -> None:
    client = sandbox.client("certonly")
    transaction = post_acte(client, "DIGEST")
    until(lambda: acte_status(client, transaction)[0] == 4 or None, 10, "acknowledged")
    received = sandbox.control("/prefecture/received")
    [number] = [n for n, one in enumerate(received) if one["metadata"]["acts"] == ["DIGEST"]]
    assert received[number]["sha256"] == hashlib.sha256(sandbox.received("/prefecture/received", number)).hexdigest()
