"""The alert rules of conf/: the real promtool loads them, each fires when it must, and names only what is exported."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tdt.web.health import PoolGauges
from tdt.web.metrics import Metrics
from tdt.workers.metrics import WorkerMetrics

CONF = Path("conf").resolve()
RULES = CONF / "prometheus-rules.yml"
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))
STEADY = "+0x900"
RISING = "0+1x900"


def promtool(*words: object) -> None:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


FIRES: dict[str, tuple[str, dict[str, str]]] = {
    "TdtNothingWatches": ("5m", {"tdt_watchdog_last_pass_timestamp_seconds": f"0{STEADY}"}),
    "TdtProcessDown": ("5m", {'up{job="tdt-web",instance="a"}': f"0{STEADY}"}),
    "TdtNoWorker": ("5m", {"tdt_workers_alive": f"0{STEADY}"}),
    "TdtUnavailable": ("10m", {'tdt_http_requests_total{path="/",status="503"}': RISING}),
    "TdtErrors": ("10m", {'tdt_http_requests_total{path="/",status="500"}': RISING}),
    "TdtLate": ("5m", {'tdt_late{rule="box"}': f"1{STEADY}"}),
    "TdtAlertOpen": ("5m", {'tdt_alerts{kind="digest"}': f"1{STEADY}"}),
    "TdtJobsSetAside": ("5m", {'tdt_queue_jobs{kind="notice.send",size="small",state="dead"}': f"1{STEADY}"}),
    "TdtJobsWait": ("10m", {'tdt_queue_oldest_seconds{kind="actes.analyse",size="small"}': f"900{STEADY}"}),
    "TdtRouteFails": ("20m", {'tdt_attempts_last_hour{route="r",outcome="failed"}': f"2{STEADY}"}),
    "TdtBreakerOpen": ("20m", {'tdt_breaker_open{remote="actes",route="r"}': f"1{STEADY}"}),
    "TdtActesUnanswered": ("250m", {"tdt_actes_unanswered": f"1{STEADY}"}),
    "TdtHeliosLate": ("15m", {'tdt_helios_late{status="3",route="r"}': f"1{STEADY}"}),
    "TdtHeliosSilent": ("15m", {'tdt_helios_silent{route="r"}': f"1{STEADY}"}),
    "TdtBox": ("15m", {'tdt_received_waiting{kind="actes",reason="forged"}': f"1{STEADY}"}),
    "TdtPoolExhausted": ("5m", {"tdt_pool_waiting": f"1{STEADY}"}),
    "TdtSpoolFull": ("10m", {"tdt_spool_free_bytes": f"5{STEADY}", "tdt_spool_size_bytes": f"100{STEADY}"}),
    "TdtTrustUnreadable": ("10m", {"tdt_trust_reload_failed": f"1{STEADY}"}),
    "TdtHandshakesRefused": (
        "40m",
        {
            'tdt_tls_handshakes_refused_total{reason="x"}': "0+5x900",
            'tdt_tls_handshakes_total{version="TLSv1.3"}': RISING,
        },
    ),
    "TdtPasswordsGuessed": ("10m", {'tdt_logins_refused_total{code="TROP_D_ECHECS"}': RISING}),
    "TdtBalanceWrong": ("5m", {'tdt_balances{state="unbalanced"}': f"1{STEADY}"}),
    "TdtBalancesLate": ("730m", {'tdt_balances{state="late"}': f"1{STEADY}"}),
    "TdtCertificateEnds": ("5m", {'tdt_certificate_days_left{kind="server",name="nous"}': f"29{STEADY}"}),
    "TdtRevocationListLate": ("730m", {'tdt_certificate_days_left{kind="crl",name="liste"}': f"0{STEADY}"}),
    "TdtCertificatesUnreadable": ("10m", {"tdt_certificates_unreadable": f"1{STEADY}"}),
    "TdtNoticesStay": ("10m", {'tdt_jobs_total{kind="notice.send",outcome="retryat"}': RISING}),
}
QUIET = {
    "tdt_workers_alive": f"2{STEADY}",
    "tdt_watchdog_last_pass_timestamp_seconds": "0+60x900",
    'up{job="tdt-web",instance="a"}': f"1{STEADY}",
    'tdt_late{rule="box"}': f"0{STEADY}",
    'tdt_attempts_last_hour{route="r",outcome="failed"}': f"2{STEADY}",
    'tdt_attempts_last_hour{route="r",outcome="accepted"}': f"1{STEADY}",
    'tdt_tls_handshakes_refused_total{reason="x"}': RISING,
    'tdt_tls_handshakes_total{version="TLSv1.3"}': "0+5x900",
    'tdt_received_waiting{kind="actes",reason="ocre"}': f"1{STEADY}",
    "tdt_spool_free_bytes": f"50{STEADY}",
    "tdt_spool_size_bytes": f"100{STEADY}",
    'tdt_certificate_days_left{kind="server",name="nous"}': f"31{STEADY}",
    'tdt_http_requests_total{path="/",status="200"}': RISING,
}


def test_promtool_loads_them() -> None:
    promtool("check", "rules", RULES)
    promtool("check", "config", CONF / "prometheus.yml.example")


def test_each_fires_when_it_must_and_only_then(tmp_path: Path) -> None:
    assert sorted(FIRES) == sorted(ALERTS)
    soon = [_group(QUIET, "ALERTS", "60m", [])]
    late: list[dict[str, object]] = []
    for name, (at, series) in FIRES.items():
        expr = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
        group = _group(series, expr, at, [{"labels": "{}", "value": 1}])
        (late if int(at.removesuffix("m")) > 100 else soon).append(group)
    for interval, groups in (("1m", soon), ("10m", late)):
        path = tmp_path / "tests.yml"
        told = {"rule_files": [str(RULES)], "evaluation_interval": interval, "tests": groups}
        path.write_text(json.dumps(told), encoding="utf-8")
        promtool("test", "rules", path)


def _group(series: dict[str, str], expr: str, at: str, samples: list[dict[str, object]]) -> dict[str, object]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": at, "exp_samples": samples}],
    }


def exported() -> set[str]:
    texts = [Metrics().render(), WorkerMetrics().render(), PoolGauges().render()]
    return {name for text in texts for name in re.findall(r"^# TYPE (\w+) ", text.decode(), re.MULTILINE)}


@pytest.mark.parametrize(("name", "least"), [("prometheus-rules.yml", 20), ("grafana-tdt.json", 15)])
def test_what_is_named_is_exported(name: str, least: int) -> None:
    named = set(re.findall(r"\btdt_\w+", (CONF / name).read_text(encoding="utf-8")))
    known = exported() | {f"{one}_bucket" for one in exported()}
    assert len(named) > least
    assert named - known == set()


def test_the_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    panels = json.loads((CONF / "grafana-tdt.json").read_text(encoding="utf-8"))["panels"]
    rules = [{"record": "x", "expr": target["expr"]} for panel in panels for target in panel["targets"]]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": f"g{n}", "rules": [r]} for n, r in enumerate(rules)]}))
    assert len(rules) >= len(panels) > 10
    promtool("check", "rules", "--lint=none", path)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_says_what_to_do(alert: str) -> None:
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    rule = RULES.read_text(encoding="utf-8").partition(f"- alert: {alert}\n")[2].partition("- alert:")[0]
    assert re.search(r"summary: .{10}", rule) and re.search(r"description: .{10}", rule)
    anchor = rule.partition("runbook_url: docs/operations.md#")[2].split()[0]
    slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", page, re.M)]
    assert anchor in slugs
    assert f"| `{alert}` |" in page


def test_every_metric_is_described() -> None:
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    assert sorted(name for name in exported() if f"`{name}`" not in page) == []
