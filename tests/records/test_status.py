"""A record's status is read off its events, as of any moment, and off the lock that comes by itself."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from app.records.status import RecordEventKind, RecordStatus, status_of

RECORDED = datetime(2026, 6, 9, 2, 0, tzinfo=UTC)
LOCK = datetime(2026, 6, 30, 17, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def status(
    *later: tuple[RecordEventKind, datetime], as_of: datetime, locks_at: datetime | None = LOCK
) -> RecordStatus | None:
    return status_of([(RecordEventKind.RECORDED, RECORDED), *later], as_of, locks_at=locks_at)


def test_before_it_was_recorded_there_is_nothing() -> None:
    assert status(as_of=RECORDED - TICK) is None
    assert status_of([], RECORDED, locks_at=LOCK) is None


def test_it_is_issued_until_the_very_instant_of_the_lock() -> None:
    assert status(as_of=RECORDED) is RecordStatus.ISSUED
    assert status(as_of=LOCK - TICK) is RecordStatus.ISSUED
    assert status(as_of=LOCK) is RecordStatus.IN_FORCE


def test_without_a_known_lock_it_stays_issued() -> None:
    assert status(as_of=LOCK + timedelta(days=3650), locks_at=None) is RecordStatus.ISSUED


@pytest.mark.parametrize(
    ("kind", "ended"),
    [
        (RecordEventKind.RECALLED, RecordStatus.RECALLED),
        (RecordEventKind.REPLACED, RecordStatus.REPLACED),
    ],
)
@pytest.mark.parametrize("at", [LOCK - timedelta(days=1), LOCK + timedelta(days=1)])
def test_what_ends_it_weighs_more_than_the_lock(
    kind: RecordEventKind, ended: RecordStatus, at: datetime
) -> None:
    assert status((kind, at), as_of=at - TICK) is not ended
    assert status((kind, at), as_of=at) is ended
    assert status((kind, at), as_of=LOCK + timedelta(days=365)) is ended


def test_a_transfer_of_custody_changes_no_status() -> None:
    moved = (RecordEventKind.CUSTODY_TRANSFERRED, RECORDED + timedelta(days=1))
    assert status(moved, as_of=LOCK - TICK) is RecordStatus.ISSUED
    assert status(moved, as_of=LOCK) is RecordStatus.IN_FORCE


def test_the_order_in_which_events_are_read_does_not_matter() -> None:
    events = [
        (RecordEventKind.RECORDED, RECORDED),
        (RecordEventKind.CUSTODY_TRANSFERRED, RECORDED + timedelta(days=1)),
        (RecordEventKind.RECALLED, RECORDED + timedelta(days=2)),
    ]
    found = {status_of(order, LOCK, locks_at=LOCK) for order in permutations(events)}
    assert found == {RecordStatus.RECALLED}
