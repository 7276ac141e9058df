"""The endpoints of what follows an act: its annulation, the letters of the préfecture, their answers."""

from aiohttp import web

from tdt.db import acte_letters as letters_db
from tdt.db import actes as db
from tdt.domain.actes.model import MessageCode
from tdt.domain.actes.replies import Reply
from tdt.domain.content import Body
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId
from tdt.flows import actes_letters, actes_submit
from tdt.web.acte_form import acte_plan, annexes_of, body_of, is_file, posted, signature, signatures
from tdt.web.call import Call, php_int, refused
from tdt.web.forms import Form
from tdt.web.s2low import created, json_answer, redirect, spoken

HOME = "/modules/actes/"
INVALID = "Numéro de transaction invalide."
NO_CANCELLED = "Pas d'identifiant de transaction à annuler spécifié."


async def cancel(call: Call) -> web.StreamResponse:
    """Ask for the annulation of an act."""
    asked = call.form.fields.text("id")
    if asked in ("", "0"):
        raise refused(NO_CANCELLED, HOME)
    made = await actes_submit.cancel(call.deps, call.who, ActeId(php_int(asked)))
    return created(made, call.is_api, call.page(HOME))


async def get_document(call: Call) -> web.StreamResponse:
    """Of an act: a line for each letter and annulation, `type-status-number`. Of anything else: its archive."""
    unique_id, number = call.query.text("unique_id"), php_int(call.query.text("id"))
    async with call.transaction() as connection:
        acte = None
        if unique_id:
            acte = next(iter(await db.list_by_unique_id(connection, unique_id)), None)
        elif number:
            acte = await db.get_transaction(connection, ActeId(number))
        if acte is None or call.who.authority is None or acte.authority_id != call.who.authority.id:
            raise Refused(INVALID)
        if acte.type != MessageCode.ACTE:
            # relative, as S2LOW's: clients resolve it
            return redirect(f"actes_download_file.php?env={acte.envelope_id}")
        linked = await letters_db.list_linked(connection, acte.id)
    lines = "".join(f"{_line(one)}\n" for one in linked)
    return web.Response(body=lines.encode("ascii"), headers={"Content-Type": "text/plain"})


def _line(linked: letters_db.Linked) -> str:
    if linked.reply_id is not None and linked.reply_status is not None:
        return f"{linked.type}-{int(linked.reply_status)}-{linked.reply_id}"
    return f"{linked.type}-{int(linked.status)}-{linked.id}"


async def list_document_prefecture(call: Call) -> web.StreamResponse:
    """The letters that the collectivité's software has not read yet; `[]` when there is none."""
    if call.who.authority is None:
        return json_answer([])
    async with call.transaction() as connection:
        unread = await letters_db.list_unread(connection, call.who.authority.id)
    return json_answer(
        [
            {
                "id": one.id,
                "type": str(one.type),
                "related_transaction_id": one.related_id,
                "number": one.number,
                "unique_id": one.unique_id,
                "last_status_id": int(one.status),
            }
            for one in unread
        ]
    )


async def mark_as_read(call: Call) -> web.StreamResponse:
    """Take a letter off the list; a number that is none of the collectivité's changes nothing, and says nothing."""
    await actes_letters.mark_as_read(call.deps, call.who, ActeId(php_int(call.query.text("transaction_id"))))
    return json_answer({"result": "ok"})


async def reponse_create(call: Call) -> web.StreamResponse:
    """Answer a letter of the préfecture. Where `api` stands chooses the dialect."""
    form = await call.read(acte_plan(call.deps.config.limits))
    reply, bodies = _read_reply(form)
    letter = ActeId(php_int(form.fields.text("id") or call.query.text("id")))
    made = await actes_submit.reply(call.deps, call.who, letter, reply, bodies)
    if form.fields.text("api") != "1" and call.query.is_true("api"):
        return spoken(f"OK : id généré : {made}\n")
    return created(made, call.is_api, call.page(HOME))


def _read_reply(form: Form) -> tuple[Reply, list[Body]]:
    fields, annexes = form.fields, annexes_of(form)
    acte = form.files.scalar("acte_pdf_file")
    if acte is not None and not is_file(acte):
        acte = None
    reply = Reply(
        type_envoie=fields.text("type_envoie"),
        type_acte=fields.text("type_acte"),
        acte=posted(acte) if acte is not None else None,
        attachments=tuple(posted(upload) for upload in annexes.values()),
        type_pj=tuple(fields.array("type_pj").get(key, "") for key in annexes),
        acte_signature=signature(form.files.scalar("acte_pdf_file_sign")),
        attachment_signatures=signatures(form, annexes),
    )
    uploads = [*([acte] if acte is not None else []), *annexes.values()]
    return reply, [body_of(upload) for upload in uploads]
