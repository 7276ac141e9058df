"""A supervisor of two sleepers in a locked directory, to be stopped or killed."""

import asyncio
import signal
import sys
from pathlib import Path

from tdt.sandbox.supervisor import Command, Supervisor, lock_directory, tied

SLEEPER = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


async def main(directory: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    supervisor = Supervisor([await lock_directory(directory)])
    for name in ("one", "two"):
        await supervisor.start(Command(name, tied([sys.executable, "-c", SLEEPER, str(directory / name)])))
    await stop.wait()
    await supervisor.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
