"""Balances: made each day for each collectivité, module and route; signed; compared; shown."""

from tdt.flows.balances.due import check_day, is_due
from tdt.flows.balances.make import Asked, Made, count, make_next
from tdt.flows.balances.recount import Difference, list_authorities, recount
from tdt.flows.balances.seal import sign_unsigned
from tdt.flows.balances.view import Verified, get, list_some, verify

__all__ = [
    "Asked",
    "Difference",
    "Made",
    "Verified",
    "check_day",
    "count",
    "get",
    "is_due",
    "list_authorities",
    "list_some",
    "make_next",
    "recount",
    "sign_unsigned",
    "verify",
]
