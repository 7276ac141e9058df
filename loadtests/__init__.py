"""Load tests: each scenario is a ratio against a baseline measured in turn in the same run, on the same machine."""
