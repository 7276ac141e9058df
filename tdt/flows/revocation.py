"""Keeps the revocation lists current: fetch what is due, keep what proves good, say what does not."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509

from tdt.certificates.crl_cache import ListRefused, judge, keep
from tdt.deps import Deps
from tdt.domain.errors import TdtError

log = structlog.get_logger()

RETRY = timedelta(minutes=1)


async def refresh_lists(
    deps: Deps,
    points: Mapping[str, x509.Name],
    authorities: Sequence[x509.Certificate],
    due: dict[str, datetime],
) -> dict[str, bool]:
    """Fetch the lists whose time has come and set their next time in `due`; gives the addresses tried: did it succeed?

    An address that `due` does not know is fetched at once. A failure leaves the list that we had, and is tried again.
    """
    urls = [url for url in points if url not in due or due[url] <= deps.now()]
    done = await asyncio.gather(*(_refresh(deps, url, points[url], authorities) for url in urls))
    every = timedelta(seconds=deps.config.revocation.fetch_seconds)
    for url, good in zip(urls, done, strict=True):
        due[url] = deps.now() + (every if good else min(RETRY, every))
    return dict(zip(urls, done, strict=True))


async def _refresh(deps: Deps, url: str, issuer: x509.Name, authorities: Sequence[x509.Certificate]) -> bool:
    names = {"url": url, "issuer": issuer.rfc4514_string()}
    try:
        data = await deps.lists.fetch(url)
        crl = await asyncio.to_thread(judge, data, issuer, authorities, deps.now())
        changed = await asyncio.to_thread(keep, Path(deps.config.revocation.cache), url, crl, data)
    except ListRefused as refused:
        log.error("revocation_list_refused", reason=str(refused), **names)
        return False
    except TdtError as error:
        log.warning("revocation_list_not_fetched", code=error.code, error=error.message, **names)
        return False
    except OSError as error:
        log.error("revocation_list_not_kept", error=error.strerror, **names)
        return False
    if changed:
        log.info("revocation_list_fetched", next_update=str(crl.next_update_utc), **names)
    return True
