"""`tdt admin`: the operator's commands on groups, collectivités, accounts and services."""

import click

from tdt.admin.lazy import Lazy

MODULES = {
    "actes": "tdt.admin.actes",
    "helios": "tdt.admin.helios",
    "users": "tdt.admin.users",
    "logins": "tdt.admin.logins",
    "services": "tdt.admin.services",
    "groups": "tdt.admin.groups",
    "authorities": "tdt.admin.authorities",
    "breakers": "tdt.admin.breakers",
    "maintenance": "tdt.admin.maintenance",
    "routes": "tdt.admin.routes",
    "conventions": "tdt.admin.conventions",
    "onboarding": "tdt.admin.onboarding",
    "restore": "tdt.admin.restore",
    "sirets": "tdt.admin.sirets",
}


@click.group("admin", cls=Lazy, modules=MODULES)
def admin() -> None:
    """Administrer : collectivités, comptes, certificats, services."""
