"""Large PDFs in a small child: what is stamped is whole, what does not fit is told, never silently left out."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pikepdf
import pytest

from tdt.documents.child import Cause, ChildFailed, Children, Limits
from tdt.documents.stamp import STAMP, StampOrder

ORDER = StampOrder(("Envoyé", "Reçu", "Publié", "ID"), "top-right", 10.0, 10.0, "all", "", 0.8)


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    children = Children(1, Limits(memory_bytes=64 << 20, seconds=60))
    yield children
    await children.close()


def make_images(path: Path, pages: int, size: int) -> None:
    """Pages that each show an image that nothing compresses."""
    with pikepdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page(page_size=(595, 842))
            image = pdf.make_stream(
                os.urandom(size),
                Type=pikepdf.Name.XObject,
                Subtype=pikepdf.Name.Image,
                Width=1000,
                Height=size // 1000,
                ColorSpace=pikepdf.Name.DeviceGray,
                BitsPerComponent=8,
            )
            page = pdf.pages[-1].obj
            page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I=image))
            page.Contents = pdf.make_stream(b"q 595 0 0 842 0 0 cm /I Do Q")
        pdf.save(path, compress_streams=False)


async def test_150_mb_of_images_need_little_memory_and_stay_byte_for_byte(children: Children, tmp_path: Path) -> None:
    source, target = tmp_path / "source.pdf", tmp_path / "stamped.pdf"
    make_images(source, 75, 2_000_000)
    with source.open("rb") as given, target.open("wb") as made:
        done = await children.run(STAMP, ORDER, (given.fileno(), made.fileno()))
    assert done.pages == 75
    assert target.stat().st_size > 150_000_000
    with pikepdf.open(source) as before, pikepdf.open(target) as after:
        for old, new in zip(before.pages, after.pages, strict=True):
            images = [page.obj.Resources.XObject["/I"].read_raw_bytes() for page in (old, new)]
            assert images[0] == images[1]


async def test_an_image_that_does_not_fit_in_memory_is_told_not_left_out(children: Children, tmp_path: Path) -> None:
    source, target = tmp_path / "source.pdf", tmp_path / "stamped.pdf"
    make_images(source, 1, 60_000_000)
    with source.open("rb") as given, target.open("wb") as made, pytest.raises(ChildFailed) as caught:
        await children.run(STAMP, ORDER, (given.fileno(), made.fileno()))
    assert caught.value.cause is Cause.MEMORY
