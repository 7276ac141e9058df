"""The stamp on PDFs of every shape, as poppler shows them: whole, upright, in the page, on no text."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tdt.documents.pdf.stamp import stamp
from tdt.documents.stamp import Position, Stamped, StampOrder
from tests import pdfs
from tests.pdfs import DPI, LAYOUTS, Seen, Word

LINES = (
    "Envoyé en préfecture le 12/07/2026",
    "Reçu en préfecture le 13/07/2026",
    "Publié le 14/07/2026",
    "ID : 034-123456782-20260711-CL20260711_06-DE",
)
WORDS = " ".join(LINES).split()


def order(position: Position = "top-right", opacity: float = 0.8, logo: str = "", first: bool = False) -> StampOrder:
    return StampOrder(LINES, position, 10.0, 10.0, "first" if first else "all", logo, opacity)


def stamped(data: bytes, tmp_path: Path, what: StampOrder | None = None) -> tuple[Path, Stamped]:
    source, target = tmp_path / "source.pdf", tmp_path / "stamped.pdf"
    source.write_bytes(data)
    with source.open("rb") as given, target.open("wb") as made:
        done = stamp(what or order(), [given.fileno(), made.fileno()])
    return target, done


def split(page: Seen) -> tuple[list[Word], list[Word]]:
    """The words of the stamp, in its order, and the others."""
    ours = [word for word in page.words if word.text in WORDS]
    return ours, [word for word in page.words if word.text not in WORDS]


def frame(words: Sequence[Word]) -> Word:
    return Word(
        "",
        min(word.left for word in words),
        min(word.top for word in words),
        max(word.right for word in words),
        max(word.bottom for word in words),
    )


def crop(image: Image.Image, word: Word) -> Image.Image:
    scale = DPI / 72
    return image.crop(
        (int(word.left * scale), int(word.top * scale), int(word.right * scale), int(word.bottom * scale))
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_stamp_is_seen_whole_upright_and_on_no_text(layout: str, tmp_path: Path) -> None:
    data = LAYOUTS[layout]()
    path, done = stamped(data, tmp_path)
    before, after = pdfs.see(tmp_path / "source.pdf"), pdfs.see(path)
    assert done.pages == len(before) == len(after)
    for old, page in zip(before, after, strict=True):
        ours, others = split(page)
        assert [word.text for word in ours] == WORDS
        # what stood on the page still does
        assert sorted(word.text for word in others) == sorted(word.text for word in old.words)
        # upright: each line from left to right, the next one below
        assert all(word.right - word.left > word.bottom - word.top for word in ours if len(word.text) > 3)
        tops = [word.top for word in ours]
        assert tops == sorted(tops)
        box = frame(ours)
        assert box.left >= 0
        assert box.top >= 0
        assert box.right <= page.width
        assert box.bottom <= page.height
        assert [word.text for word in others if word.meets(box)] == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_stamp_is_drawn_above_everything(layout: str, tmp_path: Path) -> None:
    path, done = stamped(LAYOUTS[layout](), tmp_path, order(opacity=1.0))
    last = min(done.pages, 8)
    for page, image in zip(pdfs.see(path)[:last], pdfs.render(path, 1, last), strict=True):
        # one line at a time: between the lines and around them there is nothing but white
        ours, _ = split(page)
        part = crop(image, frame(ours))
        shades = part.histogram()
        assert sum(shades[:200]) > 0.02 * part.width * part.height, "no ink"
        assert sum(shades[230:]) > 0.5 * part.width * part.height, "no white around the ink"
