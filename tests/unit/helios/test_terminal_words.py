"""Words of a PES on an operator's terminal, as French writes them."""

from datetime import UTC, datetime, timedelta

from tdt.admin.flow_text import _report as report_line
from tdt.admin.verdict_text import verdict_lines
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.moves import Past, repost_obstacle


def test_a_refusal_to_post_again_leaves_its_full_stop_to_the_sentence() -> None:
    past = Past(HeliosStatus.ERREUR, (), True, False, False, True, datetime(2026, 1, 15, tzinfo=UTC), timedelta(0))
    obstacle = repost_obstacle(past, force=False)
    assert obstacle.endswith("regardez la passerelle")


def test_a_pj_is_feminine() -> None:
    one = {
        "kind": "pj",
        "domain": {"label": "PJ", "code": "4"},
        "exercice": None,
        "number": "N1",
        "anomalies": (),
        "pieces": (),
    }
    told = {
        "outcome": {"label": "Rejeté"},
        "acquit": "ACK.xml",
        "omitted": 0,
        "counts": {"pj": {"accepted": 1, "rejected": 1}},
        "elements": [one | {"state": "rejected"}],
    }
    assert list(verdict_lines({"verdict": told})) == [
        "Rejeté — 1 PJ acceptée, 1 PJ REFUSÉE (ACK.xml)",
        "PJ N1 (PJ) : REFUSÉE",
    ]


def test_what_the_antivirus_found_is_named() -> None:
    report = {"aspect": "antivirus", "verdict": "refused", "data": {"found": "Essai.Marque"}}
    assert report_line(report) == "antivirus : REFUSÉ — Essai.Marque"
