"""Every target by its name."""

from collections.abc import Mapping

from tests.fuzz.targets import actes, archives, certificates, flows, forms, gateway, mail
from tests.fuzz.targets.base import Target

GROUPS = (forms, flows, actes, mail, archives, certificates, gateway)
TARGETS: Mapping[str, Target] = {one.name: one for group in GROUPS for one in group.TARGETS}
