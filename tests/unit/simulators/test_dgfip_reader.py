"""The simulator's own PES reader: the same facts however the flow is cut into chunks, in constant memory."""

import itertools
import resource
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.simulators.dgfip_reader import Bordereau, Flow, FlowReader, FlowUnreadable, read_flow, read_header
from tests.dgfip_flows import Slip, attachment, attachments, blocks, envelope, flow, large_flow, sample

MIXED = flow(
    blocks([Slip("12"), Slip("13", year="2025", kind="02"), Slip("7", expense=False)]),
    attachments(attachment("PJ1"), attachment("PJ2", content="é" * 50)),
)


def read(chunks: Sequence[bytes]) -> Flow:
    reader = FlowReader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.close()


def test_a_flow_gives_its_header_bordereaux_and_attachments() -> None:
    found = read([MIXED])
    assert (found.root, found.version, found.file_type, found.file_name) == (
        "PES_Aller",
        "2",
        "PESALR1",
        "FLUX-ESSAI-1",
    )
    assert found.sender == {"Sigle": "Éditeur", "Adresse": "Essais 1.0"}
    assert found.header["IdPost"] == "034001"
    assert found.header_complete
    assert found.blocks == ["PES_DepenseAller", "PES_RecetteAller", "PES_PJ"]
    assert found.bordereaux == [
        Bordereau("depense", "2026", "12", "01", "345", "7"),
        Bordereau("depense", "2025", "13", "02", "345", "7"),
        Bordereau("recette", "2026", "7", "01", "88", "1"),
    ]
    assert found.attachments == ["PJ1", "PJ2"]


@given(st.lists(st.integers(0, len(MIXED)), max_size=12))
def test_the_chunks_do_not_matter(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(MIXED)]
    assert read([MIXED[low:high] for low, high in itertools.pairwise(edges)]) == read([MIXED])


def test_an_attachment_without_identifier_keeps_its_place() -> None:
    found = read([flow("<PES_PJ><PJ/>", attachment("PJ2"), "</PES_PJ>")])
    assert found.attachments == ["", "PJ2"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"this is not XML", "Start tag expected"),
        (b"", "."),
        (MIXED[:-5], "."),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b"<a>" * 200 + b"</a>" * 200, "nested"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(FlowUnreadable, match=reason):
        read([data] if data else [])


def test_what_was_read_before_the_fault_is_kept() -> None:
    with pytest.raises(FlowUnreadable) as caught:
        read([MIXED[:-40]])
    assert caught.value.flow.file_name == "FLUX-ESSAI-1"
    assert caught.value.line == 2


def test_the_header_is_found_in_the_first_bytes() -> None:
    head = read_header(sample()[:1500])
    assert head is not None
    assert head.header["CodCol"] == "012"
    assert read_header(sample()[:400]) is None
    assert read_header(envelope().replace("</EnTetePES>", "").encode("latin-1")) is None


@pytest.mark.parametrize("count", [1, 600])
def test_memory_does_not_follow_the_size(tmp_path: Path, count: int) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.writelines(large_flow(100 << 20, count))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_flow(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(found.attachments) == count
    assert grown < 20 * 1024
