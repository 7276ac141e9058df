"""Where a stamp goes, whatever stands on the page; how wide fonts are; pages turned and back."""

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.documents.pdf.fonts import ANY_FONT, read_font
from tdt.documents.pdf.geometry import IDENTITY, Box, Geometry, multiply, read_geometry
from tdt.documents.pdf.place import Corner, Wish, find_place, make_band

A4 = (595.0, 842.0)
WISH = Wish(190.0, 55.0, Corner.TOP_RIGHT, 10.0, 10.0)
EDGE = 1e-6


def boxes(width: float, height: float) -> st.SearchStrategy[list[Box]]:
    x, y = st.floats(0, width), st.floats(0, height)
    box = st.builds(lambda a, b, c, d: Box(min(a, b), min(c, d), max(a, b), max(c, d)), x, x, y, y)
    return st.lists(box, max_size=12)


sizes = st.tuples(st.floats(20, 4000), st.floats(20, 4000))


@given(st.data(), sizes, st.sampled_from(Corner), st.floats(0, 200), st.floats(0, 200))
def test_a_place_is_on_the_page_and_on_no_text(
    data: st.DataObject, page: tuple[float, float], corner: Corner, x: float, y: float
) -> None:
    texts, drawings = data.draw(boxes(*page)), data.draw(boxes(*page))
    place = find_place(page, Wish(190, 55, corner, x, y), texts, drawings)
    assert place.box.width > 0
    assert place.box.height > 0
    assert place.box.left >= -EDGE
    assert place.box.right <= page[0] + EDGE
    assert place.box.bottom >= (0 if place.above or not place.band else -place.band) - EDGE
    assert place.box.top <= page[1] + (place.band if place.above else 0) + EDGE
    if not place.band:
        assert not any(place.box.meets(text) for text in texts)


def test_the_corner_asked_for_then_the_nearest_free_place_then_a_band() -> None:
    right, left = Box(400, 780, 590, 840), Box(5, 780, 200, 840)
    foot, wall = Box(0, 0, 595, 80), Box(0, 0, 595, 842)
    assert find_place(A4, WISH, [], []).box == Box(395, 777, 585, 832)
    assert find_place(A4, WISH, [right], []).box == Box(10, 777, 200, 832)
    assert find_place(A4, WISH, [right, left, foot], []).box == Box(208, 777, 398, 832)
    everywhere = find_place(A4, WISH, [wall], [])
    assert (everywhere.box, everywhere.band, everywhere.above) == (Box(395, 852, 585, 907), 75, True)
    below = make_band(A4, Wish(190, 55, Corner.BOTTOM_LEFT, 10, 10))
    assert (below.box, below.band, below.above) == (Box(10, -65, 200, -10), 75, False)


def test_a_letterhead_is_spared_when_there_is_room_a_scan_is_not() -> None:
    letterhead, scan = Box(450, 790, 580, 830), Box(0, 0, 595, 842)
    assert find_place(A4, WISH, [], [letterhead]).box.left == 10
    assert find_place(A4, WISH, [], [scan]).box.left == 395
    corners = [Box(0, 0, 595, 100), Box(0, 742, 595, 842)]
    assert find_place(A4, WISH, [Box(0, 100, 595, 742)], [letterhead, *corners]).box == Box(395, 777, 585, 832)


def test_an_offset_is_given_up_before_the_corner() -> None:
    # the first line of the text is 60 points from the edge: too near for 10, not for 4
    assert find_place(A4, WISH, [Box(70, 100, 525, 780)], []).box == Box(395, 783, 585, 838)


@given(st.sampled_from((0, 90, 180, 270)), st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(0.1, 50))
def test_to_the_page_and_back(rotation: int, x: float, y: float, unit: float) -> None:
    visible = Box(x, y, x + 595, y + 842)
    geometry = Geometry(visible, visible, rotation, unit)
    assert multiply(geometry.to_page, geometry.to_display) == pytest.approx(IDENTITY, abs=1e-6)


@pytest.mark.parametrize(
    ("attributes", "size", "rotation"),
    [
        ({"MediaBox": [0, 0, 100, 200]}, (100, 200), 0),
        ({"MediaBox": [100, 200, 0, 0], "Rotate": 450}, (200, 100), 90),
        ({"MediaBox": [0, 0, 100, 200], "CropBox": [10, 10, 500, 500]}, (90, 190), 0),
        ({"MediaBox": [0, 0, 100, 200], "CropBox": [300, 300, 500, 500]}, (100, 200), 0),
        ({"MediaBox": [0, 0, 100, 200], "CropBox": [10, 10, 10, 50]}, (100, 200), 0),
        ({"MediaBox": [0, 0, 100], "Rotate": 1}, (612, 792), 0),
        ({"MediaBox": [0, 0, 100, 200], "UserUnit": 2}, (200, 400), 0),
        ({"MediaBox": [0, 0, 100, 200], "UserUnit": -2, "Rotate": -90}, (200, 100), 270),
        ({}, (612, 792), 0),
    ],
)
def test_what_a_viewer_makes_of_the_boxes(
    attributes: dict[str, object], size: tuple[float, float], rotation: int
) -> None:
    with pikepdf.new() as pdf:
        page = pikepdf.Dictionary({f"/{name}": value for name, value in attributes.items()})
        page.Parent = pdf.make_indirect(pikepdf.Dictionary())
        page.Parent.Parent = page.Parent  # a tree that goes in circles
        geometry = read_geometry(page)
    assert (geometry.size, geometry.rotation) == (size, rotation)


def font(**entries: object) -> pikepdf.Dictionary:
    return pikepdf.Dictionary({f"/{name}": value for name, value in entries.items()})


def composite(encoding: str, **child: object) -> pikepdf.Dictionary:
    return font(
        Subtype=pikepdf.Name.Type0,
        Encoding=pikepdf.Name(encoding),
        DescendantFonts=pikepdf.Array([font(**child)]),
    )


SIMPLE = font(Subtype=pikepdf.Name.TrueType, FirstChar=65, Widths=[500, 250], FontDescriptor=font(MissingWidth=300))
CID = composite("/Identity-H", DW=800, W=[1, [100, 200], 10, 12, 400])
TYPE3 = font(
    Subtype=pikepdf.Name.Type3,
    FirstChar=65,
    Widths=[50],
    FontMatrix=[0.01, 0, 0, 0.01],
    FontBBox=[0, -80, 100, 200],
)


@pytest.mark.parametrize(
    ("read", "text", "measure"),
    [
        (SIMPLE, b"AB C", (0.5 + 0.25 + 0.3 + 0.3, 4, 1)),
        (font(Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name("/Courier")), b"Le maire", (8 * 0.6, 8, 1)),
        (font(Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name("/Inconnue")), b"abc", (3, 3, 0)),
        (CID, b"\0\1\0\2\0\3\0\x0b\0", (0.1 + 0.2 + 0.8 + 0.4, 4, 0)),
        (composite("/UniJIS-UCS2-H"), b"\0A", (2, 2, 0)),
        (TYPE3, b"A", (0.5, 1, 0)),
        (font(Subtype=pikepdf.Name.Type0), b"A", (1, 1, 0)),
        (None, b"A", (1, 1, 0)),
    ],
)
def test_how_wide_a_text_is(read: pikepdf.Dictionary | None, text: bytes, measure: tuple[float, int, int]) -> None:
    assert read_font(read).measure(text) == pytest.approx(measure)


def test_how_high_a_drawn_font_is() -> None:
    drawn = read_font(TYPE3)
    assert (drawn.descent, drawn.ascent) == (-0.8, 2.0)
    assert read_font(composite("/Identity-V")).vertical
    assert not ANY_FONT.vertical
