"""Fetches revocation lists and OCSP answers over HTTP: small, in time, from where the certificates say."""

import aiohttp

from tdt.domain.errors import Temporary

LARGEST = 32 << 20
"""The lists of the largest authorities have some ten megabytes."""


async def fetch(url: str, seconds: float, request: bytes | None = None) -> bytes:
    """GET a list, or POST an OCSP request. Raises Temporary, its message in French."""
    timeout = aiohttp.ClientTimeout(total=seconds, connect=seconds / 2)
    headers = {"Content-Type": "application/ocsp-request"} if request is not None else {}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True, auto_decompress=True) as session,
            session.request(
                "GET" if request is None else "POST", url, data=request, headers=headers, max_redirects=3
            ) as response,
        ):
            if response.status != 200:
                raise Temporary(f"réponse HTTP {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > LARGEST:
                    raise Temporary(f"plus de {LARGEST >> 20} Mo")
            return bytes(body)
    except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
        raise Temporary("serveur injoignable ou réponse interrompue") from error
