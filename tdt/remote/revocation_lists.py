"""Fetches revocation lists where authorities publish them, over HTTP or HTTPS; they are judged elsewhere."""

import aiohttp

from tdt.domain.errors import Temporary
from tdt.remote.errors import Remote, translated

SERVICE = "Liste de révocation"
LARGEST_LIST = 64 << 20
REDIRECTS = 3
_REMOTE = Remote(SERVICE, (aiohttp.ClientError,))


class ListFetcher:
    """One GET for each list, within a time limit, over the proxy of the environment if there is one."""

    def __init__(self, timeout: float):
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def fetch(self, url: str) -> bytes:
        """The bytes at this address. Raises Temporary: no answer in time, another status than 200, too large."""
        with translated(_REMOTE):
            async with (
                aiohttp.ClientSession(timeout=self._timeout, trust_env=True, auto_decompress=False) as session,
                session.get(url, max_redirects=REDIRECTS) as answer,
            ):
                if answer.status != 200:
                    raise Temporary(f"{SERVICE} : réponse HTTP {answer.status}", code="LISTE_ABSENTE")
                data = bytearray()
                async for chunk in answer.content.iter_any():
                    data += chunk
                    if len(data) > LARGEST_LIST:
                        raise Temporary(f"{SERVICE} : plus de {LARGEST_LIST} octets", code="LISTE_TROP_GRANDE")
                return bytes(data)
