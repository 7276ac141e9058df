"""Lots over HTTP: opened, filled by the jQuery File Upload protocol, each file sent by the form of an acte."""

from collections.abc import Mapping

from aiohttp import web

from tdt.config import Limits
from tdt.domain.ids import BatchId
from tdt.flows import actes_batches
from tdt.web.acte_form import NO_POST, TOO_MANY_FILES, UNREADABLE
from tdt.web.call import Call, php_int
from tdt.web.s2low import json_answer
from tdt.web.uploads import Fault, FormPlan

DONE = "Lot n&deg;{} cr&eacute;&eacute; avec succ&egrave;s."


async def batch_create(call: Call) -> web.StreamResponse:
    """Open a lot."""
    fields = call.form.fields
    batch = await actes_batches.create(call.deps, call.who, fields.text("description"), fields.text("num_prefix"))
    return json_answer({"id": batch}, "application/json")


def files_plan(limits: Limits) -> FormPlan:
    """The files go to the spool."""
    too_large = NO_POST.format(limits.acte_archive_bytes)
    messages: Mapping[Fault, str] = dict.fromkeys(Fault, UNREADABLE) | {
        Fault.TOO_LARGE: too_large,
        Fault.TOO_MUCH_TEXT: too_large,
        Fault.TOO_MANY_FILES: TOO_MANY_FILES.format(limits.files),
    }
    return FormPlan(
        frozenset({"files"}), max_bytes=limits.acte_archive_bytes, max_files=limits.files, messages=messages
    )


async def batch_add_file(call: Call) -> web.StreamResponse:
    """Put files in a lot; those that are not PDFs are told one by one."""
    form = await call.read(files_plan(call.deps.config.limits))
    batch = php_int(form.fields.text("batch_id"))
    posted = [
        actes_batches.Posted(upload.filename, upload.body)
        for upload in form.files.array("files").values()
        if upload.body is not None and (upload.filename or upload.size)
    ]
    added = await actes_batches.add_files(call.deps, call.who, BatchId(batch), posted)
    return json_answer({"files": [_entry(one) for one in added], "msg": {"msg": DONE.format(batch), "error_level": 0}})


def _entry(one: actes_batches.Added) -> dict[str, object]:
    entry: dict[str, object] = {"name": one.filename, "size": one.size, "type": "application/pdf"}
    # S2LOW's page lists the numbers of the files; a software has only this answer to know them by
    return entry | ({"error": one.error} if one.id is None else {"id": one.id})
