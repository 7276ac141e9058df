"""What the metrics show of the whole installation: the oldest of each state and route, the queue, sendings, alerts."""

import re
from datetime import timedelta
from pathlib import Path

from tdt.db.alerts import Alert, insert_alerts
from tdt.domain.routes import RouteKind
from tdt.flows import gauges
from tdt.workers.metrics import WorkerMetrics
from tests.faults.plant import plant
from tests.postgres import TestDatabase


async def test_what_waits_is_shown_by_state_and_route(database: TestDatabase, tmp_path: Path) -> None:
    async with plant(database, tmp_path) as works:
        acte = await works.submit_acte()
        route = works.routes[RouteKind.ACTES]
        works.elapse(timedelta(minutes=30))
        async with works.deps.transaction("system") as connection:
            await insert_alerts(connection, [Alert(None, "late", "acte:1", works.deps.now())])
            await connection.execute("insert into worker (name, seen_at) values ('w', $1)", works.deps.now())
            await connection.execute(
                """insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, started_at,
                    outcome) select authority_id, $1, 'acte_envelope', id, 'x', '', 1, $2, 'failed'
                from acte_transaction where id = $3""",
                route.id,
                works.deps.now(),
                acte,
            )
        metrics = WorkerMetrics()
        metrics.work.show(await gauges.measure(works.deps))
    shown = dict(re.findall(r"^(tdt_\S+) (\S+)$", metrics.render().decode(), re.MULTILINE))
    assert shown[f'tdt_actes{{route="{route.name}",status="1"}}'] == "1.0"
    assert 1790 < float(shown[f'tdt_actes_oldest_seconds{{route="{route.name}",status="1"}}']) < 1900
    assert shown['tdt_queue_jobs{kind="actes.analyse",size="small",state="due"}'] == "1.0"
    assert float(shown['tdt_queue_oldest_seconds{kind="actes.analyse",size="small"}']) > 1790
    assert shown[f'tdt_attempts_last_hour{{outcome="failed",route="{route.name}"}}'] == "1.0"
    assert shown[f'tdt_attempts_last_hour{{outcome="accepted",route="{route.name}"}}'] == "0.0"
    assert (shown['tdt_alerts{kind="late"}'], shown['tdt_alerts{kind="digest"}']) == ("1.0", "0.0")
    assert shown["tdt_workers_alive"] == "1.0"
