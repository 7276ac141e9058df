"""The mailbox of the sandbox: an IMAP server (pymap) on a maildir, so that each mail is a file that survives a kill."""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pysasl.hashing import BuiltinHash

from tdt.sandbox.probes import greets_imap
from tdt.sandbox.supervisor import Command, tied

LOGIN = "tdt"
RUN = "from pymap.main import main; main()"
"""Its installed script has a first line that long paths break."""
HASH_ROUNDS = 1_000
"""The password is random and long: stretching it would only slow each login."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`directory` holds the accounts; the mails of LOGIN are in its folder of that name."""

    directory: Path
    port: int
    password: str

    @property
    def maildir(self) -> Path:
        return self.directory / LOGIN


def prepare(mailbox: Mailbox) -> None:
    """Folders, the account, and no lock left by a killed server (pymap would wait ten minutes for it)."""
    for name in ("new", "cur", "tmp"):
        (mailbox.maildir / name).mkdir(parents=True, exist_ok=True)
    (mailbox.directory / "scratch").mkdir(exist_ok=True)
    digest = BuiltinHash(rounds=HASH_ROUNDS).hash(mailbox.password)
    _write(mailbox.directory / "pymap-etc-passwd", f"{LOGIN}:x:1000:1000::{LOGIN}:\n")
    _write(mailbox.directory / "pymap-etc-shadow", f"{LOGIN}:{digest}:::::::\n")
    for lock in mailbox.maildir.rglob("*.lock"):
        with contextlib.suppress(FileNotFoundError):
            lock.unlink()


def _write(path: Path, text: str) -> None:
    making = path.with_suffix(".making")
    making.write_text(text)
    making.chmod(0o600)
    making.rename(path)


def mail_command(mailbox: Mailbox) -> Command:
    """The IMAP server, in clear on the loopback."""
    program = [sys.executable, "-c", RUN, "--no-tls", "--host", "127.0.0.1", "--port", str(mailbox.port)]
    return Command(
        name="mailbox",
        arguments=tied([*program, "maildir", str(mailbox.directory)]),
        is_ready=lambda: greets_imap(mailbox.port),
        # pymap writes its lists in TMPDIR, then renames them: it must be the same file system
        environment=os.environ | {"TMPDIR": str(mailbox.directory / "scratch")},
        prepare=lambda: prepare(mailbox),
        stop_seconds=3.0,
    )
