"""A disk that is full, a file of the spool that is gone: wait, tell, leave nothing behind."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tdt.domain.errors import Permanent, Temporary
from tdt.domain.ids import JobId
from tdt.domain.jobs import Dead, Job, JobKind, RetryAt, next_step
from tdt.domain.routes import RouteKind
from tdt.flows import actes_send, contents, helios_receive, helios_send
from tests.dgfip_flows import large_flow
from tests.faults.plant import BIG_PDF, Plant
from tests.wire.client import File
from tests.wire.stack import Stack
from tests.wire.test_helios_api import IMPORT, PES


@contextmanager
def full_disk(room: int = 300_000) -> Iterator[None]:
    """No file of this process may grow beyond `room` bytes (EFBIG instead of ENOSPC: the same path)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_an_upload_that_does_not_fit_is_answered_503_and_leaves_nothing(stack: Stack) -> None:
    data = PES + b" " * 1_000_000
    with full_disk():
        answer = await stack.client().post(IMPORT, [("enveloppe", File("p.xml", data))])
    assert answer.status == 503
    assert answer.headers["retry-after"]
    assert b"<resultat>KO</resultat>" in answer.body
    assert stack.spooled() == []
    async with stack.deps.transaction("system") as connection:
        assert await connection.fetchval("select count(*) from content where place = 'spool'") == 0
    again = await stack.client().post(IMPORT, [("enveloppe", File("p.xml", data))])
    assert b"<resultat>OK</resultat>" in again.body


async def test_an_archive_that_does_not_fit_waits(works: Plant) -> None:
    acte = await works.submit_acte(pdf=BIG_PDF)
    envelope = await works.envelope_of(acte)
    await actes_send.analyse(works.deps, acte)
    before = works.spooled()
    with full_disk(), pytest.raises(Temporary) as caught:
        await actes_send.package(works.deps, envelope)
    job = Job(JobId(1), JobKind.ACTES_PACKAGE, None, envelope, attempts=50)
    assert isinstance(next_step(job, caught.value, works.deps.now()), RetryAt)
    assert works.spooled() == before
    await actes_send.package(works.deps, envelope)
    assert await works.acte_life(acte) == [1, 2]


async def test_a_file_received_that_does_not_fit_is_fetched_again(works: Plant) -> None:
    works.ftp.behaviour.gateway = False
    data = b"<x/>" * 200_000
    (works.ftp.received / "ACK").write_bytes(data)
    route = works.routes[RouteKind.HELIOS]
    with full_disk():
        for _ in range(2):
            with pytest.raises(Temporary):
                await helios_receive.collect(works.deps, route, helios_receive.Memory())
    assert works.spooled() == []
    assert await helios_receive.collect(works.deps, route, helios_receive.Memory()) == 1


async def test_a_file_of_the_spool_that_is_gone_is_for_the_operator(works: Plant) -> None:
    flow = await works.submit_pes(b"".join(large_flow(1_000_000, 2)))
    [name] = works.spooled()
    place = works.deps.spool.path(name)
    moved = place.rename(place.parent.parent / "elsewhere")
    with pytest.raises(Permanent) as caught:
        await helios_send.analyse(works.deps, flow)
    job = Job(JobId(1), JobKind.HELIOS_ANALYSE, None, flow, attempts=1)
    assert isinstance(next_step(job, caught.value, works.deps.now()), Dead)
    assert await works.helios_status(flow) == 1
    moved.rename(place)
    await helios_send.analyse(works.deps, flow)
    assert await works.helios_status(flow) == 2


async def test_sweeping_takes_orphans_only(works: Plant) -> None:
    flow = await works.submit_pes(b"".join(large_flow(1_000_000, 2)))
    needed = works.spooled()
    await works.body(BIG_PDF)
    assert await contents.sweep(works.deps, dry_run=False) == []  # too young: it may be an upload
    works.elapse(timedelta(hours=25))
    assert len(await contents.sweep(works.deps, dry_run=False)) == 1
    assert works.spooled() == needed
    await helios_send.analyse(works.deps, flow)
