"""The endpoints of ACTES: classification, deposit, status, files, acknowledgement."""

from aiohttp import web

from tdt.db import actes as db
from tdt.db.accounts import get_owner
from tdt.db.pool import Connection
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.naming import read_message_name
from tdt.domain.actes.status import STATUS_LABELS
from tdt.domain.authorities import Module, Owner, Right, may
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AccountId, ActeId, AuthorityId, ContentId
from tdt.domain.text import to_latin1
from tdt.flows import actes_batches, actes_submit
from tdt.web.acte_form import NO_POST, acte_plan, read_batch_file, read_submission
from tdt.web.call import Call, php_int, refused
from tdt.web.s2low import attachment, created, json_answer, text

HOME = "/modules/actes/"
ADD = "/modules/actes/actes_transac_add.php"
INDEX = "/modules/actes/index.php"
NOT_RGS = "La télétransmission nécessite un certificat RGS<br/>Erreur : {}"
ON_THE_WAY = frozenset({ActeStatus.POSTE, ActeStatus.EN_ATTENTE_DE_TRANSMISSION, ActeStatus.TRANSMIS})


async def classification_request(call: Call) -> web.StreamResponse:
    """Ask the ministry for the classification in force."""
    return created(await actes_submit.request_classification(call.deps, call.who), call.is_api, call.page(HOME))


async def classification_fetch(call: Call) -> web.StreamResponse:
    """The last classification received: its very bytes, and the CRLF that S2LOW appends."""
    held = None
    if call.who.authority is not None:
        async with call.transaction() as connection:
            held = await db.last_classification(connection, call.who.authority.id)
    if held is None:
        raise Refused("Erreur de récupération de la dernière classification.")
    headers = {"Content-Type": "text/xml;charset=iso-8859-1", **attachment("classification.xml")}
    return web.Response(body=held.xml + b"\r\n", headers=headers)


async def transac_create(call: Call) -> web.StreamResponse:
    """Deposit an acte."""
    if not call.request.can_read_body:
        raise Refused(NO_POST.format(call.deps.config.limits.acte_archive_bytes))
    form = await call.read(acte_plan(call.deps.config.limits))
    if not len(form.fields):
        raise Refused(NO_POST.format(call.deps.config.limits.acte_archive_bytes))
    # what is to be signed is posted by whoever signs it: that certificate is looked at then
    if not call.identity.transmit and not form.fields.is_true("must_signed"):
        raise refused(NOT_RGS.format(call.identity.refusal), "/modules/actes/")
    number = read_batch_file(form)
    lot = await actes_batches.open_file(call.deps, call.who, number) if number is not None else None
    submission, bodies = read_submission(form, lot)
    acte = await actes_submit.submit(call.deps, call.who, submission, bodies)
    page = HOME
    if lot is not None and form.fields.text("process_next_batch_file") == "on":
        following = await actes_batches.find_next(call.deps, call.who, lot.file)
        page = f"{ADD}?batchfile={following}" if following is not None else HOME
    return created(acte, call.is_api, call.page(page))


async def get_status(call: Call) -> web.StreamResponse:
    """The status number, then what came with it: the AR, the anomaly, the reason of the error."""
    async with call.transaction() as connection:
        acte = await get_followed(call, connection)
        workflow = await db.list_workflow(connection, acte.id)
    steps = [step for step in workflow if step.status == acte.status]
    if not steps:
        raise Refused("Erreur consultation statut.")
    answer = b"OK\n%d\n" % acte.status
    if steps[-1].flux_content_id is not None:
        answer += await call.read_bytes(steps[-1].flux_content_id)
    if acte.status is ActeStatus.ERREUR:
        answer += to_latin1(workflow[-1].message)
    return text(answer)


async def get_files_list(call: Call) -> web.StreamResponse:
    """The files of a transaction: the message, the act, the annexes, in this order."""
    async with call.transaction() as connection:
        acte = await get_followed(call, connection)
        workflow = await db.list_workflow(connection, acte.id)
        files = await db.list_files(connection, acte.id)
    if all(step.status in ON_THE_WAY for step in workflow):
        raise Refused("Pas d'acquittement recu")
    return json_answer([_file_entry(file) for file in files])


async def get_ar_acte(call: Call) -> web.StreamResponse:
    """The AR of an acte, as received; empty while there is none."""
    async with call.transaction() as connection:
        acte = await db.get_transaction(connection, ActeId(php_int(call.query.text("id"))))
        if acte is None:
            raise refused("Erreur d'initialisation de la transaction.", INDEX)
        await check_view(call, connection, (acte.account_id, acte.authority_id))
        workflow = await db.list_workflow(connection, acte.id)
    content: ContentId | None = None
    for step in workflow:
        if step.status is ActeStatus.ACQUITTEMENT_RECU:
            content = step.flux_content_id
    body = await call.read_bytes(content) if content is not None else b""
    return web.Response(body=body, headers={"Content-Type": "application/xml"})


async def actes_status(_call: Call) -> web.StreamResponse:
    """The label of every status."""
    return json_answer({str(int(status)): label for status, label in STATUS_LABELS.items()})


async def get_followed(call: Call, connection: Connection) -> db.Acte:
    """The transaction that the query names, if the caller may follow it."""
    unique_id, number = call.query.text("unique_id"), php_int(call.query.text("transaction"))
    acte = None
    if unique_id:
        acte = await _find_named(connection, unique_id)
    elif number:
        acte = await db.get_transaction(connection, ActeId(number))
    if acte is None:
        raise Refused("Numéro de transaction invalide.")
    if not may(call.who, Right.FOLLOW, owner=Owner(acte.account_id, acte.authority_id)):
        raise Forbidden("Accès refusé")
    return acte


async def _find_named(connection: Connection, unique_id: str) -> db.Acte | None:
    """By an IDActe; else by the name of a message sent about it, without its `_0.xml`: S2LOW looks there next."""
    found = await db.list_by_unique_id(connection, unique_id)
    name = read_message_name(f"{unique_id}_0.xml") if not found else None
    if name is None:
        return next(iter(found), None)
    kind, _, answer = name.code.partition("-")
    return await db.find_sent_message(connection, unique_id.removesuffix(f"-{name.code}"), int(kind), int(answer))


async def check_view(call: Call, connection: Connection, owner: tuple[AccountId | None, AuthorityId]) -> None:
    """Raise Forbidden unless the caller may see what this account of this collectivité deposited."""
    account, authority = owner
    seen = await get_owner(connection, call.who.user.id, account, authority)
    if not may(call.who, Right.VIEW, Module.ACTES, seen):
        raise Forbidden("Accès refusé", details={"page": INDEX})


def _file_entry(file: db.ActeFile) -> dict[str, object]:
    return {
        "id": file.id,
        "name": file.name,
        "posted_filename": file.posted_filename,
        "mimetype": file.mimetype,
        "size": file.size,
        "sign": file.signature,
        "code_pj": file.code_pj,
    }
