"""The same PES over Passtrans SFTP: a route is changed in the database, the workers follow."""

import asyncio
import json

import asyncpg

from tests.journeys.flows import small_pes
from tests.journeys.running import Sandbox, fresh, pes_status, post_pes, until


async def move_to_sftp(sandbox: Sandbox) -> None:
    """Close the gateway's route, open one over SFTP to the same simulated DGFiP, for everybody from today on."""
    simulators = json.loads(sandbox.directory.joinpath("simulators.json").read_text())
    connection = await asyncpg.connect(sandbox.told["database"])
    try:
        settings = {
            "host": "127.0.0.1",
            "port": simulators["dgfip"]["sftp_port"],
            "send_directory": "entree",
            "receive_directory": "sortie",
        }
        old = await connection.fetchrow("select id, settings, credentials from route where kind = 'helios'")
        told = json.loads(old["settings"])
        settings |= {key: told[key] for key in ("send_directory", "receive_directory") if key in told}
        new = await connection.fetchval(
            "insert into route (kind, transport, name, settings, credentials) values"
            " ('helios', 'passtrans_sftp', 'Passtrans', $1, $2) returning id",
            json.dumps(settings),
            old["credentials"],
        )
        await connection.execute("update route set active = false where id = $1", old["id"])
        await connection.execute("update authority_route set route_id = $1 where kind = 'helios'", new)
    finally:
        await connection.close()


def test_a_pes_over_sftp_reaches_its_acquit() -> None:
    with fresh() as sandbox:
        asyncio.run(move_to_sftp(sandbox))
        client = sandbox.client("certonly")
        pes = post_pes(client, small_pes("SFTP"))
        # the workers notice a new route within half a minute
        until(lambda: pes_status(client, pes) == 8 or None, 45, "acquit")
        received = sandbox.control("/dgfip/received")
        assert [one["metadata"]["P_DEST"] for one in received]
        assert "%%PES#123#034000#01%%" in received[0]["name"]
        status = client.get("/modules/helios/api/helios_transac_get_status.php", transaction=pes)
        assert b"information disponible" in status
