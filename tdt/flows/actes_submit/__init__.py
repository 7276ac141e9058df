"""Accept what is posted for @CTES: each kind of deposit is one transaction."""

from tdt.flows.actes_submit.acte import SubmittedBodies, submit
from tdt.flows.actes_submit.classification import request_classification

__all__ = ["SubmittedBodies", "request_classification", "submit"]
