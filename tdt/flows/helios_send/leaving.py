"""As what a flow leaves: by which route, under which name, with which labels, as XML or as a zip."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tdt.config import Helios
from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.authorities import get_authority
from tdt.db.content import get_content
from tdt.db.helios_sending import Sent, get_sent, move_route, move_sent
from tdt.db.lineage import check_lineage
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.zipped import zip_one
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Permanent
from tdt.domain.helios import naming
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import Metadata
from tdt.domain.ids import ContentId
from tdt.domain.routes import Attempt, Outcome, Route, RouteKind


@dataclass(frozen=True, slots=True)
class Leaving:
    """One flow as it is to leave: its bytes and their digests, its name, and the one seen at the other end."""

    route: Route
    metadata: Metadata
    name: str
    content: ContentId
    size: int
    sha256: bytes
    sha1: str
    """Of the bytes that leave: Passtrans SFTP writes it into the name."""

    @property
    def visible(self) -> str:
        """The name under which it shows at the other end."""
        return naming.remote_name(self.route.transport, self.name, self.metadata, self.sha1)


@dataclass(frozen=True, slots=True)
class ToZip:
    """Its route wants a zip, which is still to be made, with this name in it."""

    transaction: db.HeliosTransaction
    name: str


async def choose_route(
    deps: Deps, connection: Connection, found: db.HeliosTransaction, attempts: Sequence[Attempt]
) -> Route:
    """The route of the collectivité today, even if another one was its route on the day of the deposit.

    What may already have arrived by a route stays on it: there is where it can be seen, and there its answer comes.
    """
    own = await routes_db.get_route(connection, found.route_id)
    if own is None:
        raise Permanent("La route a disparu.", details={"helios_id": found.id})
    if any(one.is_uncertain for one in attempts):
        return own
    today = paris_date(deps.now())
    _, route = await routes_db.find_deposit_route(connection, found.authority_id, RouteKind.HELIOS, today)
    if route is None or route.id == own.id:
        return own
    await move_route(connection, found, route.id)
    if route.transport.is_passtrans != own.transport.is_passtrans:
        await db.insert_note(connection, found, texts.queued_text(found.id, route.transport.is_passtrans))
    return route


async def prepare(
    deps: Deps, connection: Connection, found: db.HeliosTransaction, route: Route, attempts: Sequence[Attempt]
) -> Leaving | ToZip:
    """Fix its name, and as what it leaves: as before when it may have left, else as its route says today."""
    sent = await get_sent(connection, found.id)
    name = await _name(deps, connection, found)
    metadata = await _labels(
        deps, connection, found, route, sent if any(one.is_uncertain for one in attempts) else None
    )
    gone = any(one.outcome is not Outcome.FAILED for one in attempts)
    zipped = bool(sent.zipped) if gone else route.settings.get("zip") is True
    if zipped and sent.zip_content_id is None:
        return ToZip(found, name)
    now = replace(sent, p_dest=metadata.p_dest, p_appli=metadata.p_appli, zipped=zipped)
    await move_sent(connection, found.id, now)
    if not zipped or sent.zip_content_id is None or sent.zip_sha1 is None:
        return await _as_it_is(connection, found, route, metadata, name)
    stored = await get_content(connection, sent.zip_content_id)
    if stored is None:
        raise Permanent("L'archive du flux a disparu.", details={"helios_id": found.id})
    return Leaving(
        route,
        metadata,
        naming.zip_name(found.sha1.hex()),
        stored.id,
        stored.size,
        stored.sha256,
        sent.zip_sha1.hex(),
    )


async def _as_it_is(
    connection: Connection, found: db.HeliosTransaction, route: Route, metadata: Metadata, name: str
) -> Leaving:
    stored = await get_content(connection, found.content_id)
    if stored is None:
        raise Permanent("Le fichier a disparu.", details={"helios_id": found.id})
    return Leaving(route, metadata, name, stored.id, stored.size, stored.sha256, found.sha1.hex())


async def _labels(
    deps: Deps, connection: Connection, found: db.HeliosTransaction, route: Route, before: Sent | None
) -> Metadata:
    """What the other end is told with the flow; the labels of an uncertain sending do not change."""
    p_msg = naming.p_msg(found.xml_cod_col or "", found.xml_id_post or "", found.xml_cod_bud or "")
    if before is not None and before.p_dest:
        return Metadata(before.p_dest, before.p_appli, p_msg)
    authority = await get_authority(connection, found.authority_id)
    if authority is None:
        raise Permanent("La collectivité a disparu.", details={"helios_id": found.id})
    return Metadata(authority.p_dest, p_appli(deps.config.helios, route), p_msg)


def p_appli(config: Helios, route: Route) -> str:
    """The application named to the DGFiP: that of the route, else the platform's, of production or of test."""
    return str(route.settings.get("p_appli") or (config.p_appli_test if route.test else config.p_appli))


async def _name(deps: Deps, connection: Connection, found: db.HeliosTransaction) -> str:
    if found.transmitted_name is not None:
        return found.transmitted_name
    await check_lineage(connection)  # a base that was restored has given names out that it does not know
    day = paris_date(deps.now())
    name = naming.transmitted_name(found.siren, day, await db.next_daily_number(connection, day))
    await db.move_transmitted_name(connection, found.id, name)
    return name


async def make_zip(deps: Deps, asked: ToZip) -> None:
    """Make the zip of a flow once and keep it: every resend has its very bytes."""
    found = asked.transaction
    writer = deps.spool.writer()
    with writer.discarded_on_failure():
        await zip_one(asked.name, found.size, deps.stream(found.authority_id, found.content_id), writer.write)
        body = await writer.finish()
        async with deps.transaction("system") as connection:
            await db.lock_transaction(connection, found.id)
            sent = await get_sent(connection, found.id)
            made = sent.zip_content_id is None
            if made:
                content = (await deps.keep(connection, found.authority_id, [body]))[0]
                await move_sent(connection, found.id, replace(sent, zip_content_id=content, zip_sha1=body.sha1))
    if not made:
        writer.discard()
