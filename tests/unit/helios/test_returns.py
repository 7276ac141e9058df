"""Files of the DGFiP: what they are, and the transaction that an acquit answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdt.domain.helios.model import DgfipReturn, HeliosStatus, ReturnKind
from tdt.domain.helios.returns import Candidate, ReturnReader, acquit_matches
from tdt.domain.ids import AuthorityId, HeliosId
from tests.unit.helios.samples import read_return, sample

FULL = DgfipReturn(ReturnKind.ACQUIT, "ESSAI-2026-0318", "401", "00", "034012", "12345678200010", True, "PESALR2")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acquit_v2_ok.xml", FULL),
        ("acquit_v1.xml", FULL),
        ("acquit_v2_technical.xml", replace(FULL, cod_col=None, typ_fic="UNKNOWN_TYPE")),
        ("acquit_2008.xml", replace(FULL, has_acquit=False)),
        ("nonacquit_2008.xml", replace(FULL, kind=ReturnKind.NON_ACQUIT, has_acquit=False)),
        ("aller_depense.xml", replace(FULL, kind=ReturnKind.UNKNOWN, has_acquit=False)),
        (
            "retour_depense.xml",
            replace(
                FULL,
                kind=ReturnKind.RETOUR,
                nomfic="PES2R_DEP_R_401_00_034012_20260303_20260303_20260303020000.xml",
                has_acquit=False,
                typ_fic="PES2R_DEP",
            ),
        ),
    ],
)
@pytest.mark.parametrize("step", [1 << 16, 11])
def test_kinds(name: str, step: int, expected: DgfipReturn) -> None:
    assert read_return(sample(name), step) == expected


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        (b"PES_ACQUIT", ReturnKind.ACQUIT),
        (b"pes_acquit", ReturnKind.ACQUIT),
        (b"PES_NONACQUIT", ReturnKind.NON_ACQUIT),
        (b"pes_retour", ReturnKind.RETOUR),
        (b"PES_ACQUIT_RETOUR", ReturnKind.UNKNOWN),
        (b"ENSUDocuments", ReturnKind.UNKNOWN),
    ],
)
def test_roots(root: bytes, kind: ReturnKind) -> None:
    assert read_return(b"<" + root + b"/>") == DgfipReturn(kind)


@pytest.mark.parametrize(
    "data", [b"", b"%OCRE;1;2\n", sample("acquit_v2_ok.xml")[:-5], b"<!DOCTYPE a><a/>", b"\0" * 10]
)
def test_unreadable_is_unknown(data: bytes) -> None:
    reader = ReturnReader()
    reader.feed(data)
    reader.feed(b"")
    assert reader.close() == DgfipReturn(ReturnKind.UNKNOWN)
    assert reader.fault


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_it_raise(data: bytes, step: int) -> None:
    assert isinstance(read_return(data, step), DgfipReturn)


NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
A, B = AuthorityId(1), AuthorityId(2)


def candidate(number: int, authority: AuthorityId = A, **changes: object) -> Candidate:
    one = Candidate(
        id=HeliosId(number),
        authority_id=authority,
        nomfic="ESSAI-2026-0318",
        cod_col="401",
        cod_bud="00",
        id_post="034012",
        id_coll="12345678200010",
        status=HeliosStatus.TRANSMIS,
        submitted_at=NOON + timedelta(minutes=number),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def matched(acquit: DgfipReturn, *candidates: Candidate) -> int | None:
    found = acquit_matches(acquit, candidates)
    return None if found is None else found.id


def test_one_candidate() -> None:
    assert matched(FULL, candidate(1)) == 1
    assert matched(FULL, candidate(1, status=HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, id_post="999999")) == 1


def test_no_candidate() -> None:
    assert matched(FULL) is None
    assert matched(FULL, candidate(1, nomfic="OTHER"), candidate(2, cod_col="402"), candidate(3, cod_col=None)) is None
    assert matched(replace(FULL, nomfic=None), candidate(1)) is None


def test_without_cod_col_the_name_alone_counts() -> None:
    technical = replace(FULL, cod_col=None)
    assert matched(technical, candidate(1, cod_col="402")) == 1
    assert matched(technical, candidate(1, cod_col="402"), candidate(2, cod_col="401")) == 2


@pytest.mark.parametrize("other", [{"id_post": "034099"}, {"id_coll": "98765432100011"}, {"cod_bud": "01"}])
def test_separated_by_what_the_acquit_says(other: dict[str, object]) -> None:
    mine, theirs = candidate(1, A, status=HeliosStatus.INFORMATION_DISPONIBLE), candidate(2, B, **other)
    assert matched(FULL, mine, theirs) == 1
    assert matched(FULL, theirs, mine) == 1


def test_what_nobody_has_separates_nothing() -> None:
    assert matched(replace(FULL, id_post="099999"), candidate(1, A), candidate(2, A)) == 2
    assert matched(replace(FULL, id_post="099999"), candidate(1, A), candidate(2, B)) is None


def test_the_transmitted_one_first() -> None:
    answered = HeliosStatus.INFORMATION_DISPONIBLE
    assert matched(FULL, candidate(1), candidate(2, status=answered)) == 1


def test_that_another_collectivite_has_its_answer_separates_nothing() -> None:
    """It may be a second one of hers: the DGFiP answers again when it corrects itself."""
    answered = HeliosStatus.INFORMATION_DISPONIBLE
    assert matched(FULL, candidate(1, A), candidate(2, B, status=answered)) is None
    assert matched(replace(FULL, cod_col=None), candidate(1, A), candidate(2, B, status=answered)) is None


def test_the_most_recent_within_one_collectivite() -> None:
    assert matched(FULL, candidate(3), candidate(1), candidate(2)) == 3
    assert matched(FULL, candidate(4, submitted_at=NOON), candidate(5, submitted_at=NOON)) == 5


def test_several_collectivites_are_left_to_the_operator() -> None:
    assert matched(FULL, candidate(1, A), candidate(2, B)) is None
    assert matched(replace(FULL, id_coll=None), candidate(1, A), candidate(2, B, id_coll="98765432100011")) is None
