"""What the first bytes of a file of the DGFiP name: for its turn alone, whatever the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.helios.peek import PEEKED, peek
from tdt.domain.turns import Look
from tests.unit.helios.samples import sample

SIRET = "12345678200010"


@pytest.mark.parametrize("name", ["acquit_v1.xml", "acquit_v2_ok.xml", "acquit_2008.xml", "nonacquit_2008.xml"])
def test_an_acquit_names_its_flow_and_its_siret(name: str) -> None:
    assert peek(sample(name)) == Look(("ESSAI-2026-0318",), (SIRET,))


def test_a_return_that_was_cut_names_its_siret_all_the_same() -> None:
    assert peek(sample("retour_depense.xml")[:700]).owners == (SIRET,)


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.7", b"<a", b"<!DOCTYPE a><a/>", b"\xff\xfe<\0", b"<a>" * PEEKED])
def test_what_is_no_pes_names_nobody(raw: bytes) -> None:
    assert peek(raw) == Look()


def test_what_is_far_is_not_looked_at() -> None:
    raw = sample("acquit_v2_ok.xml")
    head, rest = raw.split(b"<Enveloppe>", 1)
    assert peek(head + b"<!--" + b" " * PEEKED + b"--><Enveloppe>" + rest) == Look()


@given(st.data())
def test_any_bytes_are_looked_at_and_give_few_short_names(data: st.DataObject) -> None:
    raw = sample("acquit_v2_ok.xml")
    place = data.draw(st.integers(0, len(raw)))
    found = peek(raw[:place] + data.draw(st.binary(max_size=50)) + raw[place + data.draw(st.integers(0, 50)) :])
    assert len(found.answers) <= 1
    assert len(found.owners) <= 1
    assert all(len(one) <= 200 and "\0" not in one for one in (*found.answers, *found.owners))
