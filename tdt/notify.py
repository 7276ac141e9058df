"""Tell systemd what the service does (sd_notify), when it asks: one datagram, nothing when it does not."""

import os
import socket


def notify(state: str) -> None:
    """Send a state such as `READY=1`, `STOPPING=1` or `WATCHDOG=1`; `@` begins an abstract socket name."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def watchdog_seconds() -> float | None:
    """How often to send WATCHDOG=1 (half of what systemd allows), None when it does not watch this process."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", "")
    if not allowed or (watched and int(watched) != os.getpid()):
        return None
    return int(allowed) / 2_000_000
