"""What the transmission to the DGFiP needs of a transport, be it FTP (gateway, simulator), FTPS or SFTP (Passtrans)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from tdt.domain.errors import OTHER_SIZE, Permanent, Uncertain
from tdt.domain.helios.model import Metadata
from tdt.domain.routes import Transport

UNKNOWN_SIZE = -1
"""Size of a listed file that the server does not tell."""
NAME_REFUSED = "RENOMMAGE_REFUSE"
"""Code of a Permanent: a file was taken under its temporary name and will not be given its own."""


@dataclass(frozen=True, slots=True)
class DgfipTarget:
    """Where and as whom. `known_hosts` and `client_key` are for SFTP (a key or a password), `authorities` for FTPS.

    `use_pasv_address` follows the address of a 227 reply; without it the address of the control connection is used.
    `rename`: a file is uploaded under a temporary name and takes its own once complete (None: over SFTP).
    `check_size`: once the server has said that it has a file, it is asked for its size, which must be right.
    """

    transport: Transport
    host: str
    port: int
    login: str
    password: str = field(default="", repr=False)
    send_directory: str = ""
    receive_directory: str = "."
    use_pasv_address: bool = False
    known_hosts: str = ""
    authorities: str = ""
    client_key: str = ""
    rename: bool | None = None
    check_size: bool = True

    @property
    def renames(self) -> bool:
        """Whether it does, said or not."""
        return self.transport == Transport.PASSTRANS_SFTP if self.rename is None else self.rename


class DgfipClient(Protocol):
    """One logged-in connection. After an error, leave it and open another one."""

    async def send(self, name: str, metadata: Metadata, sha1_hex: str, size: int, chunks: AsyncIterator[bytes]) -> str:
        """Deliver a file; gives the words of the server. Temporary = not delivered, Uncertain = perhaps."""

    async def list_received(self) -> set[str]:
        """The names in the receive directory, by one question whatever their number; there may be directories in it."""

    async def sizes_of(self, names: Sequence[str]) -> dict[str, int]:
        """The size of each of these received files, or UNKNOWN_SIZE; without what is no file or has gone."""

    def fetch(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of a received file, in blocks. Temporary at the end if the file came short."""

    async def remove(self, name: str) -> None:
        """Delete a received file, where the client is the one who does it."""

    async def find_sent(self, name: str) -> int | None:
        """Size of the file seen in the send directory as `name` (`naming.remote_name`); None: not visible, no proof."""


def is_plain_name(name: str) -> bool:
    """A name in its directory, without control characters. Names are latin-1 text: each character is a byte there."""
    return (
        name not in ("", ".", "..") and "/" not in name and not any(ord(char) < 32 or ord(char) == 127 for char in name)
    )


def remote_path(directory: str, name: str) -> str:
    """A path below a directory of the settings. Refuses a name that would leave it or break a command line."""
    if not is_plain_name(name):
        raise Permanent("Nom de fichier impossible à échanger avec la DGFiP", details={"name": name})
    if directory in ("", ".", "./"):
        return name
    return directory.rstrip("/") + "/" + name


def temporary_path(directory: str, name: str) -> str:
    """Where a file lies until it is complete: a name that listings leave out."""
    return remote_path(directory, f".{name}.part")


def check_size(service: str, size: int, seen: int | None) -> None:
    """Raises Uncertain when the other end shows a file of another size than the one sent; None: it shows nothing."""
    if seen not in (None, UNKNOWN_SIZE, size):
        message = f"{service} : le fichier déposé n'a pas la taille du fichier envoyé"
        raise Uncertain(message, code=OTHER_SIZE, details={"expected": size, "seen": seen})


def name_refused(service: str, reply: str) -> Permanent:
    """A file was taken under its temporary name and will not be given its own: uploaded again it would be the same."""
    message = f"{service} : le serveur refuse de donner son nom au fichier déposé"
    return Permanent(message, code=NAME_REFUSED, details={"reply": reply})


def named_all_the_same(service: str, reply: str) -> Uncertain:
    """The renaming was refused, and what is there says that it was done."""
    message = f"{service} : renommage refusé, mais le fichier est là sous son nom"
    return Uncertain(message, details={"reply": reply})


def open_dgfip(target: DgfipTarget) -> AbstractAsyncContextManager[DgfipClient]:
    """Connect and log in; Temporary when that fails."""
    # imported at use: asyncssh costs 40 MB, which only the process that speaks SFTP should pay
    if target.transport == Transport.PASSTRANS_SFTP:
        from tdt.remote.dgfip_sftp import open_sftp  # noqa: PLC0415

        return open_sftp(target)
    from tdt.remote.dgfip_ftp import open_ftp  # noqa: PLC0415

    return open_ftp(target)
