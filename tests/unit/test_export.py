"""The layout of an export: names that lead nowhere else, a manifest that only we write, a page about every table."""

from datetime import UTC, datetime

import pytest

from tdt.domain.export import (
    MEANING,
    Summary,
    body_path,
    build_manifest,
    build_readme,
    read_manifest,
    read_sum,
    rows_path,
)

SUMMARY = Summary(
    7, "Ville d'Ève", "123456782", None, datetime(2026, 11, 26, 8, tzinfo=UTC), {"content": 2}, files=30, body_bytes=5
)


@pytest.mark.parametrize(
    ("content", "name", "path"),
    [
        (1, "acte.pdf", "contenus/000000/1_acte.pdf"),
        (12_345, "", "contenus/000012/12345_contenu"),
        (1, "../../etc/passwd", "contenus/000000/1_etc_passwd"),
        (1, "..", "contenus/000000/1_contenu"),
        (1, "délib à l'été\n.pdf", "contenus/000000/1_d_lib_l_t_.pdf"),
        (1, "x" * 300 + ".xml", "contenus/000000/1_" + "x" * 96 + ".xml"),
    ],
)
def test_a_name_leads_nowhere_else(content: int, name: str, path: str) -> None:
    assert body_path(content, name) == path
    assert read_sum(f"{'0' * 64}  {path}") == ("0" * 64, path)


@pytest.mark.parametrize(
    "line", ["", "0  x", f"{'0' * 64}  /etc/passwd", f"{'0' * 64}  a/../b", f"{'0' * 64} x", f"{'0' * 64}  a b"]
)
def test_a_line_that_is_not_ours(line: str) -> None:
    assert read_sum(line) is None


def test_the_manifest_says_what_there_is() -> None:
    manifest = read_manifest(build_manifest(SUMMARY, b"\x01" * 32))
    assert (manifest.sums_sha256, manifest.files, manifest.body_bytes) == ("01" * 32, 30, 5)
    assert manifest.counts == {"content": 2}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":"tdt-export","version":2}', b"\xff", b"null"])
def test_a_manifest_that_is_not_ours(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_manifest(data)


def test_the_page_tells_every_table() -> None:
    text = build_readme(SUMMARY).decode()
    assert "Ville d'Ève (SIREN 123456782)" in text
    assert "26/11/2026 à 08:00:00 UTC" in text
    assert [table for table in MEANING if rows_path(table) not in text] == []
