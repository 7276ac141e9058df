"""The endpoints of software that makes its envelopes by itself."""

from collections.abc import Mapping

from aiohttp import web

from tdt.config import Limits
from tdt.domain.actes.submitted import too_large
from tdt.domain.content import Body
from tdt.domain.errors import Refused
from tdt.domain.text import to_latin1
from tdt.flows import actes_submit
from tdt.web.actes import HOME, INDEX, NOT_RGS
from tdt.web.call import Call, refused
from tdt.web.s2low import redirect, text
from tdt.web.uploads import Fault, FormPlan

NO_SERIAL = "KO\nErreur récupération numéro de série\n"
NO_ARCHIVE = "Pas de fichier archive spécifié."
BAD_UPLOAD = "Envoi de fichier incorrect."


async def get_env_serial(call: Call) -> web.StreamResponse:
    """Take the next number of an envelope of today."""
    serial = await actes_submit.take_serial(call.deps, call.who)
    # of all that this page prints, this refusal alone ends its line
    return text(to_latin1(NO_SERIAL) if serial is None else b"OK\n%d\n" % serial)


def envelope_plan(limits: Limits) -> FormPlan:
    """The archive goes to the spool, up to a third beyond its limit: S2LOW tells how large one of that size is."""
    limit = limits.acte_archive_bytes
    messages: Mapping[Fault, str] = dict.fromkeys(Fault, BAD_UPLOAD) | {
        Fault.TOO_LARGE: too_large(f"plus de {_read_at_most(limit)}", limit).message
    }
    return FormPlan(
        spooled=frozenset({"enveloppe"}),
        max_bytes=_read_at_most(limit),
        max_files=limits.files,
        messages=messages,
    )


def _read_at_most(limit: int) -> int:
    return limit * 4 // 3


async def transac_submit(call: Call) -> web.StreamResponse:
    """Deposit a ready-made envelope; each of its messages becomes a transaction."""
    filename, body = await _read_archive(call)
    if not call.identity.transmit:
        raise refused(NOT_RGS.format(call.identity.refusal), HOME)
    numbers = await actes_submit.submit_ready(call.deps, call.who, filename, body)
    if not call.is_api:
        return redirect(call.page(INDEX))
    lines = [len(numbers), *numbers]
    return text(b"OK\n" + b"".join(b"%d\n" % line for line in lines) + b"\n")


async def _read_archive(call: Call) -> tuple[str, Body]:
    form = await call.read(envelope_plan(call.deps.config.limits))
    upload = form.files.scalar("enveloppe")
    if upload is None:
        raise Refused(NO_ARCHIVE)
    if upload.body is None or not upload.filename:
        raise Refused(BAD_UPLOAD)
    return upload.filename, upload.body
