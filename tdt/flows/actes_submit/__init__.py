"""Accept what is posted for @CTES: each kind of deposit is one transaction."""

from tdt.flows.actes_submit.acte import SubmittedBodies, submit
from tdt.flows.actes_submit.cancel import cancel
from tdt.flows.actes_submit.classification import (
    renew_classification,
    renew_classification_daily,
    request_classification,
)
from tdt.flows.actes_submit.ready import submit_ready, take_serial
from tdt.flows.actes_submit.reply import reply

__all__ = [
    "SubmittedBodies",
    "cancel",
    "renew_classification",
    "renew_classification_daily",
    "reply",
    "request_classification",
    "submit",
    "submit_ready",
    "take_serial",
]
