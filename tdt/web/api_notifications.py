"""How the caller wants to be told by e-mail: our own JSON endpoint."""

from aiohttp import web

from tdt.db.notification_wishes import Preferences
from tdt.domain.actes.notifications import Kind
from tdt.domain.closing import check_not_closed
from tdt.flows import notification_wishes as flow
from tdt.web.admin_answers import actor
from tdt.web.call import Call
from tdt.web.s2low import json_answer


async def my_notifications(call: Call) -> web.StreamResponse:
    """GET tells the wishes of the caller's account, POST changes those that its form names."""
    account = call.who.user.id
    if call.request.method == "POST":
        check_not_closed(call.who, administering=False)
        fields = call.form.fields
        wishes = flow.read_wishes({str(kind): fields.text(kind) for kind in Kind})
        found = await flow.change(call.deps, actor(call), account, flow.Change(wishes, fields.is_true("retry")))
    else:
        found = await flow.find(call.deps, actor(call), account)
    return json_answer(_answer(call, found), "application/json")


def _answer(call: Call, found: Preferences) -> dict[str, object]:
    return {
        "email": found.email,
        "enabled": call.deps.mailer.configured,
        "preferences": {str(kind): str(mode) for kind, mode in found.wishes.items()},
        "digest_hour": call.deps.config.mail.digest_hour,
        "refused": None
        if found.refused is None
        else {"at": found.refused[0].isoformat(timespec="seconds"), "reply": found.refused[1]},
    }
