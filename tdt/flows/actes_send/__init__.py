"""Bring what was posted to the ministry: analyse it, build its archive once, hand it over with the crash rule."""

from tdt.flows.actes_send.acknowledge import acknowledge
from tdt.flows.actes_send.analyse import analyse
from tdt.flows.actes_send.package import package
from tdt.flows.actes_send.transmit import transmit

__all__ = ["acknowledge", "analyse", "package", "transmit"]
