"""The signatures inside a PDF (PAdES, and what came before it): what each covers, and whether it still holds."""

import mmap
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import BinaryIO

import pikepdf
from pyhanko.pdf_utils.generic import DictionaryObject
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from tdt.documents.pdf import cms
from tdt.documents.signatures import PdfSignaturesOrder
from tdt.domain.signatures import Changes, Coverage, Signature, Signatures

MISREAD = (PdfError, AssertionError, IndexError, RecursionError, *cms.MISREAD)
FORMATS = ("/adbe.pkcs7.detached", "/ETSI.CAdES.detached", "/ETSI.RFC3161")
MARK, DEPTH = b"/ByteRange", 8
COVERAGES: dict[SignatureCoverageLevel, Coverage] = {
    SignatureCoverageLevel.ENTIRE_FILE: "file",
    SignatureCoverageLevel.ENTIRE_REVISION: "revision",
}


def read_signatures(_order: PdfSignaturesOrder, files: Sequence[int]) -> Signatures:
    """Every signature of the first file, in the order of what they cover; none for a file that is not signed."""
    with os.fdopen(os.dup(files[0]), "rb") as source:
        if not _may_be_signed(source):
            return Signatures()
        try:
            reader = PdfFileReader(source, strict=False)
            # not `embedded_signatures`, which leaves out those of a format that it does not know
            fields = [(str(name), field.get_object()) for name, _, field in enumerate_sig_fields(reader, True)]
        except MISREAD as error:
            return Signatures(fault=cms.describe(error))
        found = [_read_safely(reader, name, field) for name, field in fields]
        return Signatures(tuple(signature for _, signature in sorted(found, key=lambda one: one[0])))


def _may_be_signed(source: BinaryIO) -> bool:
    """A signature stands in clear in its file, which is all that most files need to be asked.

    One that was moved into a compressed object does not hold any more, but it is there.
    """
    if os.fstat(source.fileno()).st_size == 0:
        return False
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find(MARK) >= 0:
            return True
    try:
        with pikepdf.open(source) as pdf:
            form = pdf.Root.get("/AcroForm")
            fields = form.get("/Fields") if isinstance(form, pikepdf.Dictionary) else None
            return isinstance(fields, pikepdf.Array) and any(_is_signed(field, DEPTH) for field in fields)
    except (pikepdf.PdfError, *cms.MISREAD):
        # what cannot be read is not for us to say: the check of the PDF does
        return False


def _is_signed(field: object, depth: int) -> bool:
    if not isinstance(field, pikepdf.Dictionary) or depth == 0:
        return False
    if field.get("/FT") == "/Sig" and isinstance(field.get("/V"), pikepdf.Dictionary):
        return True
    kids = field.get("/Kids")
    return isinstance(kids, pikepdf.Array) and any(_is_signed(kid, depth - 1) for kid in kids)


def _read_safely(reader: PdfFileReader, name: str, field: DictionaryObject) -> tuple[int, Signature]:
    """With where its last covered byte is."""
    try:
        signature = EmbeddedPdfSignature(reader, field, name)
        return int(signature.byte_range[-2]) + int(signature.byte_range[-1]), _read(signature)
    except MISREAD as error:
        return 0, Signature(name=name, fault=cms.describe(error))


def _read(field: EmbeddedPdfSignature) -> Signature:
    form = str(field.sig_object.get("/SubFilter", ""))
    if form not in FORMATS:
        return Signature(name=str(field.field_name), fault=f"format {form or 'inconnu'}")
    stamp = form == "/ETSI.RFC3161"
    field.compute_integrity_info()  # type: ignore[no-untyped-call]
    certificate = cms.find_signer(field.signed_data, field.signer_info)
    stamped_at: datetime | None
    if stamp:
        intact, valid, stamped_at = _check_stamp(field)
    else:
        intact, valid = cms.check(field.signer_info, certificate, "data", field.compute_digest())
        stamped_at = cms.stamped_time(field.signer_info)
    claimed = None if stamp else field.self_reported_timestamp
    return Signature(
        name=str(field.field_name),
        kind="timestamp" if stamp else "signature",
        certificate=certificate.dump(),
        others=cms.list_others(field.signed_data, certificate),
        digest=field.md_algorithm,
        signed_at=_utc(claimed) if claimed is not None else stamped_at,
        stamped_at=stamped_at,
        intact=intact,
        valid=valid,
        covers=COVERAGES.get(field.coverage, "part") if field.coverage is not None else "part",
        changes=_changes(field),
    )


def _check_stamp(field: EmbeddedPdfSignature) -> tuple[bool, bool, datetime | None]:
    content = field.signed_data["encap_content_info"]["content"]
    imprint = content.parsed["message_imprint"]
    seen = field.compute_digest(imprint["hash_algorithm"]["algorithm"].native)
    digest = cms.digest_of(field.signer_info["digest_algorithm"], bytes(content))
    certificate = cms.find_signer(field.signed_data, field.signer_info)
    intact, valid = cms.check(field.signer_info, certificate, "tst_info", digest)
    right = intact and seen == imprint["hashed_message"].native
    return right, valid, content.parsed["gen_time"].native.astimezone(UTC) if right and valid else None


def _changes(field: EmbeddedPdfSignature) -> Changes:
    """What was added after it: nothing, what one may add to a signed document, or something else."""
    result = field.diff_result
    if isinstance(result, DiffResult) and result.modification_level is ModificationLevel.NONE:
        return "none"
    return "allowed" if field.summarise_integrity_info()["docmdp_ok"] else "suspicious"


def _utc(time: datetime) -> datetime:
    # a date of PDF may tell no zone
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).astimezone(UTC)
