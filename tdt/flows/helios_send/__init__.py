"""Bring a PES flow to the DGFiP: check it, number it, hand it over with the crash rule."""

from tdt.flows.helios_send.analyse import analyse
from tdt.flows.helios_send.index import index
from tdt.flows.helios_send.replay import replay_signatures
from tdt.flows.helios_send.schema import check_file, check_schema, recheck_schema
from tdt.flows.helios_send.transmit import transmit

__all__ = ["analyse", "check_file", "check_schema", "index", "recheck_schema", "replay_signatures", "transmit"]
