"""Starts the PostgreSQL of a directory and waits, to be killed; `once`: shows the user of a connection, and ends."""

import asyncio
import signal
import sys
from pathlib import Path

import asyncpg

from tdt.sandbox import postgres


async def main(directory: Path, once: bool) -> None:
    cluster = postgres.describe_cluster(directory, durable=False)
    await postgres.create_cluster(cluster)
    server = await asyncio.create_subprocess_exec(
        *postgres.server_command(cluster), env=postgres.environment(), cwd="/"
    )
    if once:
        await postgres.wait_ready(cluster)
        await postgres.make_roles(cluster)
        await postgres.make_database(cluster)
        connection = await asyncpg.connect(cluster.dsn())
        sys.stdout.write(await connection.fetchval("select current_user") + "\n")
        await connection.close()
        server.send_signal(signal.SIGINT)
    await server.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), "once" in sys.argv[2:]))
