"""Take in what the ministry mails: store the raw message first, understand it after."""

from tdt.flows.actes_receive.collect import collect
from tdt.flows.actes_receive.ingest import ingest

__all__ = ["collect", "ingest"]
