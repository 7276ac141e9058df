"""All SQL. Functions take a connection, return domain objects, never open a transaction (tdt.db.pool does)."""
