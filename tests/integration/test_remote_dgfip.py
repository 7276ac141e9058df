"""One contract for the four ways to the DGFiP, on real FTP, FTPS and SFTP servers; then what each has of its own."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import psutil
import pytest

from tdt.domain.errors import OTHER_SIZE, Permanent, TdtError, Temporary, Uncertain
from tdt.domain.helios.model import Metadata
from tdt.domain.helios.naming import remote_name
from tdt.domain.routes import Transport
from tdt.remote.dgfip import NAME_REFUSED, DgfipTarget, open_dgfip
from tdt.remote.errors import SETTINGS
from tests.certificates import TestAuthority
from tests.servers import LOGIN, PASSWORD, Behaviour, Played, ftp_server, sftp_server

NAME = "PESALR2_123456782_250616_002.xml"
METADATA = Metadata("VHPCE31", "THELPES2", "PES#012#034001#00")
CONTENT = bytes(range(256)) * 2_000
SHA1 = hashlib.sha1(CONTENT).hexdigest()


@dataclass(frozen=True, slots=True)
class Way:
    """A transport, the server that plays the other end, and how to reach it."""

    target: DgfipTarget
    played: Played

    @property
    def visible(self) -> str:
        return remote_name(self.target.transport, NAME, METADATA, SHA1)

    @property
    def is_sftp(self) -> bool:
        return self.target.transport == Transport.PASSTRANS_SFTP

    @property
    def behaviour(self) -> Behaviour:
        return self.played.behaviour


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


async def start(transport: Transport, directory: Path, behaviour: Behaviour, stack: AsyncExitStack) -> Way:
    behaviour.gateway = transport != Transport.FTP_SIMULATOR
    root, authorities = directory / "served", ""
    if transport == Transport.PASSTRANS_SFTP:
        played = await stack.enter_async_context(sftp_server(root, behaviour))
    elif transport == Transport.PASSTRANS_FTPS:
        authority = TestAuthority(directory)
        authorities = authority.path
        played = stack.enter_context(ftp_server(root, behaviour, authority.server()))
    else:
        played = stack.enter_context(ftp_server(root, behaviour))
    target = DgfipTarget(
        transport=transport,
        host="localhost" if authorities else "127.0.0.1",
        port=played.port,
        login=LOGIN,
        password=PASSWORD,
        send_directory="/entree/",
        receive_directory="/sortie",
        known_hosts=played.known_hosts,
        authorities=authorities,
    )
    return Way(target, played)


ALL = [Transport.FTP_GATEWAY, Transport.FTP_SIMULATOR, Transport.PASSTRANS_FTPS, Transport.PASSTRANS_SFTP]
FTP = ALL[:3]


@pytest.fixture(params=ALL)
async def way(request: pytest.FixtureRequest, tmp_path: Path, behaviour: Behaviour) -> AsyncIterator[Way]:
    async with AsyncExitStack() as stack:
        yield await start(request.param, tmp_path, behaviour, stack)


@pytest.fixture(params=FTP)
async def ftp(request: pytest.FixtureRequest, tmp_path: Path, behaviour: Behaviour) -> AsyncIterator[Way]:
    async with AsyncExitStack() as stack:
        yield await start(request.param, tmp_path, behaviour, stack)


@pytest.fixture
async def sftp(tmp_path: Path, behaviour: Behaviour) -> AsyncIterator[Way]:
    async with AsyncExitStack() as stack:
        yield await start(Transport.PASSTRANS_SFTP, tmp_path, behaviour, stack)


async def chunks(content: bytes = CONTENT, size: int = 65_536) -> AsyncIterator[bytes]:
    for start_ in range(0, len(content), size):
        yield content[start_ : start_ + size]


async def send(way: Way, content: bytes = CONTENT, size: int | None = None) -> str:
    async with open_dgfip(way.target) as client:
        return await client.send(NAME, METADATA, SHA1, len(content) if size is None else size, chunks(content))


async def fetch(way: Way, name: str) -> bytes:
    async with open_dgfip(way.target) as client:
        return b"".join([block async for block in client.fetch(name)])


# --- the contract


async def test_a_file_sent_arrives_whole_under_the_visible_name(way: Way) -> None:
    detail = await send(way)
    assert (way.played.sent / way.visible).read_bytes() == CONTENT
    assert detail.startswith("déposé sous" if way.is_sftp else "226")
    assert [path.name for path in way.played.sent.iterdir()] == [way.visible]


async def test_an_empty_file_can_be_sent(way: Way) -> None:
    await send(way, b"")
    assert (way.played.sent / way.visible).read_bytes() == b""


async def test_a_file_sent_is_found_with_its_size_and_another_is_not(way: Way) -> None:
    await send(way)
    async with open_dgfip(way.target) as client:
        assert await client.find_sent(way.visible) == len(CONTENT)
        assert await client.find_sent("PESALR2_123456782_250616_003.xml") is None


async def test_received_files_are_listed_with_their_sizes_without_directories(way: Way) -> None:
    (way.played.received / "PES2R_DEP_P_1.xml").write_bytes(b"12345")
    (way.played.received / "ACK 1.xml").write_bytes(b"")
    (way.played.received / "archive").mkdir()
    async with open_dgfip(way.target) as client:
        names = sorted(await client.list_received())
        assert await client.sizes_of([*names, "gone.xml"]) == {"ACK 1.xml": 0, "PES2R_DEP_P_1.xml": 5}
        assert await client.sizes_of([]) == {}


async def test_a_name_with_accents_can_be_listed_and_fetched(way: Way) -> None:
    (way.played.received / "Éàœ.xml").write_bytes(b"12345")
    async with open_dgfip(way.target) as client:
        (name,) = await client.list_received()
        assert name.encode("latin-1").decode() == "Éàœ.xml"
        assert await client.sizes_of([name]) == {name: 5}
        assert b"".join([block async for block in client.fetch(name)]) == b"12345"


async def test_an_empty_receive_directory_is_an_empty_list(way: Way) -> None:
    async with open_dgfip(way.target) as client:
        assert await client.list_received() == set()


async def test_a_missing_receive_directory_is_a_fault_not_an_empty_list(way: Way) -> None:
    target = replace(way.target, receive_directory="/ailleurs")
    async with open_dgfip(target) as client:
        with pytest.raises(Temporary) as caught:
            await client.list_received()
    assert caught.value.details["reply"]


async def test_several_files_are_fetched_on_one_connection(way: Way) -> None:
    files = {f"ACK_{number}.xml": CONTENT[: number * 100_000] for number in range(1, 5)}
    for name, content in files.items():
        (way.played.received / name).write_bytes(content)
    async with open_dgfip(way.target) as client:
        for name in await client.list_received():
            got = b"".join([block async for block in client.fetch(name)])
            assert got == files[name]
            await client.remove(name)
    assert list(way.played.received.iterdir()) == []


async def test_line_ends_are_not_converted(way: Way) -> None:
    content = b"\n\r\n\r\x00\xff" * 50_000
    (way.played.received / "ACK.xml").write_bytes(content)
    assert await fetch(way, "ACK.xml") == content


async def test_removing_a_file_that_is_gone_does_no_harm(way: Way) -> None:
    async with open_dgfip(way.target) as client:
        await client.remove("ACK.xml")
        assert await client.list_received() == set()


async def test_a_download_that_comes_short_is_told(way: Way, behaviour: Behaviour) -> None:
    (way.played.received / "ACK.xml").write_bytes(CONTENT)
    behaviour.truncate_download_after = 100_000
    with pytest.raises(Temporary) as caught:
        await fetch(way, "ACK.xml")
    assert caught.value.details == {"expected": len(CONTENT), "received": 100_000}


async def test_fetching_a_file_that_is_not_there_is_temporary(way: Way) -> None:
    with pytest.raises(Temporary):
        await fetch(way, "ACK.xml")


async def test_a_loss_in_the_middle_of_an_upload(way: Way, behaviour: Behaviour) -> None:
    """FTP shows the file as it grows: perhaps taken. SFTP shows nothing before the rename: surely not."""
    behaviour.cut_upload_after = 200_000
    with pytest.raises(Temporary if way.is_sftp else Uncertain):
        await send(way, CONTENT * 20)
    if way.is_sftp:
        assert not (way.played.sent / way.visible).exists()


async def test_a_loss_before_the_last_answer_is_uncertain(way: Way, behaviour: Behaviour) -> None:
    behaviour.vanish_at_the_end = True
    with pytest.raises(Uncertain) as caught:
        await send(way)
    assert caught.value.__cause__ is not None


async def test_a_refused_login_is_temporary_and_hides_the_password(way: Way) -> None:
    target = replace(way.target, password="mauvais mot")
    with pytest.raises(Temporary) as caught:
        async with open_dgfip(target):
            pass
    reply = str(caught.value.details["reply"])
    assert reply.startswith("PermissionDenied" if way.is_sftp else "530")
    assert "mauvais mot" not in repr(caught.value) + repr(caught.value.details) + repr(target)


async def test_a_server_that_is_not_there_is_temporary(way: Way, unused_tcp_port_factory: Callable[[], int]) -> None:
    with pytest.raises(Temporary):
        async with open_dgfip(replace(way.target, port=unused_tcp_port_factory())):
            pass


@pytest.mark.parametrize("name", ["", "..", "../x.xml", "a/b.xml", "a\r\nDELE b.xml", "a\0b"])
async def test_a_name_that_leaves_the_directory_or_the_line_is_refused(way: Way, name: str) -> None:
    async with open_dgfip(way.target) as client:
        with pytest.raises(Permanent):
            await client.find_sent(name)
        if way.target.transport in (Transport.FTP_SIMULATOR, Transport.PASSTRANS_SFTP):
            with pytest.raises(Permanent):
                await client.remove(name)
        with pytest.raises(Permanent):
            async for _ in client.fetch(name):
                pass


@pytest.mark.parametrize("p_msg", ["", "PES#1#2#3\r\nsite P_DEST X", "PES#1#2#é"])
def test_metadata_that_would_break_the_line_are_refused(p_msg: str) -> None:
    with pytest.raises(Permanent):
        Metadata("VHPCE31", "THELPES2", p_msg)


async def test_content_of_another_size_than_announced_is_not_taken_for_sent(way: Way) -> None:
    with pytest.raises(Temporary if way.is_sftp else Uncertain):
        await send(way, CONTENT, len(CONTENT) + 1)
    with pytest.raises(Temporary if way.is_sftp else Uncertain):
        await send(way, CONTENT, len(CONTENT) - 1)
    if way.is_sftp:
        assert list(way.played.sent.iterdir()) == []


async def test_memory_stays_flat(way: Way) -> None:
    block, count = bytes(1_048_576), 96

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield block

    async with open_dgfip(way.target) as client:
        before = psutil.Process().memory_info().rss
        await client.send(NAME, METADATA, SHA1, count * len(block), blocks())
        (way.played.sent / way.visible).rename(way.played.received / "ACK.xml")
        size = 0
        async for part in client.fetch("ACK.xml"):
            size += len(part)
        growth = psutil.Process().memory_info().rss - before
    assert size == count * len(block)
    assert growth < 48 * 1_048_576


async def test_a_file_that_is_shorter_there_is_not_taken_for_sent(way: Way, behaviour: Behaviour) -> None:
    behaviour.keeps_only = 1000
    with pytest.raises(Temporary if way.is_sftp else Uncertain) as caught:
        await send(way)
    assert isinstance(caught.value, TdtError)
    assert caught.value.details == {"expected": len(CONTENT), "seen": 1000}
    if way.is_sftp:  # it never had its name
        assert list(way.played.sent.iterdir()) == []
    unchecked = replace(way, target=replace(way.target, check_size=False))
    await send(unchecked)


@pytest.mark.parametrize("rename", [True, False])
async def test_the_temporary_name_is_a_setting(way: Way, behaviour: Behaviour, rename: bool) -> None:
    """With it nothing that goes wrong delivers anything; without it the file grows under its own name."""
    other = replace(way, target=replace(way.target, rename=rename))
    await send(other)
    assert [path.name for path in way.played.sent.iterdir()] == [way.visible]
    assert (way.played.sent / way.visible).read_bytes() == CONTENT
    renames = [line for line in way.played.commands if "rename" in line or line.startswith("RNTO")]
    assert len(renames) == rename
    (way.played.sent / way.visible).unlink()
    behaviour.cut_upload_after = 200_000
    with pytest.raises(Temporary if rename else Uncertain):
        await send(other, CONTENT * 20)
    assert (way.played.sent / way.visible).exists() != rename


async def test_a_refused_rename_delivers_nothing(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.rename_refusal = "550 not here"
    with pytest.raises(Permanent) as caught:
        await send(replace(ftp, target=replace(ftp.target, rename=True)))
    assert caught.value.details["reply"] == "550 not here"
    assert list(ftp.played.sent.iterdir()) == []


async def test_a_file_that_is_shorter_there_does_not_get_its_name(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.keeps_only = 1000
    with pytest.raises(Temporary) as caught:
        await send(replace(ftp, target=replace(ftp.target, rename=True)))
    assert (caught.value.code, caught.value.details) == (OTHER_SIZE, {"expected": len(CONTENT), "seen": 1000})
    assert list(ftp.played.sent.iterdir()) == []


# --- FTP and FTPS


async def test_the_site_commands_are_written_as_s2low_does(ftp: Way) -> None:
    await send(ftp)
    site = [line for line in ftp.played.commands if line.lower().startswith("site")]
    if ftp.target.transport == Transport.PASSTRANS_FTPS:
        assert site == ["site meta P_DEST=VHPCE31;P_APPLI=THELPES2;P_MSG=PES#012#034001#00"]
        assert {"AUTH TLS", "PBSZ 0", "PROT P"} <= set(ftp.played.commands)
    else:
        assert site == ["site P_DEST VHPCE31", "site P_APPLI THELPES2", "site P_MSG PES#012#034001#00"]
    commands = ftp.played.commands
    assert commands.index(site[-1]) < commands.index(f"STOR /entree/{NAME}")
    assert "TYPE I" in commands


async def test_a_refused_site_command_stops_the_sending(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.site_reply = "500 unknown"
    if ftp.target.transport == Transport.FTP_SIMULATOR:
        await send(ftp)
        return
    with pytest.raises(Temporary) as caught:
        await send(ftp)
    assert caught.value.details["reply"] == "500 unknown"
    assert list(ftp.played.sent.iterdir()) == []


async def test_a_site_reply_of_another_success_code_is_not_200(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.site_reply = "202 superfluous"
    if ftp.target.transport != Transport.FTP_SIMULATOR:
        with pytest.raises(Temporary):
            await send(ftp)


async def test_a_refused_stor_is_temporary(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.stor_refusal = "553 quota"
    with pytest.raises(Temporary) as caught:
        await send(ftp)
    assert caught.value.details["reply"] == "553 quota"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("452 no space", Temporary), ("426 aborted", Temporary), ("421 closing", Uncertain), ("200 hm", Uncertain)],
)
async def test_the_last_reply_decides(ftp: Way, behaviour: Behaviour, reply: str, expected: type[Exception]) -> None:
    behaviour.final_reply = reply
    with pytest.raises(expected) as caught:
        await send(ftp)
    assert isinstance(caught.value, Temporary | Uncertain)
    assert caught.value.details["reply"] == reply


async def test_250_is_a_success(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.final_reply = "250 done"
    assert await send(ftp) == "250 done"


async def test_only_the_simulator_is_asked_to_delete(ftp: Way) -> None:
    (ftp.played.received / "ACK.xml").write_bytes(b"<a/>")
    async with open_dgfip(ftp.target) as client:
        await client.remove("ACK.xml")
    deleted = "DELE /sortie/ACK.xml" in ftp.played.commands
    assert deleted == (ftp.target.transport == Transport.FTP_SIMULATOR)


async def test_pasv_first_then_epsv(ftp: Way, behaviour: Behaviour) -> None:
    await send(ftp)
    assert "PASV" in ftp.played.commands
    assert "EPSV" not in ftp.played.commands
    behaviour.without_pasv = True
    await send(ftp)
    assert "EPSV" in ftp.played.commands


async def test_over_ipv6(tmp_path: Path, behaviour: Behaviour) -> None:
    with ftp_server(tmp_path / "served", behaviour, host="::1") as played:
        target = DgfipTarget(Transport.FTP_GATEWAY, "::1", played.port, LOGIN, PASSWORD, "/entree/", "/sortie")
        await send(Way(target, played))
        assert (played.sent / NAME).read_bytes() == CONTENT
        assert "PASV" not in played.commands


async def test_the_address_of_the_pasv_reply_is_ignored_unless_wanted(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.masquerade = "127.0.0.9"
    await send(ftp)
    wanted = replace(ftp, target=replace(ftp.target, use_pasv_address=True))
    # nothing listens at 127.0.0.9 on that port: the address was followed
    with pytest.raises(Temporary):
        await send(wanted)


async def test_a_server_that_calls_an_empty_directory_an_error(ftp: Way, behaviour: Behaviour) -> None:
    behaviour.nlst_refusal = "550 No files found"
    async with open_dgfip(replace(ftp.target, receive_directory=".")) as client:
        assert await client.list_received() == set()


async def test_a_download_left_midway_closes_the_connection(ftp: Way) -> None:
    (ftp.played.received / "ACK.xml").write_bytes(CONTENT * 20)
    async with open_dgfip(ftp.target) as client:
        stream = client.fetch("ACK.xml")
        assert await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        with pytest.raises(Temporary):
            await client.list_received()


async def test_ftps_refuses_a_server_of_another_authority(tmp_path: Path, behaviour: Behaviour) -> None:
    async with AsyncExitStack() as stack:
        way = await start(Transport.PASSTRANS_FTPS, tmp_path, behaviour, stack)
        other = TestAuthority(tmp_path, "Une autre").path
        with pytest.raises(Temporary):
            async with open_dgfip(replace(way.target, authorities=other)):
                pass
        with pytest.raises(Temporary) as caught:
            async with open_dgfip(replace(way.target, authorities=str(tmp_path / "absent.pem"))):
                pass
        assert caught.value.code == SETTINGS


# --- SFTP


async def test_the_final_name_appears_only_complete(sftp: Way) -> None:
    async with open_dgfip(sftp.target) as client:

        async def watched() -> AsyncIterator[bytes]:
            async for chunk in chunks():
                yield chunk
                assert not (sftp.played.sent / sftp.visible).exists()

        await client.send(NAME, METADATA, SHA1, len(CONTENT), watched())
    assert sftp.visible == f"VHPCE31%%THELPES2%%PES#012#034001#00%%{SHA1}"
    final = f"/entree/{sftp.visible}"
    assert sftp.played.commands == [f"posix-rename /entree/.{sftp.visible}.part {final}"]


async def test_a_server_without_posix_rename_gets_a_plain_one(sftp: Way, behaviour: Behaviour) -> None:
    behaviour.without_posix_rename = True
    await send(sftp)
    assert (sftp.played.sent / sftp.visible).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("there", "code", "sizes"),
    [
        (CONTENT[:10], OTHER_SIZE, (len(CONTENT), 10)),
        # whose file it is, nobody knows; the renaming will be refused each time
        (b"x" * len(CONTENT), NAME_REFUSED, (None, None)),
    ],
)
async def test_a_name_taken_that_is_not_replaced_is_for_the_operator(
    sftp: Way, behaviour: Behaviour, there: bytes, code: str, sizes: tuple[int | None, int | None]
) -> None:
    behaviour.without_posix_rename = True
    (sftp.played.sent / sftp.visible).write_bytes(there)
    with pytest.raises(Permanent) as caught:
        await send(sftp)
    assert caught.value.code == code
    assert (caught.value.details.get("expected"), caught.value.details.get("seen")) == sizes
    # what was there stays, and our temporary file does not
    assert {path.name: path.read_bytes() for path in sftp.played.sent.iterdir()} == {sftp.visible: there}


FOR_GOOD = [asyncssh.SFTPPermissionDenied, asyncssh.SFTPOpUnsupported]


@pytest.mark.parametrize("error", FOR_GOOD)
@pytest.mark.parametrize("plain", [False, True])
async def test_a_name_refused_for_good_is_for_the_operator(
    sftp: Way, behaviour: Behaviour, error: Callable[[str], asyncssh.SFTPError], plain: bool
) -> None:
    """Tried again it would be uploaded each time, for ever."""
    behaviour.without_posix_rename, behaviour.rename_error = plain, error
    with pytest.raises(Permanent) as caught:
        await send(sftp)
    assert caught.value.code == NAME_REFUSED
    assert "not this name" in str(caught.value.details["reply"])
    assert list(sftp.played.sent.iterdir()) == []


async def test_a_name_refused_for_now_is_tried_again(sftp: Way, behaviour: Behaviour) -> None:
    behaviour.rename_error = asyncssh.SFTPFailure
    with pytest.raises(Temporary):
        await send(sftp)
    assert list(sftp.played.sent.iterdir()) == []
    behaviour.rename_error = None
    await send(sftp)
    assert (sftp.played.sent / sftp.visible).read_bytes() == CONTENT


@pytest.mark.parametrize("error", [asyncssh.SFTPFailure, asyncssh.SFTPPermissionDenied])
async def test_a_refusal_that_what_is_there_contradicts_is_in_doubt(
    sftp: Way, behaviour: Behaviour, error: Callable[[str], asyncssh.SFTPError]
) -> None:
    behaviour.rename_error, behaviour.renames_all_the_same = error, True
    with pytest.raises(Uncertain):
        await send(sftp)
    assert [path.name for path in sftp.played.sent.iterdir()] == [sftp.visible]


async def test_the_identical_resend_replaces_the_first(sftp: Way) -> None:
    await send(sftp)
    await send(sftp)
    assert [path.name for path in sftp.played.sent.iterdir()] == [sftp.visible]


async def test_an_unknown_host_key_is_refused(sftp: Way, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    hosts = tmp_path / "other_hosts"
    hosts.write_text(f"[127.0.0.1]:{sftp.played.port} {other}")
    with pytest.raises(Temporary) as caught:
        async with open_dgfip(replace(sftp.target, known_hosts=str(hosts))):
            pass
    assert caught.value.details["reply"] == "HostKeyNotVerifiable"


@pytest.mark.parametrize("known_hosts", ["", "/nonexistent"])
async def test_without_known_hosts_nothing_is_contacted(sftp: Way, known_hosts: str) -> None:
    with pytest.raises(Temporary) as caught:
        async with open_dgfip(replace(sftp.target, known_hosts=known_hosts)):
            pass
    assert caught.value.code == SETTINGS


async def test_login_by_client_key(tmp_path: Path, behaviour: Behaviour) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(tmp_path / "client_key"))
    async with sftp_server(tmp_path / "served", behaviour, key.export_public_key().decode()) as played:
        target = DgfipTarget(
            transport=Transport.PASSTRANS_SFTP,
            host="127.0.0.1",
            port=played.port,
            login=LOGIN,
            send_directory="entree",
            known_hosts=played.known_hosts,
            client_key=str(tmp_path / "client_key"),
        )
        await send(Way(target, played))
        assert len(list(played.sent.iterdir())) == 1


async def test_the_cipher_is_aes(sftp: Way, caplog: pytest.LogCaptureFixture) -> None:
    from tdt.remote.dgfip_sftp import _CIPHERS, _options

    assert _CIPHERS[0] == "aes256-ctr"
    async with asyncssh.connect("127.0.0.1", sftp.played.port, options=_options(sftp.target)) as connection:
        assert connection.get_extra_info("send_cipher") == "aes256-ctr"
