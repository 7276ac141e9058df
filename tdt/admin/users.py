"""`tdt admin users`: the accounts."""

import click


@click.group("users")
def users() -> None:
    """Comptes : personnes et logiciels."""
