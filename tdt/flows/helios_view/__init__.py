"""Show a PES flow: its whole life, what the DGFiP says of it, and what a PES_Retour says."""

from tdt.flows.helios_view.life import list_named, view
from tdt.flows.helios_view.said import view_retour, view_verdict

__all__ = ["list_named", "view", "view_retour", "view_verdict"]
