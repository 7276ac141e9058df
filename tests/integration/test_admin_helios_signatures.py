"""`tdt admin helios verify-signatures`: a kept flow judged again, compared with what its analysis kept."""

import asyncio
import hashlib
import json
from pathlib import Path

from tdt.config_file import load
from tdt.deps import open_deps
from tdt.domain.ids import HeliosId
from tdt.flows import helios_send
from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import open_town
from tests.pes_signing import everything, unsigned
from tests.postgres import TestDatabase
from tests.signing import DAY, Authority, pem

VERIFY = ("admin", "helios", "verify-signatures")
INSERT = """
    with way as (
        insert into route (name, kind, transport, settings) values ('dgfip', 'helios', 'ftp_gateway', '{}')
        on conflict (name) do update set name = excluded.name returning id),
    body as (insert into content (authority_id, sha256, size, place, data)
        values ($1, $4, length($2::bytea), 'row', $2::bytea) returning id)
    insert into helios_transaction (authority_id, route_id, siren, filename, content_id, sha1, size, status)
    select $1, way.id, '123456782', 'f.xml', body.id, $3, length($2::bytea), 1 from way, body returning id"""


def post(terminal: Terminal, town: int, data: bytes) -> int:
    digests = hashlib.sha1(data).digest(), hashlib.sha256(data).digest()
    (row,) = asyncio.run(terminal.query(INSERT, town, data, *digests))
    return int(str(row["id"]))


def analyse(terminal: Terminal, flow: int) -> None:

    async def work() -> None:
        async with open_deps(load(terminal.config)) as deps:
            await helios_send.analyse(deps, HeliosId(flow))

    asyncio.run(work())


def test_a_flow_is_judged_again(database: TestDatabase, tmp_path: Path) -> None:
    known = Authority("AC reconnue")
    mayor = known.person("Le maire")
    (tmp_path / "rgs.pem").write_bytes(pem(known.root) + pem(known.below))
    (tmp_path / "crl").mkdir()
    server = f'[server]\ntransmit_authorities = "{tmp_path}/rgs.pem"\ncrl_directory = "{tmp_path}/crl"\n'
    terminal = open_terminal(database, tmp_path, server)
    town = open_town(terminal)
    flow, plain = post(terminal, town, everything(mayor)), post(terminal, town, unsigned("12", name="SANS"))
    assert "Aucun compte rendu n'a été gardé" in terminal.run(*VERIFY, flow)
    for one in (flow, plain):
        analyse(terminal, one)
    told = terminal.run(*VERIFY, flow)
    assert "Signatures : valides" in told
    assert "bordereau 13 de 2026 — CN=Le maire, signé le " in told
    assert "flux entier — CN=Le maire" in told
    assert told.endswith("Conforme au compte rendu de l'analyse.\n")
    assert "Aucune signature." in terminal.run(*VERIFY, plain)
    shown = terminal.run("flow", f"helios:{flow}")
    assert "signature : bon\n" in shown
    assert "bordereau 12 de 2026 — CN=Le maire, signé le " in shown
    (tmp_path / "crl" / "fille.crl").write_bytes(known.revoke(mayor, 3 * DAY))
    changed = json.loads(terminal.run(*VERIFY, flow, "--json", code=3))
    assert changed["kept_verdict"] == "passed"
    assert changed["same"] is False
    assert {one["signature"] for one in changed["differences"]} == {"B12_SIG_1", "B13_SIG_1", "FLUX1_SIG_1"}
    assert "DIFFÉRENT  B12_SIG_1  chain_fault : '' → 'il est révoqué depuis le " in terminal.run(*VERIFY, flow, code=3)
    assert "Numéro de transaction invalide." in terminal.run(*VERIFY, 987654, code=1)
