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
from tdt.flows.actes_submit.resend import Resent, resend

__all__ = [
    "Resent",
    "SubmittedBodies",
    "cancel",
    "renew_classification",
    "renew_classification_daily",
    "reply",
    "request_classification",
    "resend",
    "submit",
    "submit_ready",
    "take_serial",
]
