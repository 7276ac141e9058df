"""Which flow an acquit answers: for any set of flows, never one that may be another collectivité's."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tdt.domain.helios.model import DgfipReturn, HeliosStatus, ReturnKind
from tdt.domain.helios.returns import WAITING, Candidate, acquit_matches
from tdt.domain.ids import AuthorityId, HeliosId

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FIELDS = ("id_post", "id_coll", "cod_bud")
STATUSES = [HeliosStatus.ERREUR, HeliosStatus.TRANSMIS, HeliosStatus.INFORMATION_DISPONIBLE, HeliosStatus.REFUSE]


def value(*values: str) -> st.SearchStrategy[str | None]:
    return st.sampled_from([None, *values])


ACQUITS = st.builds(
    DgfipReturn,
    st.just(ReturnKind.ACQUIT),
    nomfic=value("F1"),
    cod_col=value("401"),
    cod_bud=value("00", "01"),
    id_post=value("034012", "034099"),
    id_coll=value("12345678200010", "98765432400011"),
)


@st.composite
def histories(draw: st.DrawFn) -> Sequence[Candidate]:
    """Flows of two or three collectivités, close enough to be mistaken for each other."""
    return [
        Candidate(
            id=HeliosId(number),
            authority_id=AuthorityId(draw(st.integers(1, 3))),
            nomfic=draw(st.sampled_from(["F1", "F2"])),
            cod_col=draw(value("401", "402")),
            cod_bud=draw(value("00", "01")),
            id_post=draw(value("034012", "034099")),
            id_coll=draw(value("12345678200010", "98765432400011")),
            status=draw(st.sampled_from(STATUSES)),
            submitted_at=NOON + timedelta(minutes=draw(st.integers(0, 2))),
        )
        for number in range(draw(st.integers(0, 6)))
    ]


def is_possible(acquit: DgfipReturn, one: Candidate) -> bool:
    return acquit.nomfic == one.nomfic and (acquit.cod_col is None or acquit.cod_col == one.cod_col)


def agrees(acquit: DgfipReturn, one: Candidate, name: str) -> int:
    told, held = getattr(acquit, name), getattr(one, name)
    return 0 if told is None or held is None else 1 if told == held else -1


@given(ACQUITS, histories(), st.randoms(use_true_random=False))
@settings(max_examples=1500, deadline=None)
def test_two_collectivites_are_never_mixed(acquit: DgfipReturn, flows: Sequence[Candidate], shuffler: object) -> None:
    found = acquit_matches(acquit, flows)
    event("found" if found else "left to the operator")
    mixed = list(flows)
    shuffler.shuffle(mixed)  # type: ignore[attr-defined]
    assert acquit_matches(acquit, mixed) == found
    possible = [one for one in flows if is_possible(acquit, one)]
    if found is None:
        # one collectivité alone is never left to the operator
        assert len({one.authority_id for one in possible}) != 1
        return
    assert found in possible
    for other in (one for one in possible if one.authority_id != found.authority_id):
        ours = [agrees(acquit, found, name) for name in FIELDS]
        theirs = [agrees(acquit, other, name) for name in FIELDS]
        assert all(mine >= its for mine, its in zip(ours, theirs, strict=True))
        assert ours != theirs or (found.status in WAITING and other.status not in WAITING)


@given(ACQUITS, histories())
@settings(max_examples=500, deadline=None)
def test_the_double_of_the_answered_flow_in_another_collectivite_stops_everything(
    acquit: DgfipReturn, flows: Sequence[Candidate]
) -> None:
    found = acquit_matches(acquit, flows)
    if found is None:
        return
    double = Candidate(
        HeliosId(99),
        AuthorityId(9),
        found.nomfic,
        found.cod_col,
        found.cod_bud,
        found.id_post,
        found.id_coll,
        found.status,
        NOON + timedelta(days=1),
    )
    assert acquit_matches(acquit, [*flows, double]) is None


@given(ACQUITS, histories())
@settings(max_examples=500, deadline=None)
def test_within_one_collectivite_the_best_then_the_one_that_waits_then_the_newest(
    acquit: DgfipReturn, flows: Sequence[Candidate]
) -> None:
    mine = [one for one in flows if one.authority_id == 1]
    found = acquit_matches(acquit, mine)
    possible = [one for one in mine if is_possible(acquit, one)]
    assert (found is None) == (not possible)

    def rank(one: Candidate) -> tuple[object, ...]:
        fields = [agrees(acquit, one, name) for name in FIELDS]
        return (*fields, one.status in WAITING, one.status is HeliosStatus.TRANSMIS, one.submitted_at, one.id)

    if found is not None:
        assert found == max(possible, key=rank)
