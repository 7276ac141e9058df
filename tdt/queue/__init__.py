"""Doorbells: how a worker learns that a job waits. The job rows themselves are always in Postgres."""
