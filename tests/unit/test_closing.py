"""The end of a collectivité: dates, what is refused, what an export is worth."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tdt.domain import closing
from tdt.domain.closing import Closing
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId

TODAY = date(2026, 11, 26)
OPEN = Closing(AuthorityId(1), "Ville", "123456782", None, None, None, None, None, False, None, None)
CLOSED = replace(OPEN, closes_on=TODAY)
INSTANT = datetime(2026, 11, 26, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("closes_on", "closed"), [(None, False), (date(2026, 11, 25), True), (TODAY, True), (date(2026, 11, 27), False)]
)
def test_it_is_closed_from_its_day_on(closes_on: date | None, closed: bool) -> None:
    assert replace(OPEN, closes_on=closes_on).is_closed(TODAY) is closed


@pytest.mark.parametrize(
    ("current", "on", "purges_on", "words"),
    [
        (OPEN, date(2026, 11, 25), None, closing.IN_THE_PAST),
        (OPEN, TODAY, TODAY, closing.PURGE_TOO_EARLY),
        (CLOSED, date(2026, 12, 1), None, "La collectivité est fermée depuis le 26/11/2026"),
        (replace(CLOSED, purge_started_at=INSTANT), TODAY, None, closing.PURGE_STARTED),
        (replace(CLOSED, purge_started_at=INSTANT, purged_at=INSTANT), TODAY, None, closing.PURGED),
    ],
)
def test_what_cannot_be_closed(current: Closing, on: date, purges_on: date | None, words: str) -> None:
    with pytest.raises(Refused) as refusal:
        closing.check_close(current, on, purges_on, TODAY)
    assert refusal.value.message.startswith(words)


def test_a_date_that_has_not_come_may_change() -> None:
    closing.check_close(OPEN, TODAY, date(2026, 11, 27), TODAY)
    closing.check_close(replace(OPEN, closes_on=date(2027, 1, 1)), date(2027, 2, 1), None, TODAY)


def test_what_cannot_be_reopened_or_purged() -> None:
    closing.check_reopen(CLOSED)
    closing.check_purge_date(CLOSED, None, TODAY)
    closing.check_purge_date(CLOSED, date(2026, 11, 27), TODAY)
    for refused, words in (
        (OPEN, closing.NOT_CLOSING),
        (replace(CLOSED, purge_started_at=INSTANT), closing.PURGE_STARTED),
        (replace(CLOSED, purge_started_at=INSTANT, purged_at=INSTANT), closing.PURGED),
    ):
        with pytest.raises(Refused) as reopening:
            closing.check_reopen(refused)
        with pytest.raises(Refused) as purging:
            closing.check_purge_date(refused, date(2027, 1, 1), TODAY)
        assert (reopening.value.message, purging.value.message) == (words, words)
    for day in (TODAY, date(2026, 11, 25)):
        with pytest.raises(Refused) as early:
            closing.check_purge_date(CLOSED, day, TODAY)
        assert early.value.message == closing.PURGE_TOO_EARLY


def test_an_export_made_before_the_closing_does_not_count() -> None:
    assert not closing.is_export_valid(CLOSED)
    assert not closing.is_export_valid(replace(OPEN, exported_at=INSTANT))
    # 23:30 in Paris the day before, then midnight
    assert not closing.is_export_valid(replace(CLOSED, exported_at=datetime(2026, 11, 25, 22, 30, tzinfo=UTC)))
    assert closing.is_export_valid(replace(CLOSED, exported_at=datetime(2026, 11, 25, 23, 0, tzinfo=UTC)))


def test_what_holds_a_purge_up() -> None:
    exported = replace(CLOSED, exported_at=INSTANT, export_counts={"content": 2})
    done, now = closing.Waiting(0, 0), {"content": 2}
    assert closing.purge_obstacle(exported, now, done) == ""
    assert closing.purge_obstacle(CLOSED, now, done) == closing.NOT_EXPORTED
    assert closing.purge_obstacle(exported, now, closing.Waiting(3, 1)) == closing.UNFINISHED.format(3)
    assert closing.purge_obstacle(exported, now, closing.Waiting(0, 1)) == closing.UNANSWERED.format(1)
    assert closing.purge_obstacle(exported, {"content": 3}, done) == closing.OUTRUN
    given_up = replace(exported, purges_unanswered=True)
    assert closing.purge_obstacle(given_up, now, closing.Waiting(0, 1)) == ""
    assert closing.purge_obstacle(given_up, now, closing.Waiting(1, 1)) == closing.UNFINISHED.format(1)
