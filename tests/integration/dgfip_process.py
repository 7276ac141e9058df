"""The DGFiP simulator and its control server in a process of their own, for the tests that kill it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tdt.simulators.control import ControlServer
from tdt.simulators.dgfip import Dgfip
from tdt.simulators.journal import Journal


async def main(config: dict[str, Any]) -> None:
    journal = Journal(Path(config["state"]))
    dgfip = Dgfip(config["dgfip"], journal)
    control = ControlServer(config["control"], dgfip.routes())
    await dgfip.start()
    await control.start()
    sys.stdout.write(json.dumps({"ftp": dgfip.ftp_port, "sftp": dgfip.sftp_port, "control": control.port}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
