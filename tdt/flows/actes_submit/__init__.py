"""Accept what is posted for @CTES: each kind of deposit is one transaction."""

from tdt.flows.actes_submit.acte import SubmittedBodies, submit
from tdt.flows.actes_submit.classification import (
    renew_classification,
    renew_classification_daily,
    request_classification,
)

__all__ = [
    "SubmittedBodies",
    "renew_classification",
    "renew_classification_daily",
    "request_classification",
    "submit",
]
