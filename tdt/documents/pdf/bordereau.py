"""Laying out a bordereau: A4 pages, sections that flow, words that wrap; the same facts give the same bytes."""

import os
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from reportlab.lib.colors import Color
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from tdt.documents.bordereau import Laid
from tdt.documents.pdf.drawing import BOLD, REGULAR, register_fonts, writable
from tdt.domain.actes.bordereau import Bordereau, Entry, Section

MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN
WIDTHS = {0: (0.32, 0.68), 3: (0.62, 0.20, 0.18)}
LIFE_WIDTHS = (0.27, 0.25, 0.48)
"""Shares of the width by number of headings; the messages of a life need more."""
RULE, SHADE = Color(0.75, 0.75, 0.75), Color(0.93, 0.93, 0.93)
LONGEST = 1200
"""Characters of a cell; a longer text goes on in the next row, which may be on the next page."""


def lay_out(bordereau: Bordereau, files: Sequence[int]) -> Laid:
    """Write the PDF into the only file."""
    register_fonts()
    styles = _Styles()
    story: list[Flowable] = [
        Paragraph(_markup(bordereau.title), styles.title),
        Paragraph(_markup(bordereau.reference), styles.reference),
        Spacer(1, 5 * mm),
    ]
    for section in bordereau.sections:
        story += _section(section, styles)
    with os.fdopen(os.dup(files[0]), "wb") as target:
        document = SimpleDocTemplate(
            target,
            pagesize=A4,
            leftMargin=MARGIN,
            rightMargin=MARGIN,
            topMargin=MARGIN,
            bottomMargin=MARGIN,
            title=writable(f"{bordereau.title} {bordereau.reference}"),
            author="tdt",
            lang="fr-FR",
            invariant=1,
        )
        foot = writable(bordereau.reference)
        document.build(story, canvasmaker=lambda *args, **options: _Numbered(foot, *args, **options))
    return Laid(document.page)


class _Styles:
    """Of the texts."""

    def __init__(self) -> None:
        self.title = ParagraphStyle("title", fontName=BOLD, fontSize=15, leading=19)
        self.reference = ParagraphStyle("reference", fontName=REGULAR, fontSize=10, leading=14, splitLongWords=1)
        self.heading = ParagraphStyle("heading", fontName=BOLD, fontSize=11, leading=14, spaceBefore=14, spaceAfter=4)
        self.text = ParagraphStyle("text", fontName=REGULAR, fontSize=8.5, leading=11.5, splitLongWords=1)
        self.strong = ParagraphStyle("strong", parent=self.text, fontName=BOLD)
        self.small = ParagraphStyle("small", parent=self.text, fontSize=6.3, leading=8.8)


class _Numbered(Canvas):  # type: ignore[misc] # reportlab tells no types
    """Writes the number of each page once it is known how many there are."""

    def __init__(self, foot: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "initialFontName": REGULAR})
        self._foot = foot
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            self.setFont(REGULAR, 7)
            self.setFillGray(0.35)
            self.drawString(MARGIN, 10 * mm, self._foot)
            self.drawRightString(A4[0] - MARGIN, 10 * mm, f"Page {number} / {len(self._pages)}")
            Canvas.showPage(self)
        Canvas.save(self)


def _section(section: Section, styles: _Styles) -> Iterator[Flowable]:
    # a heading does not stay alone at the foot of a page
    yield CondPageBreak(30 * mm)
    yield Paragraph(_markup(section.title), styles.heading)
    if not section.entries:
        yield Paragraph(_markup(section.nothing), styles.text)
        return
    shares = LIFE_WIDTHS if section.headings[-1:] == ("Message",) else WIDTHS[len(section.headings)]
    rows = [[Paragraph(_markup(heading), styles.strong) for heading in section.headings]] if section.headings else []
    for entry in section.entries:
        rows += _rows(entry, styles, named=not section.headings)
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
    if section.headings:
        style.append(("BACKGROUND", (0, 0), (-1, 0), SHADE))
    table = Table(rows, colWidths=[share * WIDTH for share in shares], repeatRows=1 if section.headings else 0)
    table.setStyle(TableStyle(style))
    yield table


def _rows(entry: Entry, styles: _Styles, named: bool) -> Iterator[list[list[Flowable]]]:
    """One row; more when a text is too long for one, so that no row is higher than a page."""
    cells = [list(_pieces(text)) for text in entry.columns]
    details = [piece for detail in entry.details for piece in _pieces(detail)]
    for number in range(max(1, *map(len, cells))):
        row: list[list[Flowable]] = []
        for column, pieces in enumerate(cells):
            style = styles.strong if named and column == 0 else styles.text
            text = pieces[number] if number < len(pieces) else ""
            row.append([Paragraph(_markup(text), style)] if text else [])
        if number == 0 and details:
            fitting = _fitting(details)
            row[0] += [Paragraph(_markup(detail), styles.small) for detail in details[:fitting]]
            del details[:fitting]
        yield row
    for detail in details:
        yield [[Paragraph(_markup(detail), styles.small)], *([[]] * (len(cells) - 1))]


def _fitting(details: Sequence[str]) -> int:
    """How many of them the first row can hold beside the rest."""
    room = 2 * LONGEST
    for number, detail in enumerate(details):
        room -= len(detail)
        if room < 0:
            return number
    return len(details)


def _pieces(text: str) -> Iterator[str]:
    """The text in parts of a bearable length, cut at spaces where there are any."""
    while len(text) > LONGEST:
        cut = text.rfind(" ", LONGEST // 2, LONGEST)
        cut = cut if cut > 0 else LONGEST
        yield text[:cut]
        text = text[cut:].lstrip()
    yield text


def _markup(text: str) -> str:
    """What Paragraph takes for itself is shown as it is."""
    return "<br/>".join(escape(writable(line)) for line in text.split("\n"))
