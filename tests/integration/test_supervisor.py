"""The process tree of the sandbox: killed children come again, a killed parent takes them along, a stop is clean."""

import asyncio
import imaplib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tdt.sandbox import mailserver
from tdt.sandbox.settings import choose_port
from tdt.sandbox.supervisor import Busy, Command, StartFailed, Supervisor, lock_directory, tied
from tests.integration.test_sandbox_postgres import is_running

TREE = Path(__file__).parents[2]
SLEEPER = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).open('a').write('x'); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


def sleeper(name: str, trace: Path) -> Command:
    return Command(name, tied([sys.executable, "-c", SLEEPER, str(trace)]), lambda: asyncio.to_thread(trace.exists))


async def test_a_killed_command_comes_again(tmp_path: Path) -> None:
    supervisor = Supervisor()
    trace = tmp_path / "lives"
    await supervisor.start(sleeper("sleeper", trace))
    first = supervisor.pid("sleeper")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: trace.read_text() == "xx")
    assert supervisor.pid("sleeper") != first
    second = supervisor.pid("sleeper")
    assert second is not None
    await supervisor.stop()
    assert not is_running(second)


async def test_one_that_gives_no_sign_of_life_is_killed_and_comes_again(tmp_path: Path) -> None:
    trace = tmp_path / "lives"
    command = replace(sleeper("sleeper", trace), silent_seconds=1.5)
    supervisor = Supervisor()
    await supervisor.start(command)
    first = supervisor.pid("sleeper")
    trace.unlink()
    await until(trace.exists)
    assert supervisor.pid("sleeper") != first
    await supervisor.stop()


async def test_one_that_resists_is_killed(tmp_path: Path) -> None:
    supervisor = Supervisor()
    await supervisor.start(Command("stubborn", tied([sys.executable, "-c", STUBBORN]), stop_seconds=0.2))
    pid = supervisor.pid("stubborn")
    assert pid is not None
    await supervisor.stop()
    assert not is_running(pid)


async def test_a_command_that_always_fails_stops_the_start() -> None:
    async def never() -> bool:
        return False

    supervisor = Supervisor()
    with pytest.raises(StartFailed, match="stops each time"):
        await supervisor.start(Command("broken", [sys.executable, "-c", "raise SystemExit(3)"], never))
    await supervisor.stop()


async def test_the_directory_is_held_until_the_last_child_has_gone(tmp_path: Path) -> None:
    directory = tmp_path / "dir"
    directory.mkdir()
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.supervisor_parent", str(directory), cwd=TREE
    )
    await until((directory / "two").exists)
    children = children_of(parent.pid)
    assert len(children) == 2
    with pytest.raises(Busy):
        await lock_directory(directory, seconds=0)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    descriptor = await lock_directory(directory)
    os.close(descriptor)
    await until(lambda: not any(is_running(child) for child in children))


async def test_sigterm_ends_the_tree(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.supervisor_parent", str(tmp_path), cwd=TREE
    )
    await until((tmp_path / "two").exists)
    children = children_of(parent.pid)
    parent.send_signal(signal.SIGTERM)
    assert await parent.wait() == 0
    assert not any(is_running(child) for child in children)


async def test_the_mailbox_survives_a_kill(tmp_path: Path) -> None:
    mailbox = mailserver.Mailbox(tmp_path / "mail", choose_port(set()), "0123456789abcdef")
    supervisor = Supervisor()
    await supervisor.start(mailserver.mail_command(mailbox))
    (mailbox.maildir / "new" / "1700000000.1.localhost").write_bytes(b"Subject: un\r\n\r\ntexte\r\n")
    assert await asyncio.to_thread(subjects, mailbox) == [b"un"]

    pid = supervisor.pid("mailbox")
    assert pid is not None
    (mailbox.maildir / "dovecot-uidlist.lock").touch()
    os.kill(pid, signal.SIGKILL)
    (mailbox.maildir / "new" / "1700000001.1.localhost").write_bytes(b"Subject: deux\r\n\r\ntexte\r\n")
    await until(lambda: supervisor.pid("mailbox") != pid)
    await until_answers(mailbox)
    assert await asyncio.to_thread(subjects, mailbox) == [b"un", b"deux"]
    await supervisor.stop()


async def until_answers(mailbox: mailserver.Mailbox) -> None:
    async with asyncio.timeout(20):
        while not await mailserver.mail_command(mailbox).is_ready():  # noqa: ASYNC110 - another process: nothing to set
            await asyncio.sleep(0.02)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def subjects(mailbox: mailserver.Mailbox) -> list[bytes]:
    with imaplib.IMAP4("127.0.0.1", mailbox.port, timeout=10) as client:
        client.login(mailserver.LOGIN, mailbox.password)
        client.select()
        _, found = client.uid("SEARCH", "ALL")
        texts = [client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")[1][0][1] for uid in found[0].split()]
    return [text.splitlines()[0].removeprefix(b"Subject: ") for text in texts]
