"""Notices to the operator, as an alert records them: one now and then, for the step that sends them."""

import asyncio
import itertools

import asyncpg

from tdt.db.pool import UNREACHABLE
from tests.chaos.stack import Stack

PAUSE_SECONDS = 1.5
INSERT = """
    with made as (
        insert into notice (kind, subject, threshold, recipient, title, body)
        values ('chaos', $1, 0, 'exploitant@chaos.example', 'Essai', 'Avis de la campagne.') returning id)
    insert into job (kind, object_id) select 'notice.send', id from made"""


async def send_notices(stack: Stack) -> None:
    """Until cancelled; a database that is away is waited for."""
    for number in itertools.count(1):
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            connection = await asyncpg.connect(stack.owner, timeout=5)
        except UNREACHABLE:
            continue
        try:
            await connection.execute(INSERT, str(number))
        except UNREACHABLE:
            continue
        finally:
            connection.terminate()
