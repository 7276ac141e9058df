"""The form of an acte: what is expected of it, and how it becomes a Submission."""

from collections.abc import Mapping

from tdt.config import Limits
from tdt.domain.actes.model import PostedFile, Submission
from tdt.domain.actes.rules import is_signature_text, not_a_signature
from tdt.domain.content import Body
from tdt.domain.ids import BatchFileId
from tdt.flows.actes_batches import Opened
from tdt.flows.actes_submit import SubmittedBodies
from tdt.web.call import php_int
from tdt.web.forms import Form, Upload
from tdt.web.uploads import Fault, FormPlan

NO_POST = "La taille totale des fichiers est trop importante (max : {})"
TOO_MANY_FILES = "Le nombre d'annexes est trop important (max : {})"
UNREADABLE = "Erreur lors de la récéption du fichier : Le fichier n'a été que partiellement reçu"
LEVELS = ("classif1", "classif2", "classif3", "classif4", "classif5")


def acte_plan(limits: Limits) -> FormPlan:
    """The act and its annexes go to the spool, detached signatures are text."""
    too_large = NO_POST.format(limits.acte_archive_bytes)
    messages: Mapping[Fault, str] = {
        Fault.TOO_LARGE: too_large,
        Fault.TOO_MUCH_TEXT: too_large,
        Fault.TOO_MANY_FILES: TOO_MANY_FILES.format(limits.files),
        Fault.TRUNCATED: UNREADABLE,
        Fault.MALFORMED: UNREADABLE,
    }
    return FormPlan(
        spooled=frozenset({"acte_pdf_file", "acte_attachments"}),
        texts=frozenset({"acte_pdf_file_sign", "acte_attachments_sign"}),
        max_bytes=limits.acte_archive_bytes,
        max_files=limits.files,
        messages=messages,
    )


def read_batch_file(form: Form) -> BatchFileId | None:
    """The file of a lot that the form names as the act, if it names one; the rules judge what is no number."""
    batch = form.fields.text("batchfile")
    return BatchFileId(php_int(batch)) if batch.isascii() and batch.isdecimal() else None


def read_submission(form: Form, lot: Opened | None = None) -> tuple[Submission, SubmittedBodies | None]:
    """The form as the rules judge it, and the bodies in the same order; None when no act was posted.

    A file of a lot takes the place of the act, and gives its number where the form gives none.
    """
    fields = form.fields
    acte = form.files.scalar("acte_pdf_file")
    if acte is not None and not is_file(acte):
        acte = None
    if lot is not None:
        acte = Upload(lot.file.posted_filename, lot.file.size, lot.body)
    annexes = annexes_of(form)
    wide = fields.text("show_broadcast_email") == "on"
    submission = Submission(
        nature_code=fields.text("nature_code"),
        number=fields.text("number") or (lot.number if lot is not None else ""),
        decision_date=fields.text("decision_date"),
        subject=fields.text("subject"),
        classif=tuple(fields.text(level) for level in LEVELS),
        type_acte=fields.text("type_acte"),
        acte=posted(acte) if acte is not None else None,
        attachments=tuple(posted(upload) for upload in annexes.values()),
        type_pj=tuple(fields.array("type_pj").get(key, "") for key in annexes),
        acte_signature=signature_text(form.files.scalar("acte_pdf_file_sign")),
        attachment_signatures=signatures(form, annexes),
        document_papier=fields.is_true("document_papier"),
        en_attente=fields.is_true("en_attente"),
        must_signed=fields.is_true("must_signed"),
        broadcast_emails=tuple(fields.array("broadcast_email").values()) if wide else (),
        send_sources=wide and fields.text("send_sources") == "on",
        batchfile=fields.text("batchfile") if lot is None else "",
    )
    if acte is None:
        return submission, None
    file = lot.file if lot is not None else None
    return submission, SubmittedBodies(body_of(acte), tuple(body_of(upload) for upload in annexes.values()), file)


def annexes_of(form: Form) -> dict[str, Upload]:
    """The annexes that were really posted, by their key in the form."""
    return {key: upload for key, upload in form.files.array("acte_attachments").items() if is_file(upload)}


def is_file(upload: Upload) -> bool:
    """Whether a file was chosen."""
    # a file input left empty by a browser is a part without a name and without bytes
    return bool(upload.filename or upload.size)


def posted(upload: Upload) -> PostedFile:
    """A file as the rules judge it."""
    return PostedFile(upload.filename, upload.size, body_of(upload).head)


def body_of(upload: Upload) -> Body:
    """The bytes of a file of the plan."""
    if upload.body is None:
        raise RuntimeError("a file of the plan was not spooled")
    return upload.body


def signatures(form: Form, annexes: Mapping[str, Upload]) -> tuple[str, ...]:
    """What was posted as the detached signatures of these annexes, in their order; empty where there is none."""
    given = form.files.array("acte_attachments_sign")
    return tuple(signature_text(given.get(key)) for key in annexes)


def signature(upload: Upload | None) -> str:
    """A detached signature that is PEM text: it is written as it is in the XML message."""
    text = signature_text(upload)
    if upload is not None and not is_signature_text(text):
        raise not_a_signature(upload.filename)
    return text


def signature_text(upload: Upload | None) -> str:
    """The same, not judged yet."""
    return upload.text.decode("latin-1").rstrip() if upload is not None else ""
