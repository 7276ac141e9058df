"""A collectivité changes routes on a date: nothing is lost nor doubled, both ways are listened to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tdt.db.routes import NewRoute, get_route, list_active_routes, list_routes
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Held, Uncertain
from tdt.domain.ids import HeliosId
from tdt.domain.routes import Route, RouteKind, Transport
from tdt.flows import helios_receive, helios_send, route_switches, routes
from tests.dgfip_flows import sample as pes
from tests.faults.plant import WINDOW, Plant, acquit
from tests.servers import Behaviour, Played, sftp_server

OPERATOR = Actor(Source.CLI, None, "exploitant")
SECOND = timedelta(seconds=1)
EVE = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
DAY = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
"""Midnight in Paris: the change is on the first of December."""


@dataclass(frozen=True, slots=True)
class Change:
    """The old route is the plant's, in FTP; the new one is Passtrans in SFTP."""

    works: Plant
    old: Route
    new: Route
    passtrans: Played

    @property
    def by_old(self) -> list[str]:
        return sorted(path.name for path in self.works.ftp.sent.iterdir())

    @property
    def by_new(self) -> list[str]:
        return sorted(path.name for path in self.passtrans.sent.iterdir())


@asynccontextmanager
async def changing(works: Plant, directory: Path) -> AsyncIterator[Change]:
    works.clock.fixed = EVE
    async with sftp_server(directory / "sftp", Behaviour()) as passtrans:
        secrets = works.deps.config.credentials
        mine = msgspec.structs.replace(secrets["helios"], known_hosts=passtrans.known_hosts)
        secrets["passtrans"] = mine
        settings = {
            "host": "127.0.0.1",
            "port": passtrans.port,
            "send_directory": "entree",
            "receive_directory": "sortie",
        }
        new = NewRoute(RouteKind.HELIOS, Transport.PASSTRANS_SFTP, "Passtrans", settings, "passtrans")
        number = await routes.create(works.deps, OPERATOR, new)
        old = works.routes[RouteKind.HELIOS]
        await route_switches.plan(works.deps, OPERATOR, (old.id, number), DAY.date() + timedelta(days=1))
        async with works.deps.transaction("system") as connection:
            route = await get_route(connection, number)
        assert route is not None
        yield Change(works, old, route, passtrans)


@pytest.fixture
async def change(works: Plant, tmp_path: Path) -> AsyncIterator[Change]:
    async with changing(works, tmp_path) as made:
        yield made


async def messages(works: Plant, flow: HeliosId) -> list[str]:
    rows = await works.fetch("select message from helios_workflow where transaction_id = $1 order by id", flow)
    return [row["message"] for row in rows]


async def test_before_the_date_the_old_route_from_it_on_the_new_one(change: Change) -> None:
    works = change.works
    first = await works.queued_pes(pes("AVANT", "1", "PJ1"))
    await helios_send.transmit(works.deps, first)
    assert (len(change.by_old), change.by_new) == (1, [])
    works.clock.fixed = DAY
    second = await works.queued_pes(pes("APRES", "2", "PJ2"))
    await helios_send.transmit(works.deps, second)
    assert (len(change.by_old), len(change.by_new)) == (1, 1)
    assert (await messages(works, second))[1:] == [
        f"Transaction {second} dans la file d'attente [Passtrans]",
        f"Transaction {second} transmise au serveur. [Passtrans]",
    ]


async def test_deposited_before_and_sent_after_leaves_once_by_the_new_route(change: Change) -> None:
    """S2LOW refuses it: `la transaction a été aiguillée sur la mauvaise file passtrans`."""
    works = change.works
    flow = await works.queued_pes(pes())
    works.clock.fixed = DAY
    await helios_send.transmit(works.deps, flow)
    assert change.by_old == []
    assert len(change.by_new) == 1
    assert (await messages(works, flow))[1:] == [
        f"Transaction {flow} dans la file d'attente",
        f"Transaction {flow} dans la file d'attente [Passtrans]",
        f"Transaction {flow} transmise au serveur. [Passtrans]",
    ]
    audited = await works.fetch("select object_id, data from audit where tag = 'system:helios:route'")
    assert [(row["object_id"], row["data"]["after"]) for row in audited] == [(flow, {"route": change.new.id})]


@pytest.mark.parametrize("taken_away", [True, False])
async def test_what_may_have_arrived_by_the_old_route_is_settled_there(change: Change, taken_away: bool) -> None:
    works = change.works
    flow = await works.queued_pes(pes())
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    works.ftp.behaviour.vanish_at_the_end = False
    before = change.by_old
    if taken_away:
        (works.ftp.sent / before[0]).unlink()
    works.clock.fixed = max(DAY, datetime.now(UTC)) + WINDOW + SECOND
    await helios_send.transmit(works.deps, flow)
    assert (change.by_old, change.by_new) == (before, [])
    assert (await messages(works, flow))[-1] == f"Transaction {flow} transmise au serveur."


async def test_an_uncertain_one_waits_when_the_old_route_is_closed(change: Change) -> None:
    works = change.works
    flow = await works.queued_pes(pes())
    works.ftp.behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    await routes.modify(works.deps, OPERATOR, change.old.id, active=False)
    works.clock.fixed = max(DAY, datetime.now(UTC)) + WINDOW + SECOND
    with pytest.raises(Held, match="La route est fermée"):
        await helios_send.transmit(works.deps, flow)
    assert change.by_new == [], "never by another way while it may have arrived"


async def test_what_waits_on_a_closed_route_leaves_by_the_new_one_at_once(change: Change) -> None:
    works = change.works
    flow = await works.queued_pes(pes())
    await routes.modify(works.deps, OPERATOR, change.old.id, active=False)
    with pytest.raises(Held):
        await helios_send.transmit(works.deps, flow)
    await works.fetch(
        "update job set last_error = 'FENETRE_TRANSMISSION : x', run_at = now() + interval '1 hour'"
        " where kind = 'helios.transmit'"
    )
    await route_switches.plan(works.deps, OPERATOR, (change.old.id, change.new.id), EVE.date())
    assert await works.value("select run_at <= now() from job where kind = 'helios.transmit'"), "looked at again"
    await helios_send.transmit(works.deps, flow)
    assert len(change.by_new) == 1


async def test_both_are_listened_to_and_answers_come_by_either(change: Change) -> None:
    works = change.works
    flows = [await works.queued_pes(pes(f"FLUX-{number}", str(number), f"PJ{number}")) for number in range(2)]
    await helios_send.transmit(works.deps, flows[0])
    works.clock.fixed = DAY
    await helios_send.transmit(works.deps, flows[1])
    async with works.deps.transaction("system") as connection:
        listened = await list_active_routes(connection, RouteKind.HELIOS)
        shown = {one.id: (one.waiting, one.unanswered) for one in await list_routes(connection)}
    assert {one.id for one in listened} == {change.old.id, change.new.id}
    assert (shown[change.old.id], shown[change.new.id]) == ((0, 1), (0, 1))
    (works.ftp.received / "ACK0").write_bytes(acquit("FLUX-0"))
    (change.passtrans.received / "ACK1").write_bytes(acquit("FLUX-1"))
    for route in listened:
        assert await helios_receive.collect(works.deps, route, helios_receive.Memory()) == 1
    for row in await works.fetch("select id from received"):
        await helios_receive.ingest(works.deps, row["id"])
    assert [await works.helios_status(flow) for flow in flows] == [8, 8]
    for route in listened:
        # Passtrans does not remove them, nor does the client: known names and bytes are taken once
        assert await helios_receive.collect(works.deps, route, helios_receive.Memory()) == 0
