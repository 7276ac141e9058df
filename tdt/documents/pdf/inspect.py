"""Can a PDF be read by anybody, to its last page?"""

import os
from collections.abc import Sequence

import pikepdf

from tdt.documents.inspection import Inspection, PdfOrder
from tdt.documents.pdf.opening import open_pdf

DETAIL = 300
LOST = ": expected "
"""In the warnings of qpdf about an object that it takes for null, since what stands there is none."""


def inspect(_order: PdfOrder, files: Sequence[int]) -> Inspection:
    """Read the first file: its structure, and the content of each page."""
    with os.fdopen(os.dup(files[0]), "rb") as source:
        try:
            pdf, repaired = open_pdf(source)
            with pdf:
                return _look(pdf, repaired)
        except pikepdf.PasswordError as error:
            return Inspection("password", str(error)[:DETAIL])
        except (pikepdf.PdfError, pikepdf.DependencyError, ValueError, TypeError, AttributeError, KeyError) as error:
            if "bad_alloc" in str(error):
                raise MemoryError from error
            return Inspection("damaged", str(error)[:DETAIL])


def _look(pdf: pikepdf.Pdf, repaired: bool) -> Inspection:
    version, pages = pdf.pdf_version, len(pdf.pages)
    if pdf.is_encrypted:
        # opened without a password all the same: printing, copying or changing is what is locked
        return Inspection("restricted", version=version, pages=pages)
    if pages == 0:
        return Inspection("no_page", version=version)
    for number, page in enumerate(pdf.pages, 1):
        if fault := _page_fault(pdf, page):
            return Inspection("damaged", f"page {number}: {fault}"[:DETAIL], version, pages, repaired)
    return Inspection("", "", version, pages, repaired)


def _page_fault(pdf: pikepdf.Pdf, page: pikepdf.Page) -> str:
    contents = page.obj.get("/Contents")
    if contents is None:
        # a page may be blank; an object that could not be read is told by a warning
        return next((str(one) for one in pdf.get_warnings() if LOST in str(one)), "")
    parts = list(contents) if isinstance(contents, pikepdf.Array) else [contents]
    for part in parts:
        if not isinstance(part, pikepdf.Stream):
            return "its content is missing"
        part.read_bytes()
    return ""
