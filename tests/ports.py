"""A port that nobody listens to."""

import socket


def free_port() -> int:
    """Chosen by the kernel; another process could take it before us, which then fails loudly."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
