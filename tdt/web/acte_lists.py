"""Lists and counts of transactions, and the CSV of their envelopes."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from tdt.db import acte_lists as db
from tdt.db.authority_admin import get_owned
from tdt.domain.actes.rules import DEFAULT_NATURES
from tdt.domain.authorities import Role
from tdt.domain.calendar import PARIS, paris_date, paris_midnight
from tdt.domain.errors import Forbidden
from tdt.domain.ids import AuthorityId
from tdt.domain.text import to_latin1
from tdt.domain.when import read_when
from tdt.web.admin_authorities import csv_line
from tdt.web.call import Call, php_int, refused
from tdt.web.group_totals import month_totals
from tdt.web.html import facts, link, page, paragraph
from tdt.web.s2low import attachment, json_answer

TYPE_NAMES = {
    1: "TransmissionActe",
    2: "CourrierSimple",
    3: "DemandePieceComplementaire",
    4: "LettreDObservation",
    5: "DefereAuTribunalAdministratif",
    6: "Annulation",
    7: "DemandeDeClassification",
}
"""As later versions of S2LOW name them when a type is none."""
NATURES = {nature.code: nature.label for nature in DEFAULT_NATURES}
LIMIT = 100
LARGEST = 10_000
"""Lines of one answer at most; the answer tells the limit that it kept."""
NO_GROUP = "Authorities is not in a group or no group_id provided"
EXPORT = "/modules/actes/actes_export.php"
HANDLER = "/modules/actes/actes_export_handler.php"
LONGEST_DAYS = 400
TOO_LONG = f"La récupération est limitée à un intervalle de {LONGEST_DAYS} jours"
SMALLEST, GREATEST = -32_768, 32_767
"""Statuses and types are small integers in the database."""


async def number_actes(call: Call) -> web.StreamResponse:
    """How many transactions of the caller's collectivité have a status."""
    status, authority = small(php_int(call.query.text("status_id"))), _authority(call)
    count = 0
    if authority:
        async with call.transaction() as connection:
            count = await db.count_actes(connection, AuthorityId(authority), status)
    return json_answer({"status_id": status, "authority_id": authority, "nb_transactions": count})


async def list_actes(call: Call) -> web.StreamResponse:
    """The transactions of the caller's collectivité that have a status, newest first; every scalar is a text."""
    query, authority = call.query, _authority(call)
    bounds: dict[str, datetime | None] = {}
    for name in ("min_date", "max_date"):
        bounds[name] = read_when(query.text(name), call.deps.now()) if query.is_true(name) else None
        if query.is_true(name) and bounds[name] is None:
            return json_answer({"error": f"{name} n'est pas une date"})
    kind = php_int(query.text("type_acte")) if query.is_true("type_acte") else None
    if kind is not None and kind not in TYPE_NAMES:
        known = ", ".join(f"{name} : {code}" for code, name in TYPE_NAMES.items())
        return json_answer({"error": f"Code {kind} invalide, les valeurs possibles sont : {known}"})
    status = small(php_int(query.text("status_id")))
    offset, limit = max(php_int(query.text("offset")), 0), min(php_int(query.text("limit")), LARGEST)
    limit = limit if limit > 0 else LIMIT
    found: list[db.Line] = []
    if authority:
        wanted = db.Wanted(AuthorityId(authority), status, bounds["min_date"], bounds["max_date"], kind)
        async with call.transaction() as connection:
            found = await db.list_actes(connection, wanted, offset, limit)
    head = {"status_id": status, "authority_id": authority, "offset": offset, "limit": limit}
    texts = {name: str(value) for name, value in head.items()}
    return json_answer({**texts, "transactions": [_line(one) for one in found]})


def _line(one: db.Line) -> dict[str, str]:
    return {
        "id": str(one.id),
        "subject": one.subject,
        "number": one.number or "",
        "date": one.decision_date.isoformat() if one.decision_date is not None else "",
        "nature_descr": NATURES.get(one.nature_code or 0, ""),
        "classification": ".".join(map(str, one.classif)),
        "type": str(one.type),
    }


async def totals(call: Call) -> web.StreamResponse:
    """How many transactions each collectivité of a group has decided in a month."""
    return await month_totals(call, db.list_totals, NO_GROUP)


async def export_page(call: Call) -> web.StreamResponse:
    """What may be exported, and the address of the last month."""
    since, until = _period(call)
    fields = {"date_debut": since, "date_fin": until, "authority_id": call.query.text("authority_id")}
    return page(
        "Actes - Export des informations",
        [
            paragraph(f"Un fichier CSV, une ligne par enveloppe. {TOO_LONG}."),
            facts([("Du", since), ("Au", until)]),
            link(f"{HANDLER}?{urlencode(fields)}", "Télécharger actes.csv"),
            paragraph(f"Une autre période : {EXPORT}?date_debut=AAAA-MM-JJ&date_fin=AAAA-MM-JJ"),
        ],
    )


async def export(call: Call) -> web.StreamResponse:
    """The envelopes of a period that the caller administers, as CSV; the last day is whole."""
    texts = _period(call)
    dates = [read_when(one, call.deps.now()) for one in texts]
    number = call.query.text("authority_id")
    back = f"{EXPORT}?{urlencode({'date_debut': texts[0], 'date_fin': texts[1], 'authority_id': number})}"
    if dates[0] is None or dates[1] is None:
        raise refused("date_debut et date_fin doivent être des dates", back)
    if dates[1] - dates[0] > timedelta(days=LONGEST_DAYS):
        raise refused(TOO_LONG, back)
    authority = await _exported(call, php_int(number))
    before = paris_midnight(paris_date(dates[1]) + timedelta(days=1))
    headers = {"Content-Type": "text/csv; charset=iso-8859-1", **attachment("actes.csv")}
    response = web.StreamResponse(headers=headers)
    async with call.transaction() as connection:
        lines = _csv(db.stream_envelopes(connection, db.Period(dates[0], before, authority)))
        first = await anext(lines, b"")
        await response.prepare(call.request)
        await response.write(first)
        async for line in lines:
            await response.write(line)
    await response.write_eof()
    return response


async def _csv(found: AsyncIterator[db.Sent]) -> AsyncIterator[bytes]:
    async for one in found:
        cells = (
            str(one.id),
            f"{one.submitted_at.astimezone(PARIS):%Y-%m-%d %H:%M:%S}",
            one.archive_name,
            "\n".join(one.files),
            one.siren,
            one.department,
            one.district,
            one.name,
            one.telephone,
            one.email,
        )
        yield to_latin1(csv_line(cells).decode("utf-8"))


async def _exported(call: Call, number: int) -> AuthorityId | None:
    """The collectivité asked for, which the caller must administer; None: all of them."""
    if not number:
        return call.who.user.authority_id if call.who.user.role is Role.ADM else None
    async with call.transaction() as connection:
        owned = await get_owned(connection, AuthorityId(number))
    if owned is None:
        raise Forbidden("Accès refusé")
    return AuthorityId(number)


def _period(call: Call) -> tuple[str, str]:
    """The dates asked for, or the last month."""
    today = paris_date(call.deps.now())
    month_ago = read_when("-1 month", call.deps.now()) or call.deps.now()
    since, until = call.query.text("date_debut"), call.query.text("date_fin")
    return since or paris_date(month_ago).isoformat(), until or today.isoformat()


def _authority(call: Call) -> int:
    return call.who.user.authority_id or 0


def small(number: int) -> int:
    """A status or a type, within what the database holds."""
    return min(max(number, SMALLEST), GREATEST)
