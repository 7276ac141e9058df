"""Keep the revocation of the certificates in play at hand: fetch, check and cache lists and OCSP answers."""

import asyncio
import fcntl
import math
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509

from tdt.certificates.files import MALFORMED, read_certificates, replace_file
from tdt.certificates.revocation import Revocations, name_of_answer, name_of_list, read_cache, read_crls
from tdt.certificates.sources import AnswerSource, ListSource, Sources, check_answer, check_list, find_sources
from tdt.config import Config
from tdt.db.accounts import list_certificates
from tdt.deps import Deps
from tdt.domain.errors import Temporary

log = structlog.get_logger()

AT_ONCE = 8
FORGOTTEN_SECONDS = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a pass came to: sources looked at, those renewed, those that failed (the old ones stay)."""

    sources: int = 0
    renewed: int = 0
    failed: int = 0


async def refresh(deps: Deps) -> Fetched:
    """Fetch what is due: each list and each answer every `[revocation] refresh_seconds`, sooner after a failure.

    A list or an answer that is forged, out of date or older than ours never replaces it. Several workers may do it at
    once, harmlessly.
    """
    async with deps.transaction("system") as connection:
        pems = await list_certificates(connection)
    folder = deps.config.revocation_cache
    sources = await asyncio.to_thread(_plan, deps, pems)
    due: list[Callable[[], Awaitable[bool]]] = [
        *(_list_task(deps, folder, one) for one in sources.lists if _is_due(deps, folder / name_of_list(one.url))),
        *(
            _answer_task(deps, folder, one)
            for one in sources.answers
            if _is_due(deps, folder / name_of_answer(one.certificate))
        ),
    ]
    turns = asyncio.Semaphore(AT_ONCE)

    async def take(task: Callable[[], Awaitable[bool]]) -> bool:
        async with turns:
            return await task()

    results = await asyncio.gather(*(take(task) for task in due))
    await asyncio.to_thread(_forget, folder, sources, deps.now().timestamp())
    return Fetched(len(sources.lists) + len(sources.answers), sum(results), results.count(False))


def _plan(deps: Deps, pems: Sequence[str]) -> Sources:
    """All there is to fetch. Blocks: it reads and verifies certificates."""
    config, now = deps.config, deps.now()
    authorities = read_certificates(config.server.connect_authorities)
    asks = _asked(config, authorities, now)
    return find_sources(authorities, _certificates(pems), now, config.revocation.urls, asks)


def _asked(config: Config, authorities: Sequence[x509.Certificate], now: datetime) -> Callable[[x509.Name], bool]:
    """Whose certificates are to be asked about: everybody's, nobody's, or those whose issuer has no list in date."""
    if config.revocation.ocsp != "without_list":
        return lambda _issuer: config.revocation.ocsp == "always"
    fetched, _ = read_cache(config.revocation_cache)
    known = Revocations(authorities, [*read_crls(config.server.crl_directory), *fetched])
    return lambda issuer: not known.has_current_list(issuer, now)


def _certificates(pems: Sequence[str]) -> list[x509.Certificate]:
    found = []
    for pem in pems:
        try:
            found.append(x509.load_pem_x509_certificate(pem.encode()))
        except MALFORMED:
            continue
    return found


def _is_due(deps: Deps, file: Path) -> bool:
    age = deps.now().timestamp() - file.stat().st_mtime if file.exists() else math.inf
    return age >= deps.config.revocation.refresh_seconds


def _list_task(deps: Deps, folder: Path, source: ListSource) -> Callable[[], Awaitable[bool]]:
    file = folder / name_of_list(source.url)

    async def take() -> bool:
        return await _renew(deps, file, source.url, None, lambda data: check_list(data, source, file, deps.now()))

    return take


def _answer_task(deps: Deps, folder: Path, source: AnswerSource) -> Callable[[], Awaitable[bool]]:
    file = folder / name_of_answer(source.certificate)

    async def take() -> bool:
        return await _renew(
            deps, file, source.url, source.request, lambda data: check_answer(data, source, file, deps.now())
        )

    return take


async def _renew(deps: Deps, file: Path, url: str, request: bytes | None, check: Callable[[bytes], str]) -> bool:
    try:
        data = await deps.remotes.fetch_revocation(url, request)
        refusal = await asyncio.to_thread(_keep, file, data, check)
    except Temporary as error:
        refusal = error.message
    if refusal:
        log.warning("revocation.not_renewed", url=url, reason=refusal)
    return not refusal


def _keep(file: Path, data: bytes, check: Callable[[bytes], str]) -> str:
    """Put what came in the place of what is held unless the check objects. One at a time: workers share the folder."""
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with (file.parent / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refusal = check(data)
        if refusal:
            return refusal
        if file.exists() and file.read_bytes() == data:
            os.utime(file)  # the same as before, but it was asked for
        else:
            replace_file(file, data)
    return ""


def _forget(folder: Path, sources: Sources, now: float) -> None:
    """Answers about certificates that nobody asks about any more."""
    kept = {name_of_answer(one.certificate) for one in sources.answers}
    for file in folder.glob("*.ocsp") if folder.is_dir() else ():
        if file.name not in kept and now - file.stat().st_mtime > FORGOTTEN_SECONDS:
            file.unlink(missing_ok=True)
