"""What an operator is shown of a reception: who wrote, the files, what each message says."""

import asyncio
from collections.abc import Mapping

from tdt.db.received import BoxLine
from tdt.deps import Deps
from tdt.domain.actes.headers import read_headers
from tdt.domain.actes.mail import MAIL_LIMIT, parse_mail
from tdt.domain.actes.returns import Return, read_mail
from tdt.domain.helios.naming import is_ocre
from tdt.domain.helios.returns import ReturnReader
from tdt.domain.routes import RouteKind

SHOWN = ("unique_id", "number", "siren", "nature", "detail", "code", "date_reception", "date", "reason", "name")


async def describe(deps: Deps, line: BoxLine) -> Mapping[str, object]:
    """Headers, files and messages of a mail; of a file of the DGFiP, its root, its numbers and how much it holds."""
    if line.route_kind == RouteKind.HELIOS:
        return {"said": line.said or await _survey(deps, line)}
    if line.size > MAIL_LIMIT:
        return {}
    raw = b"".join([chunk async for chunk in deps.stream("system", line.content_id)])
    return await asyncio.to_thread(_describe, raw)


async def _survey(deps: Deps, line: BoxLine) -> Mapping[str, object]:
    """For what no worker has read yet, or read before that was kept; in flat memory, whatever the size."""
    if is_ocre(line.name):
        return {}
    reader = ReturnReader()
    async for chunk in deps.stream("system", line.content_id):
        await asyncio.to_thread(reader.feed, chunk)
    await asyncio.to_thread(reader.close)
    return reader.said


def _describe(raw: bytes) -> Mapping[str, object]:
    mail = parse_mail(raw)
    headers = read_headers(raw)
    return {
        "from": headers.first("From"),
        "to": headers.first("To"),
        "subject": headers.first("Subject"),
        "date": headers.first("Date"),
        "files": [f"{one.name} ({len(one.data)} octets)" for one in mail.attachments],
        "damaged": list(mail.damaged),
        "says": [_said(answer) for answer in read_mail(mail)],
    }


def _said(answer: Return) -> str:
    fields = {name: getattr(answer, name) for name in SHOWN if getattr(answer, name, None)}
    return f"{type(answer).__name__} " + ", ".join(f"{name}={value}" for name, value in fields.items())
