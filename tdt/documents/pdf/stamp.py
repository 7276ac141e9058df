"""Stamping a PDF: a copy with the stamp on its pages. Texts stay readable, pages keep their scale and rotation."""

import io
import os
from collections.abc import Sequence
from typing import Any, BinaryIO

import pikepdf

from tdt.documents.pdf.boxes import Found, Unreadable, find_boxes, list_contents, read_content
from tdt.documents.pdf.drawing import HEIGHT, WIDTH, draw_stamp
from tdt.documents.pdf.geometry import Box, Geometry, inherited, multiply, number, read_geometry, transformed
from tdt.documents.pdf.opening import open_pdf
from tdt.documents.pdf.place import Corner, Place, Wish, find_place, make_band
from tdt.documents.stamp import PDF_ENCRYPTED, PDF_UNREADABLE, Stamped, StampOrder
from tdt.domain.errors import Refused

NAME, CONTENT = "/TdtTampon", "/TdtContenu"
LACK = "bad_alloc"
SAVING: dict[str, Any] = {
    "deterministic_id": True,
    "min_version": "1.4",
    "fix_metadata_version": False,
    # what the file holds is copied as it is: neither read nor packed again
    "stream_decode_level": pikepdf.StreamDecodeLevel.none,
    "compress_streams": False,
}


def stamp(order: StampOrder, files: Sequence[int]) -> Stamped:
    """Stamp the first file into the second. Refused when it is encrypted, or no PDF that can be read to its end."""
    given, made = files
    with os.fdopen(os.dup(given), "rb") as source, os.fdopen(os.dup(made), "wb") as target:
        try:
            pdf, repaired = open_pdf(source)
            with pdf:
                return _stamp(pdf, order, target, repaired)
        except pikepdf.PasswordError as error:
            raise Refused("Le PDF est chiffré.", code=PDF_ENCRYPTED) from error
        except (pikepdf.PikepdfError, ValueError, OverflowError) as error:
            # ValueError: a number of the file that no integer holds
            if LACK in str(error):
                raise MemoryError from error
            raise Refused(f"Le PDF ne peut pas être lu : {error}", code=PDF_UNREADABLE) from error


def _stamp(pdf: pikepdf.Pdf, order: StampOrder, target: BinaryIO, repaired: bool) -> Stamped:
    if pdf.is_encrypted:
        raise Refused("Le PDF est chiffré.", code=PDF_ENCRYPTED)
    declared, pages = _declared(pdf), list(pdf.pages)
    if not pages or len(pages) != declared:
        # what qpdf leaves out of a broken tree must not be missing from the copy
        raise Refused(f"Le PDF annonce {declared} pages, il en a {len(pages)}.", code=PDF_UNREADABLE)
    drawing, logo = draw_stamp(order.lines, order.logo, order.opacity)
    with pikepdf.open(io.BytesIO(drawing)) as made:
        form = pdf.copy_foreign(made.pages[0].as_form_xobject())
        wish = Wish(WIDTH, HEIGHT, Corner(order.position), order.x, order.y)
        chosen = pages if order.pages == "all" else pages[:1]
        bands = sum(_stamp_page(pdf, page, form, wish) for page in chosen)
        if "/Size" not in pdf.trailer:
            pdf.trailer.Size = 0  # qpdf writes the true one, where there is one
        pdf.save(target, **SAVING)
        if any(LACK in str(warning) for warning in pdf.get_warnings()):
            # qpdf leaves a stream empty that it has no memory for, and only warns
            raise MemoryError
    return Stamped(len(chosen), bands, repaired, _is_signed(pdf), logo)


def _declared(pdf: pikepdf.Pdf) -> int:
    tree = pdf.Root.get("/Pages")
    return int(number(tree.get("/Count"), 0.0)) if isinstance(tree, pikepdf.Dictionary) else 0


def _is_signed(pdf: pikepdf.Pdf) -> bool:
    form = pdf.Root.get("/AcroForm")
    return isinstance(form, pikepdf.Dictionary) and bool(int(number(form.get("/SigFlags"), 0.0)) & 1)


def _stamp_page(pdf: pikepdf.Pdf, page: pikepdf.Page, form: pikepdf.Object, wish: Wish) -> int:
    """1 when the page got a band."""
    geometry = read_geometry(page.obj)
    found, place = _look(pdf, page, geometry, wish)
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


def _look(pdf: pikepdf.Pdf, page: pikepdf.Page, geometry: Geometry, wish: Wish) -> tuple[Found, Place]:
    try:
        found = find_boxes(page)
    except Unreadable:
        _enclose(pdf, page, geometry)
        return Found(), make_band(geometry.size, wish)
    seen = Box(0.0, 0.0, *geometry.size)
    texts, drawings = (
        [part for box in boxes if (part := transformed(box, geometry.to_display).within(seen)) is not None]
        for boxes in (found.texts, found.drawings)
    )
    return found, find_place(geometry.size, wish, texts, drawings)


def _enclose(pdf: pikepdf.Pdf, page: pikepdf.Page, geometry: Geometry) -> None:
    """Make a form of a content that cannot be followed: wherever it breaks off, what comes after is not part of it."""
    try:
        content = read_content(page.obj)
    except pikepdf.PikepdfError:
        return  # it shows nothing, in any reader
    form = pdf.make_stream(content, Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form)
    form.BBox = _array(geometry.media)
    form.Resources = inherited(page.obj, "/Resources") or pikepdf.Dictionary()
    page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary({CONTENT: form}))
    page.obj.Contents = pdf.make_stream(f"{CONTENT} Do".encode())


def _clip(box: Box) -> str:
    """What the page did not show stays hidden when it grows."""
    return f"{box.left:.4f} {box.bottom:.4f} {box.width:.4f} {box.height:.4f} re W n "


def _wrap(pdf: pikepdf.Pdf, page: pikepdf.Page, found: Found, around: tuple[str, str]) -> None:
    """Put something before and after the content; what comes after begins as the page did, whatever it left behind."""
    before = "q " * (1 + found.deficit) + around[0]
    after = "\n" + "Q " * (1 + found.surplus) + around[1]
    streams = [pdf.make_stream(before.encode()), *list_contents(page.obj), pdf.make_stream(after.encode())]
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
