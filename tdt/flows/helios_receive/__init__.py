"""Take in what the DGFiP deposits: store each file first, understand it after."""

from tdt.domain.helios.reception import Memory
from tdt.flows.helios_receive.collect import collect
from tdt.flows.helios_receive.ingest import ingest
from tdt.flows.helios_receive.reread import reread, reread_all
from tdt.flows.helios_receive.storing import take_left

__all__ = ["Memory", "collect", "ingest", "reread", "reread_all", "take_left"]
