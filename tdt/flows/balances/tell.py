"""Tell the operators what does not balance: an alert and a mail for each route, once, until it balances again."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from tdt.db.alerts import Alert, insert_alerts, list_open_of, move_to_ended
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.balance_text import ALERT, Imbalance, write_imbalances
from tdt.domain.calendar import paris_midnight
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.plain import instant
from tdt.domain.routes import RouteKind


def subject_of(authority: AuthorityId, module: RouteKind, route: RouteId) -> str:
    """What the alert of a route is about."""
    return f"balance:{authority}:{module}:{route}"


def recounted(subject: str) -> str:
    """What the alert is about when only a full recount finds it: a daily balance, which cannot see it, ends it not."""
    return f"{subject}:full"


async def tell(
    deps: Deps, connection: Connection, day: date, found: tuple[Sequence[str], Mapping[str, Imbalance]]
) -> None:
    """Raise an alert for each new imbalance, from the day on that has it; end those of what balances again.

    `found`: the subjects that were looked at, and what is wrong with some of them. What only a recount finds is not
    told of a route that has its alert already.
    """
    looked_at, wrong = found
    open_before = await list_open_of(connection, ALERT)
    known = {subject for subject, _ in open_before}
    over = {one for one in open_before if one[0] in looked_at and one[0] not in wrong}
    if over:
        await move_to_ended(connection, ALERT, [one for one in open_before if one not in over])
    since = paris_midnight(day)
    told = known | {recounted(subject) for subject in known}
    new = [_alert(subject, one, since) for subject, one in wrong.items() if subject not in told]
    raised = await insert_alerts(connection, new)
    if raised:
        text = write_imbalances([wrong[one.subject] for one in raised], deps.config.server.public_url)
        await deps.tell_operators(connection, ("balance.imbalance", f"{raised[0].subject}:{instant(since)}"), text)


def _alert(subject: str, one: Imbalance, since: datetime) -> Alert:
    faults = [{"flow": fault.flow, "code": fault.code} for fault in one.side.faults[:50]]
    data = {"module": str(one.module), "route": one.route_name, "day": one.day.isoformat(), "faults": faults}
    return Alert(one.authority, ALERT, subject, since, data)
