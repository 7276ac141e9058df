"""The DGFiP gateway as a TdT meets it, with real FTP, FTPS and SFTP clients."""

import asyncio
import base64
import ftplib
import hashlib
import io
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncssh
import pytest

from tests.certificates import TestAuthority
from tests.dgfip_flows import sample
from tests.dgfip_simulator import (
    LOGIN,
    METADATA,
    NAME,
    PASSWORD,
    SECONDS,
    Simulator,
    announce,
    exchange,
    open_sftp,
    put,
    remote_name,
    simulator,
    states,
    wait_for,
)
from tests.helios_xsd import check


@pytest.fixture
async def dgfip(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with simulator(tmp_path) as running:
        await running.post("/dgfip/behaviour", delay=0)
        yield running


# --- FTP


async def test_a_flow_is_received_and_acquitted(dgfip: Simulator) -> None:
    def act() -> dict[str, bytes]:
        with dgfip.connect() as ftp:
            assert put(ftp, sample()).startswith("226")
            return wait_for(ftp)

    [(name, acquit)] = (await asyncio.to_thread(act)).items()
    assert name.startswith("034001_")
    assert "-ACK-" in name
    assert check(acquit) == []
    assert states(acquit) == ["1", "1"]
    [one] = await dgfip.received()
    assert (one["name"], one["size"]) == (NAME, len(sample()))
    assert one["sha256"] == hashlib.sha256(sample()).hexdigest()
    assert one["metadata"].items() >= METADATA.items()
    assert one["metadata"]["P_MSG_matches"] is True
    assert one["metadata"]["remote_address"].startswith("127.0.0.1:")
    assert await dgfip.get("/dgfip/received/0") == sample()


@pytest.mark.parametrize("case", [str.upper, str.lower])
async def test_metadata_are_wanted_before_each_file(dgfip: Simulator, case: Callable[[str], str]) -> None:
    def act() -> None:
        with dgfip.connect() as ftp:
            for missing in METADATA:
                for name, value in METADATA.items():
                    if name != missing:
                        assert ftp.sendcmd(f"{case('site')} {case(name)} {value}").startswith("200")
                with pytest.raises(ftplib.error_perm, match="503"):
                    ftp.storbinary(f"STOR /entree/{NAME}", io.BytesIO(sample()))
            with pytest.raises(ftplib.error_perm, match="501"):
                ftp.sendcmd("SITE META P_DEST=a;P_APPLI=b")
            ftp.sendcmd(f"{case('site meta')} P_DEST=a;P_APPLI=b;P_MSG=PES#1#2#3")
            ftp.storbinary(f"STOR /entree/{NAME}", io.BytesIO(sample()))
            with pytest.raises(ftplib.error_perm, match="503"):
                ftp.storbinary(f"STOR /entree/{NAME}", io.BytesIO(sample()))
            announce(ftp)
            with pytest.raises(ftplib.error_perm, match="553"):
                ftp.storbinary(f"STOR /sortie/{NAME}", io.BytesIO(sample()))

    await asyncio.to_thread(act)
    [one] = await dgfip.received()
    assert one["metadata"]["P_DEST"] == "a"
    assert one["metadata"]["P_MSG_matches"] is False


async def test_the_same_name_again_is_another_reception(dgfip: Simulator) -> None:
    acquits = await asyncio.to_thread(exchange, dgfip, sample(), sample("AUTRE"))
    assert len(acquits) == 2
    assert [one["name"] for one in await dgfip.received()] == [NAME, NAME]
    assert await dgfip.get("/dgfip/received/0") == sample()
    assert await dgfip.get("/dgfip/received/1") == sample("AUTRE")

    def listed() -> tuple[list[str], int | None]:
        with dgfip.connect() as ftp:
            names = ftp.nlst("/entree")
            ftp.voidcmd("TYPE I")
            return names, ftp.size(f"/entree/{NAME}")

    assert await asyncio.to_thread(listed) == ([NAME], len(sample("AUTRE")))


async def test_the_gateway_forgets_a_file_read_to_its_end_only(dgfip: Simulator) -> None:
    small, large = b"<a>\n</a>\n" * 3, b"<b>\n" * (4 << 18)
    for name, content in (("small.ocre", small), ("large.xml", large)):
        await dgfip.post("/dgfip/deposit", name=name, content_base64=base64.b64encode(content).decode())

    def act() -> None:
        with dgfip.connect() as ftp:
            ftp.cwd("/sortie")
            assert sorted(ftp.nlst(".")) == ["large.xml", "small.ocre"]
            assert {name: facts["size"] for name, facts in ftp.mlsd(facts=["size"])} == {
                "large.xml": str(len(large)),
                "small.ocre": str(len(small)),
            }
            lines: list[str] = []
            ftp.retrlines("LIST", lines.append)
            assert len(lines) == 2
            for name in ("small.ocre", "large.xml"):
                data = ftp.transfercmd(f"RETR {name}")
                data.recv(1)
                time.sleep(0.1)  # the rest of the small file arrives, and stays unread
                data.close()
                with pytest.raises(ftplib.error_temp, match="426"):
                    ftp.voidresp()
            assert len(ftp.nlst(".")) == 2
            with pytest.raises(ftplib.error_perm, match="550"):
                ftp.delete("small.ocre")
            text: list[str] = []
            ftp.retrlines("RETR small.ocre", text.append)  # ASCII, as S2LOW does
            assert text == ["<a>", "</a>"] * 3
            assert ftp.nlst(".") == ["large.xml"]
            received = bytearray()
            ftp.retrbinary("RETR large.xml", received.extend)
            assert bytes(received) == large
            assert ftp.nlst(".") == []

    await asyncio.to_thread(act)


async def test_in_simulator_mode_the_client_removes(tmp_path: Path) -> None:
    async with simulator(tmp_path, gateway=False, sftp_port=None) as running:
        await running.post("/dgfip/deposit", name="a.xml", content_base64="YQ==")

        def act() -> None:
            with running.connect() as ftp:
                ftp.cwd("sortie")
                ftp.retrbinary("RETR a.xml", lambda _: None)
                assert ftp.nlst() == ["a.xml"]
                ftp.delete("a.xml")
                assert ftp.nlst() == []

        await asyncio.to_thread(act)


async def test_one_directory_for_both_ways(tmp_path: Path) -> None:
    async with simulator(tmp_path, send_directory="./", receive_directory=".", sftp_port=None) as running:
        await running.post("/dgfip/behaviour", delay=0)

        def act() -> None:
            with running.connect() as ftp:
                announce(ftp)
                ftp.storbinary(f"STOR {NAME}", io.BytesIO(sample()))
                deadline = time.monotonic() + SECONDS
                while len(names := ftp.nlst("./")) < 2:
                    assert time.monotonic() < deadline
                assert NAME in [name.rpartition("/")[2] for name in names]

        await asyncio.to_thread(act)


async def test_an_upload_cut_by_the_simulator_is_no_reception(dgfip: Simulator) -> None:
    content = sample() + b" " * 500_000

    def send() -> str:
        # what is left to read of the answer comes as that to QUIT
        try:
            with dgfip.connect() as ftp:
                return put(ftp, content)
        except (OSError, ftplib.Error) as error:
            return str(error)

    for limit in (100_000, len(content)):
        await dgfip.post("/dgfip/behaviour", cut_at=limit)
        assert "226" not in await asyncio.to_thread(send)
    assert await dgfip.received() == []
    await dgfip.post("/dgfip/behaviour", cut_at=None)
    assert "226" in await asyncio.to_thread(send)
    assert len(await dgfip.received()) == 1


@pytest.mark.parametrize("reset", [True, False])
async def test_an_upload_cut_by_the_client_is_no_reception(dgfip: Simulator, reset: bool) -> None:
    def act() -> None:
        ftp = dgfip.connect()
        announce(ftp)
        data = ftp.transfercmd(f"STOR /entree/{NAME}")
        data.sendall(sample()[:300])
        if reset:
            data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            data.close()
            with pytest.raises(ftplib.error_temp, match="426"):
                ftp.voidresp()
        else:
            ftp.close()  # the control connection first, then the data: a killed process
            data.close()
        ftp.close()
        with dgfip.connect() as another:
            assert put(another, sample(), name="whole.xml").startswith("226")

    await asyncio.to_thread(act)
    assert [one["name"] for one in await dgfip.received()] == ["whole.xml"]


async def test_an_outage_refuses_logins_for_a_time(dgfip: Simulator) -> None:
    await dgfip.post("/dgfip/behaviour", outage=True)
    with pytest.raises(ftplib.error_temp, match="421"):
        await asyncio.to_thread(dgfip.connect)
    with pytest.raises(asyncssh.DisconnectError) as caught:
        await open_sftp(dgfip)
    assert not isinstance(caught.value, asyncssh.PermissionDenied)
    await dgfip.post("/dgfip/behaviour", outage=False)
    (await asyncio.to_thread(dgfip.connect)).close()
    connection = await open_sftp(dgfip)
    connection.close()


async def test_wrong_passwords_are_refused(dgfip: Simulator) -> None:
    def act() -> None:
        ftp = ftplib.FTP(timeout=SECONDS)
        ftp.connect("127.0.0.1", dgfip.ftp)
        with pytest.raises(ftplib.error_perm, match="530"):
            ftp.login(LOGIN, "autre")
        with pytest.raises(ftplib.error_perm, match="502"):
            ftp.sendcmd("AUTH TLS")
        ftp.close()

    await asyncio.to_thread(act)
    with pytest.raises(asyncssh.PermissionDenied):
        await open_sftp(dgfip, "autre")


async def test_passtrans_over_tls(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    files = authority.server()
    async with simulator(tmp_path, certificate=str(files.certificate), key=str(files.key), sftp_port=None) as running:
        await running.post("/dgfip/behaviour", delay=0)

        def act() -> dict[str, bytes]:
            context = ssl.create_default_context(cafile=str(authority.path))
            context.check_hostname = False
            ftp = ftplib.FTP_TLS(timeout=SECONDS, context=context)
            ftp.connect("127.0.0.1", running.ftp)
            ftp.login(LOGIN, PASSWORD)
            ftp.prot_p()
            assert ftp.sendcmd("site meta " + ";".join(f"{k}={v}" for k, v in METADATA.items())).startswith("200")
            assert ftp.storbinary(f"STOR /entree/{NAME}", io.BytesIO(sample())).startswith("226")
            taken = wait_for(ftp)
            assert ftp.nlst("/sortie") == []
            ftp.quit()
            return taken

        assert len(await asyncio.to_thread(act)) == 1
        [one] = await running.received()
        assert one["metadata"]["transport"] == "ftps"
        await running.post("/dgfip/behaviour", cut_at=100)

        def cut() -> None:
            context = ssl.create_default_context(cafile=str(authority.path))
            context.check_hostname = False
            ftp = ftplib.FTP_TLS(timeout=SECONDS, context=context)
            ftp.connect("127.0.0.1", running.ftp)
            ftp.login(LOGIN, PASSWORD)
            ftp.prot_p()
            announce(ftp)
            with pytest.raises((OSError, ftplib.Error, EOFError)):
                ftp.storbinary(f"STOR /entree/{NAME}", io.BytesIO(sample()))
            ftp.close()

        await asyncio.to_thread(cut)
        assert len(await running.received()) == 1


# --- SFTP


async def sftp_put(sftp: asyncssh.SFTPClient, path: str, content: bytes) -> None:
    async with sftp.open(path, "wb") as file:
        await file.write(content)


async def poll_sftp(sftp: asyncssh.SFTPClient, count: int = 1) -> list[str]:
    deadline = time.monotonic() + SECONDS
    while len(names := sorted(str(name) for name in await sftp.listdir("/sortie") if name not in (".", ".."))) < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    return names


@pytest.mark.parametrize("temporary", [False, True])
async def test_a_flow_over_sftp(dgfip: Simulator, temporary: bool) -> None:
    content = sample() + b"\n" * 1_000_000
    name = remote_name(content)
    async with await open_sftp(dgfip) as connection, connection.start_sftp_client() as sftp:
        if temporary:
            await sftp_put(sftp, f"/entree/.{name}.part", content)
            assert await dgfip.received() == []
            await sftp.posix_rename(f"/entree/.{name}.part", f"/entree/{name}")
        else:
            await sftp_put(sftp, f"/entree/{name}", content)
        [one] = await dgfip.received()
        assert one["name"] == name
        assert one["metadata"].items() >= {**METADATA, "transport": "sftp", "P_MSG_matches": True}.items()
        assert (await sftp.stat(f"/entree/{name}")).size == len(content)
        [acquit] = await poll_sftp(sftp)
        async with sftp.open(f"/sortie/{acquit}", "rb") as file:
            assert check(await file.read()) == []
        assert await poll_sftp(sftp) == [acquit]
        await sftp.remove(f"/sortie/{acquit}")
        assert await poll_sftp(sftp, 0) == []


async def test_sftp_refuses_what_its_name_does_not_announce(dgfip: Simulator) -> None:
    wrong = remote_name(b"something else")
    async with await open_sftp(dgfip) as connection, connection.start_sftp_client() as sftp:
        with pytest.raises(asyncssh.SFTPError):
            await sftp_put(sftp, f"/entree/{wrong}", sample())
        await sftp_put(sftp, "/entree/.a.part", sample())
        for new in (f"/entree/{wrong}", "/entree/plain.xml", f"/sortie/{remote_name(sample())}"):
            with pytest.raises(asyncssh.SFTPError):
                await sftp.rename("/entree/.a.part", new)
        for path in ("/entree/plain.xml", f"/sortie/{remote_name(sample())}", f"/../{remote_name(sample())}"):
            with pytest.raises(asyncssh.SFTPError):
                await sftp_put(sftp, path, sample())
        for refused in (sftp.mkdir("/entree/x"), sftp.rmdir("/sortie"), sftp.symlink("/etc", "/entree/e")):
            with pytest.raises(asyncssh.SFTPError):
                await refused
    assert await dgfip.received() == []


async def test_sftp_is_cut_too(dgfip: Simulator) -> None:
    content = sample() + b" " * 500_000
    for limit in (100_000, len(content)):
        await dgfip.post("/dgfip/behaviour", cut_at=limit)
        async with await open_sftp(dgfip) as connection:
            with pytest.raises((asyncssh.Error, OSError)):
                async with connection.start_sftp_client() as sftp:
                    await sftp_put(sftp, f"/entree/{remote_name(content)}", content)
    await dgfip.post("/dgfip/behaviour", cut_at=None)
    async with await open_sftp(dgfip) as connection, connection.start_sftp_client() as sftp:
        assert await dgfip.received() == []
        await sftp_put(sftp, f"/entree/{remote_name(content)}", content)
    assert len(await dgfip.received()) == 1
