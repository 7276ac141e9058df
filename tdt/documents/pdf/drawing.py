"""The stamp itself, drawn once: a page of its size, which every page of the document then shows."""

import io
from collections.abc import Sequence

from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = 190.0, 55.0
FONT_SIZE, LEADING, INSET = 7.0, 11.0, 6.0
LOGO_WIDTH = 46.0
REGULAR, BOLD = "Vera", "VeraBd"
"""Bitstream Vera, which reportlab ships: free to embed, and it has the euro and the œ."""


def register_fonts() -> None:
    """Once for each process."""
    for name in (REGULAR, BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))


def writable(text: str, font: str = REGULAR) -> str:
    """What the font has no glyph for is shown as a question mark rather than as nothing."""
    known = pdfmetrics.getFont(font).face.charToGlyph
    return "".join(character if ord(character) in known else NEAREST.get(character, "?") for character in text)


NEAREST = {"\u202f": "\u00a0", "\u2011": "-", "\u2010": "-", "\u2212": "-", "\t": " ", "\n": " ", "\r": " "}
"""Characters that have a good stand-in."""


def draw_stamp(lines: Sequence[str], logo: str, opacity: float) -> tuple[bytes, bool]:
    """A PDF of one page, and whether the logo that was asked for is on it."""
    register_fonts()
    output = io.BytesIO()
    canvas = Canvas(output, (WIDTH, HEIGHT), invariant=1, initialFontName=REGULAR)
    if opacity < 1:
        canvas.setFillAlpha(opacity)
        canvas.setStrokeAlpha(opacity)
    canvas.setFillGray(1)
    canvas.setLineWidth(0.5)
    canvas.rect(0.25, 0.25, WIDTH - 0.5, HEIGHT - 0.5, fill=1)
    drawn = _draw_logo(canvas, logo) if logo else False
    left = INSET + (LOGO_WIDTH if drawn else 0.0)
    canvas.setFillGray(0)
    top = (HEIGHT + LEADING * len(lines)) / 2
    for number, line in enumerate(lines):
        text = writable(line)
        canvas.setFont(REGULAR, _size(text, WIDTH - INSET - left))
        canvas.drawString(left, top - LEADING * number - LEADING * 0.75, text)
    canvas.save()
    return output.getvalue(), drawn or not logo


def _size(text: str, width: float) -> float:
    natural = pdfmetrics.stringWidth(text, REGULAR, FONT_SIZE)
    return float(min(FONT_SIZE, FONT_SIZE * width / natural)) if natural else FONT_SIZE


def _draw_logo(canvas: Canvas, logo: str) -> bool:
    try:
        image = ImageReader(logo)
        canvas.drawImage(
            image,
            INSET / 2,
            INSET / 2,
            LOGO_WIDTH - INSET / 2,
            HEIGHT - INSET,
            mask="auto",
            preserveAspectRatio=True,
        )
    except (OSError, ValueError, SyntaxError, TTFError):
        return False
    return True
