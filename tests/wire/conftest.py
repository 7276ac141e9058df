"""The fixtures of the wire tests."""

from tests.wire.stack import config, pki, stack

__all__ = ["config", "pki", "stack"]
