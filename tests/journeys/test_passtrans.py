"""The four ways to the simulated DGFiP in one sandbox: an operator changes ways, the workers follow."""

import json

from click.testing import CliRunner

from tdt.cli import main
from tdt.deps import utc_now
from tdt.domain.calendar import paris_date
from tests.journeys.flows import small_pes
from tests.journeys.running import Sandbox, fresh, pes_status, post_pes, until

WAYS = {
    "ftp_simulator": "ftp",
    "passtrans_ftps": "ftps",
    "passtrans_sftp": "sftp",
}
"""Transport of a route, and what the simulated DGFiP calls it."""


def admin(sandbox: Sandbox, *words: object) -> str:
    """What `tdt admin routes WORDS` prints."""
    settings = {"TDT_CONFIG": str(sandbox.directory / "tdt.toml")}
    result = CliRunner().invoke(main, ["admin", "routes", *map(str, words)], env=settings)
    assert result.exit_code == 0, (words, result.output)
    return result.output


def take(sandbox: Sandbox, transport: str, old: int) -> int:
    """Make a route to the simulated DGFiP, and let everybody take it from today on; the old one stays open."""
    simulators = json.loads(sandbox.directory.joinpath("simulators.json").read_text())["dgfip"]
    sftp = transport == "passtrans_sftp"
    settings = {
        "host": "127.0.0.1" if sftp else "localhost",
        "port": simulators["sftp_port" if sftp else "ftp_port"],
        "send_directory": "entree",
        "receive_directory": "sortie",
    }
    made = (
        "create",
        "--kind",
        "helios",
        "--transport",
        transport,
        "--name",
        transport,
        "--credentials",
        "dgfip",
        "--test",
    )
    admin(sandbox, *made, *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")))
    new = next(row["id"] for row in json.loads(admin(sandbox, "list", "--json")) if row["name"] == transport)
    admin(sandbox, "switch", "plan", old, new, "--on", paris_date(utc_now()))
    return int(new)


def test_one_way_after_the_other() -> None:
    with fresh() as sandbox:
        client = sandbox.client("certonly")
        route = next(row["id"] for row in json.loads(admin(sandbox, "list", "--json")) if row["kind"] == "helios")
        flows = [post_pes(client, small_pes("GATEWAY"))]
        for transport in WAYS:
            # the workers listen to a new route within half a minute, but send by it at once
            route = take(sandbox, transport, route)
            flow = post_pes(client, small_pes(transport))
            flows.append(flow)
            until(lambda number=flow: pes_status(client, number) in (3, 8) or None, 20, "sent")  # type: ignore[misc]
        for flow in flows:
            until(lambda number=flow: pes_status(client, number) == 8 or None, 60, "acquit")  # type: ignore[misc]
        received = sandbox.control("/dgfip/received")
        assert [one["metadata"]["transport"] for one in received] == ["ftp", *WAYS.values()]
        assert {one["metadata"]["P_APPLI"] for one in received} == {"THELPES2"}
        assert all(one["metadata"]["P_MSG_matches"] for one in received)
        assert "%%PES#123#034000#01%%" in received[-1]["name"]
        status = client.get("/modules/helios/api/helios_transac_get_status.php", transaction=flows[-1])
        assert b"information disponible" in status
