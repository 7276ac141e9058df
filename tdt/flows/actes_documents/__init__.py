"""What is made of an act for those who want it: its files with a stamp, its bordereau, the mails that tell of it."""

from tdt.flows.actes_documents.made import StampedFile, stamp, write_bordereau
from tdt.flows.actes_documents.notifications import plan_digests, send

__all__ = ["StampedFile", "plan_digests", "send", "stamp", "write_bordereau"]
