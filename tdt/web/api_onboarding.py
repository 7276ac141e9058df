"""What a collectivité still needs: our own JSON endpoint, and what it adds to S2LOW's detail of a collectivité."""

from aiohttp import web

from tdt.domain.ids import AuthorityId
from tdt.domain.onboarding import is_complete
from tdt.flows import onboarding
from tdt.web.admin_answers import actor
from tdt.web.call import Call
from tdt.web.s2low import json_answer


async def authority_onboarding(call: Call) -> web.StreamResponse:
    """The checklist of a collectivité that the caller administers."""
    return json_answer(await read_checklist(call, AuthorityId(call.number("authority"))), "application/json")


async def read_checklist(call: Call, authority: AuthorityId) -> dict[str, object]:
    """The checklist as JSON says it. Raises Refused."""
    items = await onboarding.find_checklist(call.deps, actor(call), authority)
    return {
        "authority_id": authority,
        "complete": is_complete(items),
        "items": [
            {
                "code": item.code,
                "module": str(item.module) if item.module is not None else None,
                "label": item.label,
                "state": str(item.state),
                "detail": item.detail,
                "remedy": item.remedy,
                "who": str(item.who) if item.who is not None else "",
            }
            for item in items
        ],
    }
