"""Deposit a PES, ask for its status."""

from collections.abc import Mapping

from aiohttp import web

from tdt.config import Limits
from tdt.db import helios as db
from tdt.domain.errors import Refused
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.rules import too_large
from tdt.domain.ids import HeliosId
from tdt.domain.text import FILENAME_LENGTH, truncate
from tdt.flows import helios_submit
from tdt.web.call import Call, php_int
from tdt.web.forms import Fields
from tdt.web.s2low import import_answer, status_answer
from tdt.web.uploads import Fault, FormPlan

INDEX = "/modules/helios/index.php"
NOT_RGS = "Votre certificat n'est pas RGS et ne vous permet donc pas de télétransmettre"
NO_FILE = "Aucune enveloppe trouvée : la taille de l'enveloppe dépasse probablement la taille maximum"
UPLOAD_ERROR = "Erreur lors du téléchargement du fichier : code {}"
PHP_PARTIAL, PHP_NO_FILE = 3, 4

WITH_ACQUIT = (HeliosStatus.ACQUITTEMENT_RECU, HeliosStatus.REFUSE, HeliosStatus.INFORMATION_DISPONIBLE)


async def importer_fichier(call: Call) -> web.StreamResponse:
    """Deposit a PES_ALLER."""
    if not call.identity.transmit:
        raise Refused(NOT_RGS)
    form = await call.read(pes_plan(call.deps.config.limits))
    upload = form.files.scalar("enveloppe")
    if upload is None or upload.body is None:
        raise Refused(NO_FILE)
    if not upload.filename:
        # as PHP: a file without a name is none, whatever it holds
        raise Refused(UPLOAD_ERROR.format(PHP_NO_FILE))
    name = truncate(upload.filename, FILENAME_LENGTH)
    number = await helios_submit.submit(call.deps, call.who, name, upload.body, form.fields.is_true("must_signed"))
    return import_answer(number, "Téléchargement du fichier réussi.")


async def get_status(call: Call) -> web.StreamResponse:
    """The status of a PES, its last text; only who may edit in the same collectivité."""
    number = php_int(call.query.text("transaction"))
    async with call.transaction() as connection:
        transaction = await db.get_transaction(connection, HeliosId(number))
        last = await db.last_workflow(connection, HeliosId(number))
    if transaction is None:
        raise Refused("Numéro de transaction invalide")
    if last is None or not last.status:
        raise Refused("Erreur consultation statut")
    status = last.status
    if status in WITH_ACQUIT and transaction.acquit_content_id is None:
        # a client that reads 4, 6 or 8 may fetch the acquittement at once: until it is here, say 3
        status = HeliosStatus.TRANSMIS
    return status_answer(number, status, last.message)


def check_number_given(query: Fields) -> None:
    """S2LOW looks for the number before it knows the account."""
    if not php_int(query.text("transaction")):
        raise Refused("Pas de numéro de transaction.")


def pes_plan(limits: Limits) -> FormPlan:
    """One file, to the spool."""
    messages: Mapping[Fault, str] = {
        Fault.TOO_LARGE: too_large(limits.pes_bytes).message,
        Fault.TOO_MANY_FILES: NO_FILE,
        Fault.TOO_MUCH_TEXT: NO_FILE,
        Fault.TRUNCATED: UPLOAD_ERROR.format(PHP_PARTIAL),
        Fault.MALFORMED: NO_FILE,
    }
    return FormPlan(spooled=frozenset({"enveloppe"}), max_bytes=limits.pes_bytes, messages=messages)
