"""A PES there and back by each of the four ways, on servers of the distribution; and all that can go wrong there."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.config import Credentials
from tdt.db.routes import NewRoute, get_route
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Permanent, Temporary, Uncertain
from tdt.domain.ids import HeliosId
from tdt.domain.routes import Route, RouteKind, Transport
from tdt.flows import helios_receive, helios_send, routes
from tests.certificates import TestAuthority
from tests.dgfip_flows import large_flow
from tests.dgfip_flows import sample as pes
from tests.dgfip_servers import FTP, Gate, Server, dgfip_server
from tests.faults.plant import SIREN, WINDOW, Plant, acquit, plant
from tests.postgres import TestDatabase

OPERATOR = Actor(Source.CLI, None, "exploitant")
ALL = (*FTP, Transport.PASSTRANS_SFTP)
SECOND = timedelta(seconds=1)
BIG = b"".join(large_flow(3_000_000, 3))


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[Transport, Server]]:
    """One of each, for the whole module."""
    with ExitStack() as stack:
        yield {one: stack.enter_context(dgfip_server(one)) for one in ALL}


@dataclass(frozen=True, slots=True)
class Way:
    """The plant, whose collectivités send by this route to this server."""

    works: Plant
    server: Server
    gate: Gate
    route: Route

    async def change(self, **settings: object) -> None:
        await routes.modify(self.works.deps, OPERATOR, self.route.id, settings=settings)

    def sent(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.server.sent.iterdir()}

    async def fails(self, flow: HeliosId) -> Temporary:
        """It may not be sent, and surely was not."""
        with pytest.raises(Temporary) as caught:
            await helios_send.transmit(self.works.deps, flow)
        assert await self.works.outcomes() == ["failed"]
        assert await self.works.helios_status(flow) == 2
        return caught.value


def trust(server: Server) -> Credentials:
    """What the configuration says of it."""
    if server.transport is Transport.PASSTRANS_SFTP:
        return Credentials(login=server.login, client_key=server.file("client"), known_hosts=server.file("known_hosts"))
    authorities = server.file("authorities.pem") if server.transport is Transport.PASSTRANS_FTPS else ""
    return Credentials(login=server.login, password_file=server.file("password"), authorities=authorities)


@asynccontextmanager
async def way_to(works: Plant, server: Server, credentials: Credentials | None = None) -> AsyncIterator[Way]:
    server.empty()
    works.deps.config.credentials["essai"] = credentials or trust(server)
    settings = {
        "host": server.host,
        "port": server.port,
        "send_directory": str(server.sent) if server.transport is Transport.PASSTRANS_SFTP else "/entree/",
        "receive_directory": str(server.received) if server.transport is Transport.PASSTRANS_SFTP else "/sortie",
    }
    if server.transport in FTP:
        settings |= {"send_directory": f"{server.sent}/", "receive_directory": str(server.received)}
    new = NewRoute(RouteKind.HELIOS, server.transport, "essai", settings, "essai")
    number = await routes.create(works.deps, OPERATOR, new)
    async with works.deps.transaction("system") as connection:
        await connection.execute("update authority_route set route_id = $1 where kind = 'helios'", number)
        route = await get_route(connection, number)
    assert route is not None
    gate = Gate(server)
    async with gate.open():
        yield Way(works, server, gate, route)


@pytest.fixture
async def works(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(database, tmp_path) as running:
        yield running


@pytest.fixture(params=ALL)
async def way(request: pytest.FixtureRequest, works: Plant, servers: dict[Transport, Server]) -> AsyncIterator[Way]:
    async with way_to(works, servers[request.param]) as made:
        yield made


@pytest.fixture(params=FTP)
async def ftp(request: pytest.FixtureRequest, works: Plant, servers: dict[Transport, Server]) -> AsyncIterator[Way]:
    async with way_to(works, servers[request.param]) as made:
        yield made


async def visible(way: Way, flow: HeliosId) -> str:
    name, sha1 = (
        await way.works.fetch(
            "select transmitted_name, encode(sha1, 'hex') from helios_transaction where id = $1", flow
        )
    )[0]
    if way.server.transport is Transport.PASSTRANS_SFTP:
        return f"VHPCE31%%GHELPES2%%PES#012#034001#00%%{sha1}"
    return str(name)


async def test_there_and_back(way: Way) -> None:
    works = way.works
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)
    assert way.sent() == {await visible(way, flow): pes()}
    assert await works.helios_life(flow) == [1, 2, 3]
    channel = " [Passtrans]" if way.server.transport.is_passtrans else ""
    told = await works.value("select message from helios_workflow order by id desc limit 1")
    assert told == f"Transaction {flow} transmise au serveur.{channel}"
    words = "déposé sous VHPCE31%%" if way.server.transport is Transport.PASSTRANS_SFTP else "226 Transfer complete"
    assert str(await works.value("select detail from attempt")).startswith(words)
    (way.server.received / "034001_261126120000-ACK-0001.xml").write_bytes(acquit())
    assert await helios_receive.collect(works.deps, way.route, helios_receive.Memory()) == 1
    await helios_receive.ingest(works.deps, await works.value("select id from received"))
    assert await works.helios_life(flow) == [1, 2, 3, 8]
    assert await helios_receive.collect(works.deps, way.route, helios_receive.Memory()) == 0, (
        "seen again where nobody removes it"
    )


@pytest.mark.parametrize("percent", [10, 50, 90])
async def test_a_link_cut_in_the_middle_of_a_file(way: Way, percent: int) -> None:
    works = way.works
    flow = await works.queued_pes(BIG)
    way.gate.cut_after = len(BIG) * percent // 100
    sftp = way.server.transport is Transport.PASSTRANS_SFTP
    with pytest.raises(Temporary if sftp else Uncertain):
        await helios_send.transmit(works.deps, flow)
    name = await visible(way, flow)
    assert len(way.sent().get(name, b"")) <= way.gate.cut_after
    assert name not in way.sent() or not sftp, "SFTP: it never had its name"
    way.gate.heal()
    if not sftp:
        with pytest.raises(Uncertain):
            await helios_send.transmit(works.deps, flow)
        works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert way.sent() == {name: BIG}
    assert await works.outcomes() == ["failed" if sftp else "uncertain", "accepted"]
    assert await works.helios_status(flow) == 3


@pytest.mark.parametrize("taken_away", [True, False])
async def test_the_last_answer_is_lost(ftp: Way, taken_away: bool) -> None:
    works = ftp.works
    flow = await works.queued_pes(pes())
    ftp.gate.mute = True
    with pytest.raises(Uncertain):
        await helios_send.transmit(works.deps, flow)
    ftp.gate.heal()
    name = await visible(ftp, flow)
    assert ftp.sent() == {name: pes()}
    written = (ftp.server.sent / name).stat().st_mtime_ns
    if taken_away:
        (ftp.server.sent / name).unlink()
    works.elapse(WINDOW + SECOND)
    await helios_send.transmit(works.deps, flow)
    assert ftp.sent() == {name: pes()}
    assert ((ftp.server.sent / name).stat().st_mtime_ns == written) != taken_away, "what is there whole is the proof"
    assert await works.helios_life(flow) == [1, 2, 3]


async def test_a_refused_site_stops_the_sending(works: Plant) -> None:
    with dgfip_server(Transport.FTP_GATEWAY, site=False) as server:
        async with way_to(works, server) as way:
            error = await way.fails(await works.queued_pes(pes()))
            assert "not understood" in str(error.details["reply"])
            assert way.sent() == {}


async def test_a_wrong_pasv_address(works: Plant) -> None:
    with dgfip_server(Transport.FTP_GATEWAY, masquerade="127.0.0.9") as server:
        async with way_to(works, server) as way:
            flow = await works.queued_pes(pes())
            await way.change(use_pasv_address=True)
            await way.fails(flow)
            await way.change(use_pasv_address=None)
            await helios_send.transmit(works.deps, flow)
            assert list(way.sent().values()) == [pes()]


async def test_a_refused_login(way: Way, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("mauvais mot")
    known = trust(way.server)
    way.works.deps.config.credentials["essai"] = Credentials(
        login="personne", password_file=str(wrong), authorities=known.authorities, known_hosts=known.known_hosts
    )
    error = await way.fails(await way.works.queued_pes(pes()))
    assert error.message.endswith("demande refusée")
    assert "mauvais mot" not in repr(error.details)


async def test_a_certificate_of_another_authority(
    works: Plant, servers: dict[Transport, Server], tmp_path: Path
) -> None:
    server = servers[Transport.PASSTRANS_FTPS]
    other = TestAuthority(tmp_path, "autre")
    credentials = Credentials(login=server.login, password_file=server.file("password"), authorities=other.path)
    async with way_to(works, server, credentials) as way:
        error = await way.fails(await works.queued_pes(pes()))
        assert "CERTIFICATE_VERIFY_FAILED" in str(error.details["error"])


async def test_a_certificate_of_another_host(works: Plant) -> None:
    with dgfip_server(Transport.PASSTRANS_FTPS, name="autre.exemple.fr") as server:
        async with way_to(works, server) as way:
            error = await way.fails(await works.queued_pes(pes()))
            assert "CERTIFICATE_VERIFY_FAILED" in str(error.details["error"])


async def test_a_host_key_that_changed(works: Plant, servers: dict[Transport, Server]) -> None:
    server = servers[Transport.PASSTRANS_SFTP]
    other = server.other_hosts()
    credentials = Credentials(login=server.login, client_key=server.file("client"), known_hosts=other)
    async with way_to(works, server, credentials) as way:
        error = await way.fails(await works.queued_pes(pes()))
        assert error.details["reply"] == "HostKeyNotVerifiable"


async def test_no_room_over_ftp(works: Plant) -> None:
    with dgfip_server(Transport.FTP_GATEWAY, most_bytes=100_000) as server:
        async with way_to(works, server) as way:
            error = await way.fails(await works.queued_pes(BIG))
            assert str(error.details["reply"])[0] in "45"
            assert all(len(data) < len(BIG) for data in way.sent().values())


async def test_no_room_over_sftp(works: Plant, servers: dict[Transport, Server]) -> None:
    async with way_to(works, servers[Transport.PASSTRANS_SFTP]) as way:
        flow = await works.queued_pes(BIG)
        name = f".{await visible(way, flow)}.part"
        (way.server.sent / name).symlink_to("/dev/full")
        await way.fails(flow)
        assert list(way.server.sent.iterdir()) == [], "nothing of it stays"
        await helios_send.transmit(works.deps, flow)
        assert list(way.sent().values()) == [BIG]


async def test_the_temporary_name_and_the_zip_on_a_real_server(way: Way) -> None:
    await way.change(rename=True, zip=True)
    flow = await way.works.queued_pes(pes())
    await helios_send.transmit(way.works.deps, flow)
    [(name, data)] = way.sent().items()
    assert data[:4] == b"PK\x03\x04"
    sha1 = await way.works.value("select encode(sha1, 'hex') from helios_transaction")
    sent_sha1 = await way.works.value("select encode(zip_sha1, 'hex') from helios_transaction")
    expected = sent_sha1 if way.server.transport is Transport.PASSTRANS_SFTP else f"{sha1}.zip"
    assert name.endswith(expected)
    assert SIREN in str(await way.works.value("select transmitted_name from helios_transaction"))


@pytest.mark.parametrize("command", ["RNFR", "RNTO"])
async def test_a_server_that_lets_nobody_rename(works: Plant, command: str) -> None:
    denied = f"<Limit {command}>\n  DenyAll\n</Limit>\n"
    with dgfip_server(Transport.FTP_GATEWAY, more=denied) as server:
        async with way_to(works, server) as way:
            flow = await works.queued_pes(pes())
            await way.change(rename=True)
            with pytest.raises(Permanent) as caught:
                await helios_send.transmit(works.deps, flow)
            assert caught.value.code == "RENOMMAGE_REFUSE"
            assert way.sent() == {}
            await way.change(rename=None)
            await helios_send.transmit(works.deps, flow)
            assert list(way.sent().values()) == [pes()]
            assert await works.outcomes() == ["failed", "accepted"]


async def test_a_server_that_replaces_nothing(works: Plant) -> None:
    """What a cut left under the temporary name goes, what has the name of the flow stays."""
    with dgfip_server(Transport.FTP_GATEWAY, more="AllowOverwrite off\n") as server:
        async with way_to(works, server) as way:
            flow = await works.queued_pes(BIG)
            await way.change(rename=True)
            way.gate.cut_after = len(BIG) // 2
            await way.fails(flow)
            way.gate.heal()
            assert list(way.sent()) == [f".{await visible(way, flow)}.part"]
            with pytest.raises(Temporary):
                await helios_send.transmit(works.deps, flow)
            (server.sent / await visible(way, flow)).write_bytes(b"another")
            with pytest.raises(Permanent):
                await helios_send.transmit(works.deps, flow)
            assert way.sent() == {await visible(way, flow): b"another"}
            (server.sent / await visible(way, flow)).unlink()
            await helios_send.transmit(works.deps, flow)
            assert list(way.sent().values()) == [BIG]
