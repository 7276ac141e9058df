"""Sign the balances that have no signature yet: those just made, and those made when there was no key."""

import asyncio

from tdt.certificates.cms import open_signer
from tdt.db import balances as db
from tdt.deps import Deps


async def sign_unsigned(deps: Deps) -> int:
    """Sign all that is not; gives how many. Without key nothing; raises Temporary when the key cannot be used."""
    sign = await asyncio.to_thread(open_signer, deps.config.signing)
    if sign is None:
        return 0
    signed, last = 0, 0
    while True:
        async with deps.transaction("system") as connection:
            page = await db.list_unsigned(connection, last)
            for number, document in page:
                one = await asyncio.to_thread(sign, document)
                signed += await db.move_to_signed(connection, number, one.signature, one.certificate, deps.now())
        if not page:
            return signed
        last = page[-1][0]
