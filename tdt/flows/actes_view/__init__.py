"""Show the whole life of a transaction to whoever may see it."""

from tdt.flows.actes_view.gather import UNKNOWN, list_named, view

__all__ = ["UNKNOWN", "list_named", "view"]
