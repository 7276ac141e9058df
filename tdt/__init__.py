"""tdt: a self-hosted tiers de télétransmission (ACTES and HELIOS)."""
