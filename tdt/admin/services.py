"""`tdt admin services`: the services of a collectivité, which make colleagues of their members."""

import click


@click.group("services")
def services() -> None:
    """Services d'une collectivité : leurs membres voient ce que déposent leurs collègues."""
