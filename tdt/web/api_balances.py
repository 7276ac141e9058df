"""Our own JSON endpoints: the daily balances of a collectivité, each with its signature."""

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from aiohttp import web

from tdt.db.balances import Balance, Wanted
from tdt.domain.calendar import paris_date, parse_civil_date
from tdt.domain.errors import Refused
from tdt.domain.fields import INTEGER
from tdt.domain.ids import AuthorityId
from tdt.domain.plain import instant
from tdt.domain.routes import RouteKind
from tdt.flows import balances
from tdt.web.admin_answers import actor
from tdt.web.call import DIGITS, Call
from tdt.web.s2low import attachment, json_answer

PAGE = 100
DAYS = 31
"""Shown when no first day is asked for."""

File = tuple[str, str, Callable[[Balance], bytes | None]]
FILES: Mapping[str, File] = {
    "document": ("json", "application/json", lambda one: one.document),
    "signature": ("p7s", "application/pkcs7-signature", lambda one: one.signature),
    "certificate": ("pem", "application/x-pem-file", lambda one: one.certificate),
}


async def balance_list(call: Call) -> web.StreamResponse:
    """The balances of some days, `PAGE` at a time, of what the caller administers or may read."""
    query = call.query
    last = _day(query.text("to"), paris_date(call.deps.now()))
    first = _day(query.text("from"), last - timedelta(days=DAYS - 1))
    wanted = Wanted(
        first=first,
        last=last,
        authority=AuthorityId(_number(query.text("authority"))) if query.text("authority") else None,
        modules=[_module(query.text("module"))] if query.text("module") else None,
        after=_number(query.text("after")) if query.text("after") else 0,
        limit=PAGE,
    )
    found = await balances.list_some(call.deps, actor(call), wanted)
    after = found[-1].id if len(found) == PAGE else None
    return json_answer({"balances": [_told(one) for one in found], "next": after}, "application/json")


async def balance(call: Call) -> web.StreamResponse:
    """One balance, whole; with `file`, its document, signature or certificate as they are kept."""
    found = await balances.get(call.deps, actor(call), call.number("balance"))
    if asked := call.query.text("file"):
        return _file(found, asked)
    verified = await balances.verify(found)
    told = {
        **_told(found),
        "document": json.loads(found.document),
        "valid": not verified.fault,
        "fault": verified.fault,
    }
    return json_answer(told, "application/json")


def _file(found: Balance, asked: str) -> web.Response:
    if asked not in FILES:
        raise Refused(f"file : {', '.join(FILES)}.")
    extension, content_type, read = FILES[asked]
    data = read(found)
    if data is None:
        raise Refused("Ce solde n'est pas encore signé.")
    name = f"solde-{found.day:%Y%m%d}-{found.id}.{extension}"
    return web.Response(body=data, headers={"Content-Type": content_type, **attachment(name)})


def _told(one: Balance) -> dict[str, object]:
    document = json.loads(one.document)
    return {
        "id": one.id,
        "authority_id": one.authority_id,
        "day": one.day.isoformat(),
        "module": str(one.module),
        "route": document["route"],
        "balanced": one.balanced,
        "movements": document["movements"],
        "closing": document["closing"],
        "sha256": one.sha256.hex(),
        "made_at": instant(one.made_at),
        "signed_at": instant(one.signed_at),
    }


def _day(given: str, default: date) -> date:
    if not given:
        return default
    found = parse_civil_date(given)
    if found is None:
        raise Refused("Date invalide : AAAA-MM-JJ.")
    return found


def _number(given: str) -> int:
    return int(given) if given and INTEGER.fullmatch(given) and len(given) < DIGITS else 0


def _module(given: str) -> RouteKind:
    try:
        return RouteKind(given)
    except ValueError as error:
        raise Refused("module : actes, helios.") from error
