"""Asks our own processes how they are, on their second listener."""

import aiohttp

UNIX = "unix:"
LONGEST = 300
"""Characters of an answer that are told."""


async def ask(address: str, seconds: float) -> str:
    """What `/ready` answers at a health address, `host:port` or `unix:/path`; empty when that process is ready."""
    unix = address.startswith(UNIX)
    connector = aiohttp.UnixConnector(address.removeprefix(UNIX)) if unix else aiohttp.TCPConnector()
    url = "http://localhost/ready" if unix else f"http://{address}/ready"
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=seconds)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status == 200:
                return ""
            text = (await response.content.read(LONGEST)).decode("utf-8", "replace")
            return ", ".join(text.split("\n")).strip(", ") or f"réponse HTTP {response.status}"
    except TimeoutError:
        return f"pas de réponse en {seconds:g} s"
    except (aiohttp.ClientError, OSError):
        return "ne répond pas"
