"""RGS levels on the wire: the answers about télétransmission with and without entries in rgs.toml."""

import asyncio
from pathlib import Path

import msgspec

from tdt.config import Config
from tdt.domain.text import escape_html
from tdt.sandbox.pki import Pki
from tdt.sandbox.rgs import PERSON_AUTHORITY, PERSON_POLICY, RGS_TOML, SOFTWARE_AUTHORITY, SOFTWARE_POLICY
from tests.postgres import TestDatabase
from tests.wire.client import Client, File
from tests.wire.stack import changed, run_stack

TEST = "/api/test-connexion.php"
RGS = "/api/test-rgs.php"
CREATE = "/modules/actes/actes_transac_create.php"
IMPORT = "/modules/helios/api/helios_importer_fichier.php"
INFO = "/api/info-connexion.php"
Parts = list[tuple[str, str | bytes | File]]


async def test_a_level_is_needed_as_soon_as_one_is_declared(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    """First an authority of the right name with another certificate, the other one not at all; then both."""
    file = tmp_path / "rgs.toml"
    software_only = "[[authority]]".join(RGS_TOML.split("[[authority]]")[:2])
    file.write_text(software_only.replace(',C=FR"\n', f',C=FR"\nsha256 = "{"0" * 64}"\n'), encoding="utf-8")
    server = msgspec.structs.replace(config.server, rgs=str(file))
    async with run_stack(changed(config, server=server), database, pki) as stack:
        software, person = stack.client("certonly"), stack.client("agent")
        for client, told in (
            (software, (SOFTWARE_AUTHORITY, "n'en a pas le certificat", SOFTWARE_POLICY)),
            (person, (PERSON_AUTHORITY, "n'est pas une autorité RGS déclarée", PERSON_POLICY)),
        ):
            assert (await client.get(RGS)).body == b"KO"
            assert (await client.get(TEST)).body == b"OK"
            await check_refusals(client, told)
        known = (await software.get(INFO)).body
        file.write_text(RGS_TOML, encoding="utf-8")
        await until_accepted(software)
        assert (await person.get(RGS)).body == b"OK"
        assert (await software.get(INFO)).body == known


async def check_refusals(client: Client, told: tuple[str, ...]) -> None:
    """The text names the authority and the policies of the certificate."""
    acte: Parts = [("api", "1"), ("number", "A1")]
    body = (await client.post(CREATE, acte)).body.decode("latin-1").replace("&#039;", "'")
    head = escape_html("La télétransmission nécessite un certificat RGS<br/>Erreur : votre certificat")
    assert body.startswith(f"KO\n{head}")
    assert [words for words in (*told, "exploitant") if words not in body] == []
    pes: Parts = [("enveloppe", File("p.xml", b"<a/>"))]
    imported = await client.post(IMPORT, pes)
    assert b"<message>Votre certificat n'est pas RGS et ne vous permet donc pas" in imported.body


async def until_accepted(client: Client) -> None:
    """Wait for the live reload."""
    deadline = asyncio.get_running_loop().time() + 20
    while (await client.get(RGS)).body != b"OK":
        assert asyncio.get_running_loop().time() < deadline, "never reloaded"
        await asyncio.sleep(0.1)
