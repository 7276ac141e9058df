"""X.509: files, chains, revocation, RGS levels, trusted lists, the calendar of every certificate in play."""
