"""Make the balances of the day before, sign them, and show in the metrics how they stand."""

import structlog

from tdt.deps import Deps
from tdt.domain.errors import Temporary
from tdt.flows import balances
from tdt.tasks import every
from tdt.workers.metrics import WorkerMetrics

log = structlog.get_logger()

LOOK_SECONDS = 60.0
CONFLICTS = 10
"""In one look: more is no coincidence."""


async def watch_balances(deps: Deps, metrics: WorkerMetrics) -> None:
    """Every minute: what is due, one collectivité and one day after the other; several workers share them."""
    await every(LOOK_SECONDS, "balances.failed", lambda: look(deps, metrics))


async def look(deps: Deps, metrics: WorkerMetrics) -> None:
    """Once. A key that cannot be used keeps no balance from being made."""
    made, conflicts = 0, 0
    while True:
        try:
            one = await balances.make_next(deps)
        except Temporary:  # another worker took the same collectivité
            conflicts += 1
            if conflicts == CONFLICTS:
                raise
            continue
        if one is None:
            break
        made += one.balances
        for wrong in one.imbalances:
            flows = [fault.flow for fault in wrong.side.faults[:20]]
            log.error("balance.imbalance", authority=wrong.authority, module=wrong.module, day=wrong.day, flows=flows)
    signed = await balances.sign_unsigned(deps)
    if made or signed:
        log.info("balances.made", balances=made, signed=signed)
    metrics.show_balances(await balances.count(deps))
