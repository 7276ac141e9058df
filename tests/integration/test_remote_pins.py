"""Both generations of the ministry's servers: status, pinned certificate, old ciphers, from the settings of a route."""

import base64
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tdt.config import Credentials
from tdt.domain.errors import Permanent, TdtError, Temporary, Uncertain
from tdt.domain.ids import RouteId
from tdt.domain.routes import Route, RouteKind, Transport
from tdt.remote.errors import SETTINGS
from tdt.remote.pins import UNEXPECTED
from tdt.remote.prefecture import PrefectureTarget
from tdt.remote.routes import Remotes
from tests.certificates import Files, TestAuthority
from tests.integration.test_remote_prefecture import (
    CONTENT,
    NAME,
    Ministry,
    authority,
    chunks,
    ministry,
    ministry_server,
    post,
    server_context,
    target,
    url,
)

__all__ = ["authority", "ministry", "target", "url"]


def digest(certificate: str) -> bytes:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())).digest()


def written(certificate: str) -> str:
    return base64.b64encode(digest(certificate)).decode()


@pytest.fixture
def stranger(tmp_path: Path) -> Files:
    """A server of another authority, of another name: what the older servers of the ministry look like."""
    other = tmp_path / "other"
    other.mkdir()
    return TestAuthority(other, "Une autre").server("10.0.0.1")


@pytest.fixture
async def old(ministry: Ministry, stranger: Files) -> AsyncIterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(stranger.certificate, stranger.key)
    async with ministry_server(ministry, context) as address:
        yield address


async def test_the_expected_certificate_proves_the_server_whatever_signed_it(
    ministry: Ministry, old: str, target: PrefectureTarget, stranger: Files
) -> None:
    with pytest.raises(Temporary):
        await post(replace(target, url=old))
    assert ministry.requests == []
    pins = frozenset({digest(stranger.certificate), bytes(32)})
    assert await post(replace(target, url=old, pins=pins)) == "HTTP 200"


async def test_another_certificate_gets_nothing_not_even_the_login(
    ministry: Ministry, url: str, target: PrefectureTarget, stranger: Files, tmp_path: Path
) -> None:
    """Even one of an authority that is trusted: the pin alone counts."""
    pinned = replace(target, url=url, pins=frozenset({digest(stranger.certificate)}), login="tdt", password="secret")
    with pytest.raises(Temporary) as caught:
        await post(pinned)
    received, expected = written(str(tmp_path / "localhost.crt")), written(stranger.certificate)
    assert caught.value.code == UNEXPECTED
    assert caught.value.message == f"Le certificat recu ({received}) ne correspond pas à celui attendu ({expected})"
    assert ministry.requests == [] and ministry.expected == []


async def test_a_server_without_certificate_is_not_the_expected_one(
    ministry: Ministry, target: PrefectureTarget
) -> None:
    async with ministry_server(ministry, None) as plain:
        with pytest.raises(Temporary, match=r"^Le certificat recu \(aucun\) ne correspond pas"):
            await post(replace(target, url=plain, pins=frozenset({bytes(32)})))
    assert ministry.requests == []


async def test_a_server_that_is_not_the_expected_one_got_nothing_so_the_rescue_address_is_tried(
    ministry: Ministry, old: str, target: PrefectureTarget, url: str, stranger: Files
) -> None:
    pinned = replace(target, url=url, rescue_url=old, pins=frozenset({digest(stranger.certificate)}))
    assert await post(pinned) == "HTTP 200 (adresse de secours)"


async def test_an_old_cipher_when_the_route_says_so(
    ministry: Ministry, target: PrefectureTarget, authority: TestAuthority
) -> None:
    context = server_context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0")
    async with ministry_server(ministry, context) as address:
        with pytest.raises(Temporary):
            await post(replace(target, url=address, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))
        assert await post(replace(target, url=address, ciphers="DEFAULT@SECLEVEL=0")) == "HTTP 200"
        with pytest.raises(Temporary) as caught:
            await post(replace(target, url=address, ciphers="RIEN"))
    assert caught.value.code == SETTINGS


async def send(url: str, credentials: Credentials, **settings: object) -> str:
    route = Route(
        RouteId(1),
        RouteKind.ACTES,
        Transport.HTTPS,
        "Ministère",
        {"url": url, "imap_host": "x"} | settings,
        "prefecture",
    )

    async def on_rescue(error: TdtError) -> None:
        raise AssertionError(error)

    remotes = Remotes({"prefecture": credentials})
    return await remotes.send_archive(route, (NAME, len(CONTENT), lambda: chunks(CONTENT)), on_rescue)


@pytest.fixture
def credentials(target: PrefectureTarget) -> Credentials:
    return Credentials(certificate=target.certificate, key=target.key, authorities=target.authorities)


@pytest.mark.parametrize(
    ("settings", "takes", "doubts"),
    [
        ({}, 200, 201),
        ({"server": "legacy"}, 200, 201),
        ({"server": "dgcl"}, 201, 200),
        ({"server": "dgcl", "accepted_status": [200]}, 200, 201),
    ],
)
async def test_each_generation_takes_its_own_status_only(
    ministry: Ministry, url: str, credentials: Credentials, settings: dict[str, object], takes: int, doubts: int
) -> None:
    ministry.status = takes
    assert await send(url, credentials, **settings) == f"HTTP {takes}"
    ministry.status = doubts
    with pytest.raises(Uncertain):
        await send(url, credentials, **settings)


async def test_the_settings_of_a_pinned_route(old: str, credentials: Credentials, stranger: Files) -> None:
    pin = written(stranger.certificate)
    colons = digest(stranger.certificate).hex(":").upper()
    for value in (pin, [pin], [colons], ["A" * 43 + "=", pin]):
        assert await send(old, credentials, server_certificates=value, server="legacy") == "HTTP 200"
    with pytest.raises(Temporary) as caught:
        await send(old, credentials, server_certificates="abc")
    assert caught.value.code == SETTINGS
    with pytest.raises(Permanent, match="legacy ou dgcl"):
        await send(old, credentials, server="2025")
