"""The ministry's mailbox, on the two real IMAP servers: pymap (the sandbox's) and Dovecot."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tdt.domain.errors import NotFound, Temporary
from tdt.remote.errors import SETTINGS
from tdt.remote.mailbox import CHUNK_BYTES, Mailbox, MailboxTarget, open_mailbox
from tests.certificates import TestAuthority
from tests.mailservers import LOGIN, PASSWORD, MailServer, dovecot, pymap

MAIL = (
    b"From: ministere@example.fr\r\nTo: tdt@example.fr\r\nSubject: AR (1) \x7b5\x7d\r\n\r\n"
    b"Corps )( \xe9 * 1 FETCH (X) \r\nA1 OK fini\r\n"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["pymap", "dovecot"])
def server(request: pytest.FixtureRequest, tmp_path: Path, authority: TestAuthority) -> Iterator[MailServer]:
    if request.param == "pymap":
        with pymap(tmp_path / "mailbox") as running:
            yield running
    else:
        with dovecot(authority.server()) as running:
            yield running


@pytest.fixture
def target(server: MailServer) -> MailboxTarget:
    return MailboxTarget("127.0.0.1", server.port, False, LOGIN, PASSWORD)


async def by_subject(mailbox: Mailbox) -> dict[str, str]:
    """Key of each message by its subject: files dropped together get their UIDs in any order."""
    mails = [(await mailbox.fetch(key), key) for key in await mailbox.list_new()]
    return {mail.splitlines()[0].decode().removeprefix("Subject: "): key for mail, key in mails}


def mail(subject: str) -> bytes:
    return f"Subject: {subject}\r\n\r\nbonjour\r\n".encode()


async def test_an_empty_mailbox(target: MailboxTarget) -> None:
    async with open_mailbox(target) as mailbox:
        assert await mailbox.list_new() == []


async def test_messages_come_byte_for_byte_and_stay(server: MailServer, target: MailboxTarget) -> None:
    server.deliver(MAIL, "1.a")
    async with open_mailbox(target) as mailbox:
        (key,) = await mailbox.list_new()
        uidvalidity, _, uid = key.partition("/")
        assert uidvalidity.isdigit()
        assert uid == "1"
        assert await mailbox.fetch(key) == server.serves(MAIL)
        assert await mailbox.fetch(key) == server.serves(MAIL)
    async with open_mailbox(target) as mailbox:
        assert await mailbox.list_new() == [key]


async def test_a_message_that_arrives_meanwhile_is_listed(server: MailServer, target: MailboxTarget) -> None:
    async with open_mailbox(target) as mailbox:
        for number in range(1, 4):
            server.deliver(mail(f"AR {number}"), f"{number}.a")
            assert len(await mailbox.list_new()) == number
        assert list(await by_subject(mailbox)) == ["AR 1", "AR 2", "AR 3"]


async def test_many_messages_are_listed_in_one_go(server: MailServer, target: MailboxTarget) -> None:
    count = 2_500 if server.name == "dovecot" else 200  # pymap takes 7 ms for each
    for number in range(count):
        server.deliver(mail("AR"), f"{number:05}.a")
    async with open_mailbox(target) as mailbox:
        assert len(await mailbox.list_new()) == count


@pytest.mark.parametrize("folder", ["", "traites", "Traités & classés"])
async def test_an_acknowledged_message_leaves_the_folder(
    server: MailServer, target: MailboxTarget, folder: str
) -> None:
    for number in range(1, 4):
        server.deliver(mail(f"AR {number}"), f"{number}.a")
    target = replace(target, done_folder=folder)
    async with open_mailbox(target) as mailbox:
        keys = await by_subject(mailbox)
        await mailbox.acknowledge(keys["AR 2"])
        await mailbox.acknowledge(keys["AR 1"])
        assert await mailbox.list_new() == [keys["AR 3"]]
        await mailbox.acknowledge(keys["AR 1"])
        assert await mailbox.list_new() == [keys["AR 3"]]
        with pytest.raises(NotFound):
            await mailbox.fetch(keys["AR 1"])
    if folder:
        async with open_mailbox(replace(target, folder=folder)) as done:
            assert list(await by_subject(done)) == ["AR 2", "AR 1"]
    left = [path.read_bytes() for name in ("new", "cur") for path in (server.maildir / name).iterdir()]
    assert left == [mail("AR 3")]


async def test_many_are_fetched_and_acknowledged_in_one_go(server: MailServer, target: MailboxTarget) -> None:
    mails = {f"AR {number}": mail(f"AR {number}") + b"x" * number for number in range(30)}
    for number, raw in enumerate(mails.values()):
        server.deliver(raw, f"{number:02}.a")
    async with open_mailbox(target) as mailbox:
        keys = await mailbox.list_new()
        sizes = await mailbox.sizes(keys)
        assert list(sizes) == keys
        assert await mailbox.sizes(keys[:2]) == {key: sizes[key] for key in keys[:2]}
        found = await mailbox.fetch_all(keys)
        assert sorted(found.values()) == sorted(server.serves(raw) for raw in mails.values())
        await mailbox.acknowledge(*keys[:10], *keys[11:20])
        assert await mailbox.list_new() == [keys[10], *keys[20:]]
        # those that somebody took meanwhile are left out
        assert list(await mailbox.fetch_all(keys[9:12])) == [keys[10]]
        assert list(await mailbox.sizes(keys[9:12])) == [keys[10]]


@pytest.mark.parametrize("more", [-1, 0, 1, 70_000])
async def test_a_large_mail_comes_piece_by_piece(server: MailServer, target: MailboxTarget, more: int) -> None:
    line = b"0123456789" * 7 + b"\n"
    content = b"Subject: gros\n\n" + line * (2 * CHUNK_BYTES // len(line))
    content += b"x" * (2 * CHUNK_BYTES + more - len(content))
    server.deliver(content, "1.a")
    async with open_mailbox(target) as mailbox:
        (key,) = await mailbox.list_new()
        whole = await mailbox.fetch(key)
        pieces = [piece async for piece in mailbox.stream(key)]
        assert b"".join(pieces) == whole
        assert max(map(len, pieces)) <= CHUNK_BYTES
        await mailbox.acknowledge(key)
        with pytest.raises(NotFound):
            _ = [piece async for piece in mailbox.stream(key)]


async def test_another_folder_has_keys_of_its_own(server: MailServer, target: MailboxTarget) -> None:
    server.deliver(MAIL, "1.a")
    async with open_mailbox(replace(target, done_folder="Courriels & AR")) as mailbox:
        (key,) = await mailbox.list_new()
        await mailbox.acknowledge(key)
    async with open_mailbox(replace(target, folder="Courriels & AR")) as other:
        (moved,) = await other.list_new()
        assert moved.endswith("/Courriels & AR")
        assert await other.fetch(moved) == server.serves(MAIL)
        assert await other.sizes([moved])
        with pytest.raises(NotFound):
            await other.fetch(moved.removesuffix("/Courriels & AR"))
    async with open_mailbox(target) as inbox:
        with pytest.raises(NotFound):
            await inbox.fetch(moved)


async def test_a_key_of_another_uidvalidity_touches_nothing(server: MailServer, target: MailboxTarget) -> None:
    server.deliver(MAIL, "1.a")
    async with open_mailbox(target) as mailbox:
        (key,) = await mailbox.list_new()
        uidvalidity, _, uid = key.partition("/")
        for other in (f"{int(uidvalidity) + 1}/{uid}", f"{uidvalidity}/1:*", f"{uidvalidity}/", uid):
            with pytest.raises(NotFound):
                await mailbox.acknowledge(other)
            with pytest.raises(NotFound):
                await mailbox.fetch(other)
        assert await mailbox.list_new() == [key]


async def test_a_mail_of_50_megabytes(server: MailServer, target: MailboxTarget) -> None:
    line = b"0123456789()*{}" * 5 + b"\r\n"
    content = b"Subject: gros\r\n\r\n" + line * (50_000_000 // len(line))
    server.deliver(content, "1.a")
    async with open_mailbox(target) as mailbox:
        (key,) = await mailbox.list_new()
        before = psutil.Process().memory_info().rss
        fetched = await mailbox.fetch(key)
        assert fetched == server.serves(content)
        assert psutil.Process().memory_info().rss - before < 4 * len(content)


async def test_waiting_ends_as_soon_as_a_message_arrives(server: MailServer, target: MailboxTarget) -> None:
    async with open_mailbox(target) as mailbox:
        await mailbox.list_new()
        for number in range(2):
            waiting = asyncio.create_task(mailbox.wait(30))
            await asyncio.wait({waiting}, timeout=0.3)
            assert not waiting.done()
            start = time.monotonic()
            server.deliver(mail("AR"), f"{number}.a")
            await waiting
            assert time.monotonic() - start < 15
            assert len(await mailbox.list_new()) == number + 1


async def test_waiting_ends_at_once_for_a_message_not_yet_listed(server: MailServer, target: MailboxTarget) -> None:
    async with open_mailbox(target) as mailbox:
        assert await mailbox.list_new() == []
        server.deliver(MAIL, "1.a")
        await asyncio.wait_for(mailbox.wait(60), 10)
        (key,) = await mailbox.list_new()
        # listed but not acknowledged: nothing new to announce
        start = time.monotonic()
        await mailbox.wait(0.3)
        assert time.monotonic() - start >= 0.3
        await mailbox.acknowledge(key)


async def test_idle_is_renewed(server: MailServer, target: MailboxTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tdt.remote.mailbox.IDLE_SECONDS", 0.2)
    async with open_mailbox(target) as mailbox:
        await mailbox.list_new()
        waiting = asyncio.create_task(mailbox.wait(30))
        await asyncio.wait({waiting}, timeout=1)
        assert not waiting.done()
        server.deliver(MAIL, "1.a")
        await asyncio.wait_for(waiting, 20)
        assert len(await mailbox.list_new()) == 1


async def test_waiting_can_be_cancelled(target: MailboxTarget) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), open_mailbox(target) as mailbox:
            await mailbox.wait(60)
    assert time.monotonic() - start < 10


async def test_a_lost_connection_is_temporary(server: MailServer, target: MailboxTarget) -> None:
    server.deliver(MAIL, "1.a")
    with pytest.raises(Temporary):
        async with open_mailbox(target) as mailbox:
            (key,) = await mailbox.list_new()
            server.kill()
            await mailbox.fetch(key)


async def test_a_connection_lost_while_waiting_is_temporary(server: MailServer, target: MailboxTarget) -> None:
    async with open_mailbox(target) as mailbox:
        waiting = asyncio.create_task(mailbox.wait(60))
        await asyncio.wait({waiting}, timeout=0.3)
        server.kill()
        with pytest.raises(Temporary):
            await asyncio.wait_for(waiting, 10)
        with pytest.raises(Temporary):
            await mailbox.list_new()


async def test_a_refused_login_is_temporary_and_hides_the_password(target: MailboxTarget) -> None:
    wrong = replace(target, password="mauvais mot")
    with pytest.raises(Temporary) as caught:
        async with open_mailbox(wrong):
            pass
    assert str(caught.value.details["reply"]).startswith("NO")
    assert "mauvais mot" not in repr(wrong) + repr(caught.value) + repr(caught.value.details)


async def test_a_password_that_would_break_the_line_is_a_fault_of_the_settings(target: MailboxTarget) -> None:
    with pytest.raises(Temporary) as caught:
        async with open_mailbox(replace(target, password="a\r\nA2 DELETE INBOX")):
            pass
    assert caught.value.code == SETTINGS


async def test_a_folder_that_does_not_exist_is_temporary(target: MailboxTarget) -> None:
    with pytest.raises(Temporary):
        async with open_mailbox(replace(target, folder="Nulle part")):
            pass


async def test_a_server_that_is_not_there_is_temporary(unused_tcp_port: int) -> None:
    with pytest.raises(Temporary):
        async with open_mailbox(MailboxTarget("127.0.0.1", unused_tcp_port, False, LOGIN, PASSWORD)):
            pass


async def test_tls_with_verification(authority: TestAuthority, tmp_path: Path) -> None:
    with dovecot(authority.server()) as server:
        server.deliver(MAIL, "1.a")
        target = MailboxTarget("localhost", server.tls_port, True, LOGIN, PASSWORD, authorities=authority.path)
        async with open_mailbox(target) as mailbox:
            (key,) = await mailbox.list_new()
            assert await mailbox.fetch(key) == MAIL
        with pytest.raises(Temporary):
            async with open_mailbox(replace(target, authorities=TestAuthority(tmp_path, "Une autre").path)):
                pass


# --- servers that can do less, or nothing


@asynccontextmanager
async def modest_server(capabilities: str, replies: dict[str, list[str]]) -> AsyncIterator[tuple[int, list[str]]]:
    """Speaks just enough IMAP to play a server without MOVE, UIDPLUS or IDLE; notes what it is asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK bonjour\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            asked.append(command)
            verb = " ".join(command.split()[:2]) if command.startswith("UID") else command.split()[0]
            answers = {"CAPABILITY": [f"* CAPABILITY IMAP4rev1 {capabilities}"]} | replies
            for answer in answers.get(verb, []):
                writer.write(f"{answer}\r\n".encode())
            writer.write(f"{tag} OK done\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


SELECTED = ["* 2 EXISTS", "* OK [UIDVALIDITY 7] valid"]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("", [r"UID STORE 4 +FLAGS.SILENT (\Deleted)", "EXPUNGE"]),
        ("fait", ['UID COPY 4 "fait"', r"UID STORE 4 +FLAGS.SILENT (\Deleted)", "EXPUNGE"]),
    ],
)
async def test_a_server_without_move_nor_uidplus(folder: str, expected: list[str]) -> None:
    async with modest_server("", {"SELECT": SELECTED, "UID SEARCH": ["* SEARCH 4 9"]}) as (port, asked):
        target = MailboxTarget("127.0.0.1", port, False, LOGIN, PASSWORD, done_folder=folder)
        async with open_mailbox(target) as mailbox:
            assert await mailbox.list_new() == ["7/4", "7/9"]
            asked.clear()
            await mailbox.acknowledge("7/4")
            assert asked == expected


async def test_a_server_without_idle_is_asked_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with modest_server("", {"SELECT": SELECTED, "UID SEARCH": ["* SEARCH"]}) as (port, asked):
        async with open_mailbox(MailboxTarget("127.0.0.1", port, False, LOGIN, PASSWORD)) as mailbox:
            start = time.monotonic()
            await mailbox.wait(0.3)
            assert time.monotonic() - start >= 0.3
        assert "IDLE" not in asked


async def test_a_short_body_given_as_a_quoted_string() -> None:
    fetched = ['* 1 FETCH (UID 4 BODY[] "a \\"b\\" \\\\")']
    async with (
        modest_server("", {"SELECT": SELECTED, "UID FETCH": fetched}) as (port, _),
        open_mailbox(MailboxTarget("127.0.0.1", port, False, LOGIN, PASSWORD)) as mailbox,
    ):
        assert await mailbox.fetch("7/4") == b'a "b" \\'


async def test_a_greeting_that_sends_us_away_is_temporary() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* BYE too many connections\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(Temporary):
            port = server.sockets[0].getsockname()[1]
            async with open_mailbox(MailboxTarget("127.0.0.1", port, False, LOGIN, PASSWORD)):
                pass
