"""ACTES: what is true of acts, their envelopes, their files and the answers of the ministry. No I/O."""
