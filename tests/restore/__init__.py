"""Restoration from the WAL archive, measured: what scripts/restore-test runs."""
