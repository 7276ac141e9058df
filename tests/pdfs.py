"""PDFs of every shape, and what poppler sees of them."""

import io
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pikepdf
from PIL import Image
from reportlab.lib.pagesizes import A3, A4, landscape
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

DPI = 100
MARGIN = 70.0
Draw = Callable[[Canvas, float, float], None]


# ---------------------------------------------------------------------------------------------------- making


def text_page(canvas: Canvas, width: float, height: float) -> None:
    """Lines between ordinary margins."""
    canvas.setFont("Helvetica", 10)
    y = height - MARGIN - 10
    while y > MARGIN:
        canvas.drawString(
            MARGIN, y, "Le conseil municipal, après avoir longuement délibéré,"[: int((width - 2 * MARGIN) / 6)]
        )
        y -= 14


def full_page(canvas: Canvas, width: float, height: float) -> None:
    """Text from edge to edge: no place is left."""
    fill(canvas, 0, 0, width, height)


def fill(canvas: Canvas, left: float, bottom: float, right: float, top: float) -> None:
    """Lines of a text, all over this place."""
    canvas.setFont("Courier", 9)
    y = top - 9
    while y > bottom + 2:
        canvas.drawString(left + 2, y, ("conseil municipal " * 30)[: int((right - left - 4) / 5.4)])
        y -= 10


def filled_window(canvas: Canvas, width: float, height: float) -> None:
    """Text all over the part that `inherited_boxes` shows, and a drawing all around."""
    canvas.setFillGray(0.3)
    canvas.rect(0, 0, width, height, fill=1)
    canvas.setFillGray(1)
    canvas.rect(60, 90, 440, 610, fill=1)
    canvas.setFillGray(0)
    fill(canvas, 60, 90, 500, 700)


def text_in(*corners: str) -> Draw:
    """Text in these corners, and in the middle."""

    def draw(canvas: Canvas, width: float, height: float) -> None:
        canvas.setFont("Times-Roman", 11)
        canvas.drawCentredString(width / 2, height / 2, "Au milieu")
        for corner in corners:
            y = height - 30 if "top" in corner else 20
            if "left" in corner:
                canvas.drawString(15, y, f"Coin {corner}")
            else:
                canvas.drawRightString(width - 15, y, f"Coin {corner}")

    return draw


def edges_page(canvas: Canvas, width: float, height: float) -> None:
    """Every corner taken, and the upper edge but for a hole in it."""
    text_in("top-left", "top-right", "bottom-left", "bottom-right")(canvas, width, height)
    canvas.drawString(15, 40, "Pied de page, un texte qui prend toute la largeur du bas de cette page, ")
    canvas.drawString(300, 20, "et qui continue jusqu'au bord de droite, ou presque.")
    canvas.drawRightString(width - 15, height - 45, "En-tête de droite")


def scan_page(canvas: Canvas, width: float, height: float) -> None:
    """A photograph of the whole page, dark."""
    noise = Image.effect_noise((200, 280), 90).convert("L").point(lambda value: value // 3)
    canvas.drawImage(ImageReader(noise), 0, 0, width, height)


def ocr_page(canvas: Canvas, width: float, height: float) -> None:
    """A scan with the invisible text that was recognised on it, a line of it in the upper right corner."""
    scan_page(canvas, width, height)
    text = canvas.beginText(width - 160, height - 40)
    text.setTextRenderMode(3)
    text.setFont("Courier", 10)
    text.textLine("Texte reconnu ici")
    canvas.drawText(text)


def logo_page(canvas: Canvas, width: float, height: float) -> None:
    """A letterhead in the upper right corner."""
    canvas.setFillGray(0.5)
    canvas.rect(width - 120, height - 80, 100, 60, fill=1)
    canvas.setFillGray(0)
    text_page(canvas, width, height)


def make(size: tuple[float, float], draw: Draw = text_page, pages: int = 1) -> bytes:
    """A PDF."""
    output = io.BytesIO()
    canvas = Canvas(output, size, invariant=1)
    for _ in range(pages):
        draw(canvas, *size)
        canvas.showPage()
    canvas.save()
    return output.getvalue()


def altered(data: bytes, change: Callable[[pikepdf.Pdf], None], **saving: Any) -> bytes:
    """The same PDF with something changed."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        pdf.save(output, deterministic_id=not saving, **saving)
    return output.getvalue()


def with_each(data: bytes, **attributes: Any) -> bytes:
    """The same PDF with attributes on each page."""

    def change(pdf: pikepdf.Pdf) -> None:
        for page in pdf.pages:
            for name, value in attributes.items():
                page.obj[f"/{name}"] = value

    return altered(data, change)


def rotated(data: bytes, angle: int) -> bytes:
    """The same PDF, turned when it is shown."""
    return with_each(data, Rotate=angle)


def inherited_boxes(data: bytes) -> bytes:
    """A CropBox away from the origin and a rotation, both said once for all pages."""

    def change(pdf: pikepdf.Pdf) -> None:
        for page in pdf.pages:
            del page.obj["/MediaBox"]
        tree = pdf.Root.Pages
        tree.MediaBox, tree.CropBox, tree.Rotate = [0, 0, 595, 842], [500, 700, 60, 90], 90

    return altered(data, change)


def shifted(data: bytes) -> bytes:
    """Its origin is far from the page."""

    def change(pdf: pikepdf.Pdf) -> None:
        for page in pdf.pages:
            page.obj.MediaBox = [-1000, 300, -1000 + 595, 300 + 842]
            page.contents_add(b"1 0 0 1 -1000 300 cm", prepend=True)

    return altered(data, change)


def unbalanced(data: bytes) -> bytes:
    """Its content leaves everything upside down, twice as large, and too much saved."""

    def change(pdf: pikepdf.Pdf) -> None:
        for page in pdf.pages:
            page.contents_add(b"Q q q -2 0 0 -2 700 900 cm 0.9 0.1 0.1 rg", prepend=False)

    return altered(data, change)


def in_a_form(data: bytes) -> bytes:
    """Everything of its pages is drawn by a form, turned by 90 degrees: the page is in landscape."""
    with pikepdf.open(io.BytesIO(data)) as source:
        pdf = pikepdf.new()
        for page in source.pages:
            pdf.add_blank_page(page_size=(842, 595))
            form = pdf.copy_foreign(page.as_form_xobject())
            form.Matrix = [0, 1, -1, 0, 842, 0]
            made = pdf.pages[-1]
            made.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=form))
            made.obj.Contents = pdf.make_stream(b"/F Do")
        output = io.BytesIO()
        pdf.save(output, deterministic_id=True)
        return output.getvalue()


def annotated(data: bytes) -> bytes:
    """A note lies in the upper right corner."""

    def change(pdf: pikepdf.Pdf) -> None:
        for page in pdf.pages:
            drawn = pdf.make_stream(b"0.2 0.2 1 rg 0 0 150 40 re f")
            drawn.Type, drawn.Subtype, drawn.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, [0, 0, 150, 40]
            note = pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Stamp,
                Rect=[430, 790, 580, 830],
                F=4,
                AP=pikepdf.Dictionary(N=drawn),
            )
            page.obj.Annots = pikepdf.Array([pdf.make_indirect(note)])

    return altered(data, change)


def mixed() -> bytes:
    """Pages of every size and direction in one document."""
    output = io.BytesIO()
    pdf = pikepdf.new()
    parts = (make(A4), make(A3), make(landscape(A4)), make((200, 300), text_in()), rotated(make(A4), 90))
    for part in (*parts, make((2384, 3370)), make(A4, full_page), make((90, 60), text_in())):
        with pikepdf.open(io.BytesIO(part)) as source:
            pdf.pages.extend(source.pages)
    pdf.save(output, deterministic_id=True)
    return output.getvalue()


LAYOUTS: dict[str, Callable[[], bytes]] = {
    "A4": lambda: make(A4),
    "A3": lambda: make(A3),
    "landscape": lambda: make(landscape(A4)),
    "rotated by 90": lambda: rotated(make(landscape(A4)), 90),
    "rotated by 180": lambda: rotated(make(A4, text_in("bottom-left")), 180),
    "rotated by 270": lambda: rotated(make(A4, text_in("top-right")), 270),
    "rotated by -90 and full": lambda: rotated(make(A4, full_page), -90),
    "CropBox inherited, reversed, rotated": lambda: inherited_boxes(make(A4, filled_window)),
    "CropBox": lambda: with_each(make(A4), CropBox=pikepdf.Array([50, 60, 545, 780])),
    "origin elsewhere": lambda: shifted(make(A4, text_in("top-right", "top-left"))),
    "300 pages": lambda: make(A4, pages=300),
    "UserUnit": lambda: with_each(make((298, 421), text_in("top-right")), UserUnit=2),
    "text in the upper right": lambda: make(A4, text_in("top-right")),
    "text in every corner": lambda: make(A4, edges_page),
    "text everywhere": lambda: make(A4, full_page),
    "full-page scan": lambda: make(A4, scan_page),
    "scan with recognised text": lambda: make(A4, ocr_page),
    "letterhead": lambda: make(A4, logo_page),
    "mixed sizes": mixed,
    "unbalanced content": lambda: unbalanced(make(A4)),
    "drawn by a form": lambda: in_a_form(make(A4, text_in("bottom-right", "top-left"))),
    "annotated": lambda: annotated(make(A4)),
}


# ---------------------------------------------------------------------------------------------------- seeing


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its box, in points from the upper left corner of the page as it is shown."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Word", tolerance: float = 0.2) -> bool:
        """Whether the boxes overlap."""
        return (
            self.left + tolerance < other.right
            and other.left + tolerance < self.right
            and self.top + tolerance < other.bottom
            and other.top + tolerance < self.bottom
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A page as poppler sees it."""

    width: float
    height: float
    words: Sequence[Word]


PAGE = re.compile(r'<page width="([\d.]+)" height="([\d.]+)">(.*?)</page>', re.S)
WORD = re.compile(r'<word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*?)</word>')


def see(path: Path) -> list[Seen]:
    """Every page with its words."""
    answer = subprocess.run(
        ["pdftotext", "-q", "-bbox", "-cropbox", str(path), "-"], capture_output=True, text=True, check=True
    )
    turned = _turned(path)
    return [
        Seen(*_size(page, turned[number]), [_word(found) for found in WORD.finditer(page[3])])
        for number, page in enumerate(PAGE.finditer(answer.stdout))
    ]


def _turned(path: Path) -> list[bool]:
    """pdftotext tells the size of a page before its rotation, and the boxes of its words after it."""
    answer = subprocess.run(["pdfinfo", "-l", "-1", str(path)], capture_output=True, text=True, check=True)
    return [int(angle) % 180 == 90 for angle in re.findall(r"^Page +\d+ rot: +(\d+)", answer.stdout, re.M)]


def _size(page: re.Match[str], turned: bool) -> tuple[float, float]:
    width, height = float(page[1]), float(page[2])
    return (height, width) if turned else (width, height)


def _word(found: re.Match[str]) -> Word:
    left, top, right, bottom = (float(found[number]) for number in range(1, 5))
    return Word(unescape(found[5]), left, top, right, bottom)


def render(path: Path, first: int, last: int) -> Iterator[Image.Image]:
    """These pages (from 1), in grey, at 100 dpi."""
    for number in range(first, last + 1):
        answer = subprocess.run(
            ["pdftoppm", "-cropbox", "-gray", "-r", str(DPI), "-f", str(number), "-l", str(number), str(path)],
            capture_output=True,
            check=True,
        )
        yield Image.open(io.BytesIO(answer.stdout))
