"""Documents on disk: the durable spool, archives, and later stamps and bordereaux."""
