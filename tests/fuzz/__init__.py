"""Fuzzing of every parser that faces the outside (docs/reliability.md): targets, limits, driver, the kept corpus."""
