"""What the first bytes of a mail name: for its turn alone, whatever the bytes."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes.authenticity import MailRules
from tdt.domain.actes.naming import read_unique_id
from tdt.domain.actes.peek import PEEKED, peek
from tdt.domain.turns import Look
from tests.unit.actes.mails import ACT, ar, raw_mail, sample

NONE = MailRules()
ASKED = MailRules(servers=frozenset({"mx.tdt.test"}), relays=("etat.test",))


@pytest.mark.parametrize(
    ("name", "acts"),
    [
        ("1-2-ar.eml", (ACT,)),
        ("1-2-transfere-utf8.eml", (ACT,)),
        ("3-1-demande-pieces.eml", (ACT,)),
        ("ano-enveloppe.eml", ()),
        ("7-3-sans-changement.eml", ()),
    ],
)
def test_the_samples_name_their_act_and_their_siren(name: str, acts: tuple[str, ...]) -> None:
    assert peek(sample(name), NONE) == Look(acts, ("123456782",))


@pytest.mark.parametrize("name", ["multicanal.eml", "indesirable.eml"])
def test_others_name_nobody(name: str) -> None:
    assert peek(sample(name), NONE) == Look()


def test_a_mail_that_proves_no_origin_names_nobody() -> None:
    raw = raw_mail((f"{ACT}-1-2_1.xml", ar()))
    received = (
        b"Received: from x.etat.test (x.etat.test [192.0.2.1]) by mx.tdt.test; Tue, 10 Mar 2026 10:00:00 +0100\r\n"
    )
    assert peek(raw, ASKED) == Look()
    assert peek(received + raw, ASKED) == Look((ACT,), ("123456782",))
    assert peek(received + raw, replace(ASKED, relays=("autre.test",))) == Look()


def test_what_is_far_or_too_much_is_not_looked_at() -> None:
    assert peek(b" " * PEEKED + ACT.encode(), NONE) == Look()
    many = b" ".join(b"034-%09d-20260309-N-DE" % number for number in range(10_000))
    found = peek(many, NONE)
    assert len(found.answers) == len(found.owners) == 8


Bits = st.sampled_from(
    [
        ACT.encode(),
        b"-123456782-",
        b"034",
        b"-",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
        b"Received: ",
        b"=?utf-8?Q?",
        b"1" * 9,
    ]
)


@given(st.one_of(st.binary(max_size=2000), st.lists(Bits, max_size=60).map(b"".join)), st.sampled_from([NONE, ASKED]))
def test_any_bytes_are_looked_at_and_give_few_sound_names(raw: bytes, rules: MailRules) -> None:
    found = peek(raw, rules)
    assert max(len(found.answers), len(found.owners)) <= 8
    assert all(read_unique_id(one) is not None for one in found.answers)
    assert all(re.fullmatch("[0-9]{9}", one) for one in found.owners)
