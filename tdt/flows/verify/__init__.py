"""Verification of every stored body against every digest that the database holds of it."""

from tdt.flows.verify.reading import Pace
from tdt.flows.verify.run import Options, Progress, begin, get_shown, verify

__all__ = ["Options", "Pace", "Progress", "begin", "get_shown", "verify"]
