"""The stamp: its settings, what cannot be stamped, contents that cannot be followed, faults of every kind."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4

from tdt.documents.pdf.drawing import HEIGHT, WIDTH
from tdt.documents.stamp import PDF_ENCRYPTED, PDF_UNREADABLE, Position
from tdt.domain.errors import Refused
from tests import pdfs
from tests.pdfs import DPI, LAYOUTS, Seen, Word
from tests.unit.test_stamp import WORDS, crop, frame, order, split, stamped


def first_words(path: Path) -> tuple[Seen, list[Word], list[Word]]:
    page = pdfs.see(path)[0]
    return page, *split(page)


def median(image: Image.Image) -> int:
    total, half = 0, image.width * image.height / 2
    for shade, count in enumerate(image.histogram()):
        total += count
        if total >= half:
            return shade
    raise AssertionError("no pixel")


@pytest.mark.parametrize("position", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_the_corner_is_a_setting(position: Position, tmp_path: Path) -> None:
    path, _ = stamped(pdfs.make(A4, pdfs.text_in()), tmp_path, order(position))
    page, ours, _ = first_words(path)
    box = frame(ours)
    assert (box.left < 20) == ("left" in position)
    assert (box.right > page.width - 30) == ("right" in position)
    assert (box.top < 30) == ("top" in position)
    assert (box.bottom > page.height - 30) == ("bottom" in position)


def test_on_the_first_page_only(tmp_path: Path) -> None:
    path, done = stamped(pdfs.make(A4, pages=3), tmp_path, order(first=True))
    assert done.pages == 1
    assert [len(split(page)[0]) > 0 for page in pdfs.see(path)] == [True, False, False]


def test_a_band_shows_nothing_that_was_hidden_and_keeps_the_scale(tmp_path: Path) -> None:
    data = LAYOUTS["CropBox inherited, reversed, rotated"]()
    path, done = stamped(data, tmp_path, order(opacity=1))
    assert done.bands == 1
    old, new = pdfs.see(tmp_path / "source.pdf")[0], pdfs.see(path)[0]
    assert (new.width, new.height) == (old.width, old.height + HEIGHT + 20)
    image = next(pdfs.render(path, 1, 1))
    band = image.crop((0, 0, image.width, int((HEIGHT + 20) * DPI / 72) - 1))
    stamp_box = crop(image, Word("", 0, 0, new.width - WIDTH - 12, HEIGHT + 19))
    assert stamp_box.getextrema() == (255, 255), "the drawing around the page shows in the band"
    assert sum(band.histogram()[:100]) > 100


def test_what_is_below_shows_through_unless_it_is_opaque(tmp_path: Path) -> None:
    def shade(opacity: float) -> int:
        path, _ = stamped(LAYOUTS["full-page scan"](), tmp_path, order(opacity=opacity))
        _, ours, _ = first_words(path)
        image = next(pdfs.render(path, 1, 1))
        box = frame(ours)
        # beside the shortest line there is nothing but the ground of the stamp
        ground = crop(image, Word("", box.right - 60, ours[10].top, box.right - 5, ours[10].bottom))
        return median(ground)

    assert shade(1.0) == 255
    assert shade(0.8) < 225


def test_a_logo_stands_beside_the_lines(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    Image.new("RGB", (300, 200), (10, 10, 120)).save(logo)
    path, done = stamped(pdfs.make(A4), tmp_path, order(opacity=1, logo=str(logo)))
    assert done.logo
    _, ours, _ = first_words(path)
    assert [word.text for word in ours] == WORDS
    box = frame(ours)
    image = next(pdfs.render(path, 1, 1))
    beside = crop(image, Word("", box.left - 40, box.top + 10, box.left - 10, box.bottom - 10))
    assert median(beside) < 60


@pytest.mark.parametrize("content", [None, b"no image"])
def test_a_logo_that_cannot_be_read_is_left_out_and_told(content: bytes | None, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    if content is not None:
        logo.write_bytes(content)
    path, done = stamped(pdfs.make(A4), tmp_path, order(logo=str(logo)))
    assert not done.logo
    assert [word.text for word in first_words(path)[1]] == WORDS


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    first = stamped(pdfs.make(A4), tmp_path)[0].read_bytes()
    assert stamped(pdfs.make(A4), tmp_path)[0].read_bytes() == first


def saved(change: Callable[[pikepdf.Pdf], None], **saving: Any) -> bytes:
    return pdfs.altered(pdfs.make(A4), change, **saving)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (saved(lambda _: None, encryption=pikepdf.Encryption(owner="maire", user="")), PDF_ENCRYPTED),
        (saved(lambda _: None, encryption=pikepdf.Encryption(owner="maire", user="secret")), PDF_ENCRYPTED),
        (b"", PDF_UNREADABLE),
        (b"%PDF-1.7\nbonjour", PDF_UNREADABLE),
        (pdfs.make(A4, pages=5)[:-3000], PDF_UNREADABLE),
        (saved(lambda pdf: pdf.pages.__delitem__(0)), PDF_UNREADABLE),
        (pdfs.make(A4, pages=2).replace(b"/Count 2", b"/Count 3"), PDF_UNREADABLE),
    ],
    ids=["owner's password", "password", "empty", "no PDF", "cut", "no page", "a page is missing"],
)
def test_what_cannot_be_stamped_is_told(data: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        stamped(data, tmp_path)
    assert caught.value.code == code


def test_a_damaged_table_is_rebuilt_when_the_file_is_whole(tmp_path: Path) -> None:
    data = pdfs.make(A4, pages=2)
    path, done = stamped(data.replace(b"startxref\n", b"startxref\n9"), tmp_path)
    assert (done.pages, done.repaired) == (2, True)
    assert [len(split(page)[0]) for page in pdfs.see(path)] == [len(WORDS)] * 2


def broken_content(pdf: pikepdf.Pdf) -> None:
    """The content ends in the middle of a string, within a state."""
    page = pdf.pages[0]
    page.contents_add(b"q 0.1 0 0 0.1 0 0 cm BT (jamais fini", prepend=False)


def endless_forms(pdf: pikepdf.Pdf) -> None:
    form = pdf.make_stream(b"/F Do")
    form.Type, form.Subtype, form.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, [0, 0, 10, 10]
    form.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=form))
    pdf.pages[0].obj.Resources.XObject = pikepdf.Dictionary(F=form)
    pdf.pages[0].contents_add(b"/F Do", prepend=False)


def too_many_lines(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].contents_add(b"0 0 m 9 9 l S\n" * 140_000, prepend=False)


def vertical(pdf: pikepdf.Pdf) -> None:
    child = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.CIDFontType2, BaseFont=pikepdf.Name.X)
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type0, BaseFont=pikepdf.Name.X)
    font.Encoding, font.DescendantFonts = pikepdf.Name("/Identity-V"), pikepdf.Array([child])
    pdf.pages[0].obj.Resources.Font[pikepdf.Name("/V")] = font
    pdf.pages[0].contents_add(b"BT /V 10 Tf 100 100 Td <0041> Tj ET", prepend=False)


@pytest.mark.parametrize("change", [broken_content, endless_forms, too_many_lines, vertical])
def test_a_content_that_cannot_be_followed_gets_its_stamp_in_a_band(
    change: Callable[[pikepdf.Pdf], None], tmp_path: Path
) -> None:
    path, done = stamped(saved(change), tmp_path, order(opacity=1))
    assert (done.pages, done.bands) == (1, 1)
    old, new = pdfs.see(tmp_path / "source.pdf")[0], pdfs.see(path)[0]
    assert new.height == pytest.approx(old.height + HEIGHT + 20)
    ours, others = split(new)
    assert [word.text for word in ours] == WORDS
    assert [word.text for word in others] == [word.text for word in old.words]
    image = next(pdfs.render(path, 1, 1))
    assert sum(crop(image, frame(ours)).histogram()[:150]) > 100


def test_a_large_plan_is_looked_at_for_its_texts_only(tmp_path: Path) -> None:
    lines = b"".join(b"%d %d m %d %d l S\n" % (i % 590, i % 840, (i * 7) % 590, (i * 3) % 840) for i in range(150_000))
    data = pdfs.altered(
        pdfs.make(A4, pdfs.text_in("top-right")), lambda pdf: pdf.pages[0].contents_add(lines, prepend=False)
    )
    assert len(lines) > 2 << 20
    path, done = stamped(data, tmp_path)
    assert done.bands == 0
    _, ours, others = first_words(path)
    assert not any(word.meets(frame(ours)) for word in others)
    assert frame(ours).left < 20


def test_a_name_of_ours_that_is_taken_is_not_used(tmp_path: Path) -> None:
    once, _ = stamped(pdfs.make(A4, pages=2), tmp_path)
    data = once.read_bytes()
    path, _ = stamped(data, tmp_path, order("bottom-left"))
    for page in pdfs.see(path):
        assert [word.text for word in page.words].count("Envoyé") == 2


def test_a_signed_pdf_is_told(tmp_path: Path) -> None:
    def sign(pdf: pikepdf.Pdf) -> None:
        pdf.Root.AcroForm = pikepdf.Dictionary(SigFlags=3, Fields=pikepdf.Array())

    assert stamped(saved(sign), tmp_path)[1].signed
    assert not stamped(pdfs.make(A4), tmp_path)[1].signed


def test_a_page_without_content_nor_resources(tmp_path: Path) -> None:
    def strip(pdf: pikepdf.Pdf) -> None:
        for name in ("/Contents", "/Resources"):
            del pdf.pages[0].obj[name]

    path, _ = stamped(saved(strip), tmp_path)
    assert [word.text for word in first_words(path)[1]] == WORDS


TOKENS = (
    b"/Rotate /MediaBox null [ ] << -1 1e9 0 Tj Do q Q cm 99999999999999999999 ( /Resources /W Tf 5 R true re".split()
)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_with_random_faults_is_stamped_or_told_never_worse(tmp_path: Path) -> None:
    chance = random.Random(20_260_712)
    names = [name for name in LAYOUTS if name not in ("300 pages", "full-page scan", "scan with recognised text")]
    outcomes = Counter[str]()
    for _ in range(250):
        data = bytearray(LAYOUTS[chance.choice(names)]())
        for _ in range(chance.choice((1, 2, 5, 20))):
            place, token = chance.randrange(len(data)), chance.choice(TOKENS)
            data[place : place + chance.choice((0, len(token)))] = token
        try:
            path, done = stamped(bytes(data), tmp_path)
        except Refused as refusal:
            outcomes[refusal.code] += 1
        else:
            with pikepdf.open(path, attempt_recovery=False) as pdf:
                assert len(pdf.pages) == done.pages
            outcomes["stamped"] += 1
    assert min(outcomes["stamped"], outcomes[PDF_UNREADABLE]) > 20
