"""Stamping a PDF: a copy with the stamp on its pages. Texts stay readable, pages keep their scale and rotation."""

import io
import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import pikepdf

from tdt.documents.pdf.boxes import Found, Unreadable, find_boxes
from tdt.documents.pdf.drawing import HEIGHT, WIDTH, draw_stamp
from tdt.documents.pdf.geometry import Box, Geometry, inherited, multiply, read_geometry, transformed
from tdt.documents.pdf.place import Corner, Place, Wish, find_place, make_band
from tdt.documents.stamp import PDF_ENCRYPTED, PDF_UNREADABLE, Stamped, StampOrder
from tdt.domain.errors import Refused

NAME = "/TdtTampon"
END, TAIL = b"%%EOF", 1024


def stamp(order: StampOrder, files: Sequence[int]) -> Stamped:
    """Stamp the first file into the second. Refused when it is encrypted, or no PDF that can be read to its end."""
    given, made = files
    with os.fdopen(os.dup(given), "rb") as source, os.fdopen(os.dup(made), "wb") as target:
        try:
            pdf, repaired = _open(source)
            with pdf:
                return _stamp(pdf, order, target, repaired)
        except pikepdf.PasswordError as error:
            raise Refused("Le PDF est chiffré.", code=PDF_ENCRYPTED) from error
        except pikepdf.PdfError as error:
            if "bad_alloc" in str(error):
                raise MemoryError from error
            raise Refused(f"Le PDF ne peut pas être lu : {error}", code=PDF_UNREADABLE) from error


def _stamp(pdf: pikepdf.Pdf, order: StampOrder, target: BinaryIO, repaired: bool) -> Stamped:
    if pdf.is_encrypted:
        raise Refused("Le PDF est chiffré.", code=PDF_ENCRYPTED)
    pages = list(pdf.pages)
    if not pages:
        raise Refused("Le PDF n'a pas de page.", code=PDF_UNREADABLE)
    drawing, logo = draw_stamp(order.lines, order.logo, order.opacity)
    with pikepdf.open(io.BytesIO(drawing)) as made:
        form = pdf.copy_foreign(made.pages[0].as_form_xobject())
        wish = Wish(WIDTH, HEIGHT, Corner(order.position), order.x, order.y)
        chosen = pages if order.pages == "all" else pages[:1]
        bands = sum(_stamp_page(pdf, page, form, wish) for page in chosen)
        pdf.save(target, deterministic_id=True, min_version="1.4", fix_metadata_version=False)
    return Stamped(len(chosen), bands, repaired, _is_signed(pdf), logo)


def _open(source: BinaryIO) -> tuple[pikepdf.Pdf, bool]:
    """A damaged table is rebuilt, as every reader does, if the file is there to its end; a part of a document is not
    to be shown as the whole."""
    try:
        return pikepdf.open(source, attempt_recovery=False), False
    except pikepdf.PasswordError:
        raise
    except pikepdf.PdfError:
        source.seek(max(0, source.seek(0, os.SEEK_END) - TAIL))
        if END not in source.read():
            raise
        source.seek(0)
        return pikepdf.open(source), True


def _is_signed(pdf: pikepdf.Pdf) -> bool:
    form = pdf.Root.get("/AcroForm")
    return isinstance(form, pikepdf.Dictionary) and bool(int(form.get("/SigFlags", 0)) & 1)


def _stamp_page(pdf: pikepdf.Pdf, page: pikepdf.Page, form: pikepdf.Object, wish: Wish) -> int:
    """1 when the page got a band."""
    geometry = read_geometry(page.obj)
    found, place = _look(page, geometry, wish)
    if place.band:
        geometry_after = geometry.extended(place.band, place.above)
        page.obj.MediaBox, page.obj.CropBox = _array(geometry_after.media), _array(geometry_after.visible)
    matrix = multiply(
        (place.box.width / WIDTH, 0.0, 0.0, place.box.height / HEIGHT, place.box.left, place.box.bottom),
        geometry.to_page,
    )
    shown = "q " + " ".join(f"{value:.6f}" for value in matrix) + f" cm {_name(page, form)} Do Q\n"
    _wrap(pdf, page, found, (_clip(geometry.visible) if place.band else "", shown))
    return 1 if place.band else 0


def _look(page: pikepdf.Page, geometry: Geometry, wish: Wish) -> tuple[Found, Place]:
    try:
        found = find_boxes(page)
    except Unreadable:
        return Found(), make_band(geometry.size, wish)
    seen = Box(0.0, 0.0, *geometry.size)
    texts, drawings = (
        [part for box in boxes if (part := transformed(box, geometry.to_display).within(seen)) is not None]
        for boxes in (found.texts, found.drawings)
    )
    return found, find_place(geometry.size, wish, texts, drawings)


def _clip(box: Box) -> str:
    """What the page did not show stays hidden when it grows."""
    return f"{box.left:.4f} {box.bottom:.4f} {box.width:.4f} {box.height:.4f} re W n "


def _wrap(pdf: pikepdf.Pdf, page: pikepdf.Page, found: Found, around: tuple[str, str]) -> None:
    """Put something before and after the content; what comes after begins as the page did, whatever it left behind."""
    before = "q " * (1 + found.deficit) + around[0]
    after = "\n" + "Q " * (1 + found.surplus) + around[1]
    contents: Any = page.obj.get("/Contents")
    parts = list(contents) if isinstance(contents, pikepdf.Array) else [contents]
    kept = [part for part in parts if isinstance(part, pikepdf.Stream)]
    streams = [pdf.make_stream(before.encode()), *kept, pdf.make_stream(after.encode())]
    page.obj.Contents = pikepdf.Array([pdf.make_indirect(stream) for stream in streams])


def _name(page: pikepdf.Page, form: pikepdf.Object) -> str:
    """The name of the stamp among the resources of the page, which other pages may share."""
    resources = inherited(page.obj, "/Resources")
    if not isinstance(resources, pikepdf.Dictionary):
        resources = page.obj.Resources = pikepdf.Dictionary()
    if not isinstance(resources.get("/XObject"), pikepdf.Dictionary):
        resources.XObject = pikepdf.Dictionary()
    held = resources.XObject
    number, name = 0, NAME
    while name in held and held[name].objgen != form.objgen:
        number, name = number + 1, f"{NAME}{number + 1}"
    held[name] = form
    return name


def _array(box: Box) -> pikepdf.Array:
    return pikepdf.Array([round(value, 4) for value in (box.left, box.bottom, box.right, box.top)])
