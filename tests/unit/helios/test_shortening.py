"""What is dropped of long texts in base64: nothing that changes their validity, their place or the markup."""

import random
import re

import pytest

from tdt.domain.helios.shortening import KEPT, Shortener

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def shorten(data: bytes, sizes: random.Random, most: int) -> tuple[bytes, Shortener]:
    shortener, left, kept = Shortener(), data, b""
    while left:
        size = sizes.randint(1, most)
        kept += shortener.feed(left[:size])
        left = left[size:]
    return kept, shortener


def body(size: int, seed: int, width: int) -> bytes:
    """Base64 of this many characters, in lines."""
    letters = bytes(random.Random(seed).choices(LETTERS, k=size))
    return b"\r\n".join(letters[start : start + width] for start in range(0, size, width))


@pytest.mark.parametrize("seed", range(12))
def test_a_text_stays_valid_and_every_tag_keeps_its_line(seed: int) -> None:
    chance = random.Random(seed)
    parts, lines = [b"<?xml?>\n<a>"], []
    for number in range(6):
        size = chance.choice([5, 4 * 300, KEPT, KEPT * 2 + chance.randint(0, 7), KEPT * 5])
        parts.append(b"<Fichier>" + body(size, seed + number, chance.choice([64, 76, 10_000])) + b"==</Fichier>\n")
        parts.append(b'<tag%d V="x"/>\n' % number)
    parts.append(b"</a>")
    data = b"".join(parts)
    kept, shortener = shorten(data, chance, chance.choice([7000, 65_536, 1 << 18]))
    texts, short = (re.findall(rb"<Fichier>([^<]*)", one) for one in (data, kept))
    for before, after in zip(texts, short, strict=True):
        # of both, the same is left after whole groups of four, and the padding is there
        assert after.endswith(b"==")
        assert len(re.sub(rb"\s", b"", before)) % 4 == len(re.sub(rb"\s", b"", after)) % 4
        assert len(after) <= len(before)
    assert re.sub(rb">[^<]*<", b"><", kept) == re.sub(rb">[^<]*<", b"><", data)
    for number in range(6):
        tag = b"<tag%d" % number
        lines.append(shortener.line_of(kept[: kept.index(tag)].count(b"\n") + 1))
        assert lines[-1] == data[: data.index(tag)].count(b"\n") + 1


def test_what_is_left_of_a_flow_does_not_depend_on_its_size() -> None:
    shortener, chunk = Shortener(), body(1 << 18, 1, 76)
    kept = len(shortener.feed(b"<Fichier>"))
    kept += sum(len(shortener.feed(chunk)) for _ in range(200))
    kept += len(shortener.feed(b"</Fichier>"))
    assert kept < 2 * KEPT
    assert shortener.line_of(10_000) > 200 * (1 << 18) // 80


def test_what_is_not_base64_is_never_dropped() -> None:
    odd = (
        b"<Fichier>"
        + b"A" * KEPT
        + b"B" * 1000
        + "é".encode("latin-1")
        + b"C" * 1000
        + b"<!-- x -->"
        + b"&#65;</Fichier>"
    )
    kept, _ = shorten(odd, random.Random(1), 50_000)
    assert kept.count("é".encode("latin-1")) == 1
    assert kept.endswith(b"<!-- x -->&#65;</Fichier>")
    short = b'<?xml version="1.0"?><a b="c">' + b"text of words " * 2000 + b"</a>"
    assert shorten(short, random.Random(2), 1 << 18)[0] == short
