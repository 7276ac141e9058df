"""Opening a PDF that somebody else made: repaired as every reader does, never where a part of it is missing."""

import os
from typing import BinaryIO

import pikepdf

END, TAIL = b"%%EOF", 1024


def open_pdf(source: BinaryIO) -> tuple[pikepdf.Pdf, bool]:
    """The document, and whether its table of objects was rebuilt: only in a file that is there to its end.

    Of a file that was cut some pages are missing: a part is not to be taken, nor shown, for the whole.
    """
    source.seek(0)
    try:
        return pikepdf.open(source, attempt_recovery=False), False
    except pikepdf.PasswordError:
        raise
    except pikepdf.PikepdfError:
        source.seek(max(0, source.seek(0, os.SEEK_END) - TAIL))
        if END not in source.read():
            raise
        source.seek(0)
        return pikepdf.open(source), True
