"""What a sandbox remembers between two starts: ports and passwords, in DIR/sandbox.json, for its owner's eyes only."""

import secrets
import socket
from pathlib import Path

import msgspec

LOWEST_PORT, HIGHEST_PORT = 20_000, 31_999
"""Below the range from which the system takes the ports of outgoing connections."""


class Ports(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Loopback ports. Only `web` is chosen by the user."""

    web: int
    web_health: int = 0
    worker_health: int = 0
    mailbox: int = 0
    prefecture: int = 0
    ftp: int = 0
    sftp: int = 0
    control: int = 0


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`passwords`: by account name, and those of the sandbox's own links (mailbox, dgfip, database)."""

    ports: Ports
    passwords: dict[str, str] = {}

    def password(self, name: str) -> str:
        """Made once; letters and digits only, safe in a DSN, in SQL and on a command line."""
        return self.passwords.setdefault(name, secrets.token_hex(16))


def load_settings(directory: Path, port: int) -> Settings:
    """What was kept, with the port asked for (0: that of the last start); an inner port taken since is replaced."""
    path = directory / "sandbox.json"
    settings = msgspec.json.decode(path.read_bytes(), type=Settings) if path.exists() else Settings(ports=Ports(web=0))
    ports = settings.ports
    ports.web = port or ports.web
    taken = {ports.web}
    for name in Ports.__struct_fields__:
        number: int = getattr(ports, name)
        if number == 0 or (name != "web" and (number in taken or not is_free(number))):
            number = choose_port(taken)
            setattr(ports, name, number)
        taken.add(number)
    return settings


def save_settings(directory: Path, settings: Settings) -> None:
    """Whole or not at all."""
    making = directory / "sandbox.json.making"
    making.touch(mode=0o600)
    making.write_bytes(msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")
    making.rename(directory / "sandbox.json")


def choose_port(taken: set[int]) -> int:
    """A port that nobody uses now, by chance, so that two sandboxes started together choose differently."""
    while True:
        number = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT)
        if number not in taken and is_free(number):
            return number


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
