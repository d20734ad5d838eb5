"""Which cut-off a snapshot waits for, which records belong to it, how each stood: without a database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from app.deadlines.calendar import CalendarRow, Category, Mode, Stage, calendar_of, end_of_day
from app.deadlines.rules import Extension
from app.records import RecordStatus
from app.snapshots.scopes import Census, HeldRecord, Scope, SnapshotKind, recent_scopes, year_begins_at

NATIONAL = calendar_of("66")
MICROSECOND = timedelta(microseconds=1)
JUNE = end_of_day(date(2026, 6, 30))
AUGUST = end_of_day(date(2026, 8, 25))
HELD = HeldRecord(
    record_id=UUID(int=1),
    school_id=7,
    school_code="66A0000201",
    school_year=2025,
    content_sha256=b"c" * 32,
    xml_sha256=b"x" * 32,
    level="02",
    grade=4,
    is_completed=True,
    is_digitised=False,
    received_at=datetime(2026, 6, 1, tzinfo=UTC),
    is_late=False,
    recalled_at=None,
    successor_received_at=None,
)


def scope(kind: SnapshotKind) -> Scope:
    return Scope(province="66", school_year=2025, kind=kind)


def status(
    kind: SnapshotKind, held: HeldRecord, granted: Mapping[int, Sequence[Extension]] | None = None
) -> RecordStatus | None:
    return Census(scope(kind), NATIONAL, granted or {}).status(held)


@pytest.mark.parametrize(
    ("kind", "last_day"),
    [
        (SnapshotKind.SCHOOL_CONFIRMED, date(2026, 6, 30)),
        (SnapshotKind.UPSTREAM_CONFIRMED, date(2026, 7, 10)),
        (SnapshotKind.UPSTREAM_FINAL, date(2026, 8, 25)),
    ],
)
def test_the_cut_offs_are_those_of_the_calendar(kind: SnapshotKind, last_day: date) -> None:
    assert scope(kind).cut_off(NATIONAL) == end_of_day(last_day)


def test_where_a_grade_has_its_own_the_last_cut_off_counts() -> None:
    later = CalendarRow(
        school_year=2025, category=Category.CONFIRMED, stage=Stage.SCHOOL, mode=Mode.SOFT,
        cut_off=JUNE + timedelta(days=5), source="-", version="66-1", province="66", grade=5,
    )  # fmt: skip
    earlier = replace(later, cut_off=JUNE - timedelta(days=5))
    assert scope(SnapshotKind.SCHOOL_CONFIRMED).cut_off(calendar_of("66", [later])) == later.cut_off
    assert scope(SnapshotKind.SCHOOL_CONFIRMED).cut_off(calendar_of("66", [earlier])) == JUNE


def test_the_recent_scopes_begin_with_the_oldest_and_end_with_the_present_year() -> None:
    found = list(recent_scopes("66", AUGUST, NATIONAL))
    assert [held.school_year for held in found] == [2024] * 3 + [2025] * 3 + [2026] * 3
    assert next(recent_scopes("66", AUGUST - MICROSECOND, NATIONAL)).school_year == 2023
    assert year_begins_at(2026, NATIONAL) == AUGUST


@pytest.mark.parametrize(
    ("change", "kind", "expected"),
    [
        ({}, SnapshotKind.SCHOOL_CONFIRMED, "in_force"),
        ({"received_at": JUNE - MICROSECOND}, SnapshotKind.SCHOOL_CONFIRMED, "in_force"),
        ({"received_at": JUNE}, SnapshotKind.SCHOOL_CONFIRMED, None),
        ({"received_at": JUNE, "is_late": True}, SnapshotKind.UPSTREAM_CONFIRMED, "issued"),
        ({"received_at": JUNE, "is_late": True}, SnapshotKind.UPSTREAM_FINAL, "in_force"),
        ({"received_at": AUGUST}, SnapshotKind.UPSTREAM_FINAL, None),
        ({"is_completed": False}, SnapshotKind.SCHOOL_CONFIRMED, None),
        ({"is_completed": False}, SnapshotKind.UPSTREAM_CONFIRMED, None),
        ({"is_completed": False}, SnapshotKind.UPSTREAM_FINAL, "in_force"),
        ({"school_year": 2024}, SnapshotKind.UPSTREAM_FINAL, None),
        ({"school_year": 2022, "is_digitised": True}, SnapshotKind.UPSTREAM_FINAL, "in_force"),
        ({"school_year": 2022, "is_digitised": True}, SnapshotKind.SCHOOL_CONFIRMED, None),
        ({"recalled_at": JUNE - MICROSECOND}, SnapshotKind.SCHOOL_CONFIRMED, "recalled"),
        ({"recalled_at": JUNE}, SnapshotKind.SCHOOL_CONFIRMED, "in_force"),
        ({"successor_received_at": JUNE - MICROSECOND}, SnapshotKind.SCHOOL_CONFIRMED, "replaced"),
        ({"successor_received_at": JUNE}, SnapshotKind.SCHOOL_CONFIRMED, "in_force"),
        (
            {"recalled_at": JUNE - 2 * MICROSECOND, "successor_received_at": JUNE - MICROSECOND},
            SnapshotKind.SCHOOL_CONFIRMED,
            "recalled",
        ),
    ],
)
def test_a_record_stands_as_it_did_at_the_cut_off(
    change: Mapping[str, object], kind: SnapshotKind, expected: str | None
) -> None:
    found = status(kind, replace(HELD, **change))  # type: ignore[arg-type]
    assert (None if found is None else found.value) == expected


def test_a_late_record_under_an_extension_that_lapses_later_is_not_locked_yet() -> None:
    hard = CalendarRow(
        school_year=2025, category=Category.CONFIRMED, stage=Stage.SCHOOL, mode=Mode.HARD, cut_off=JUNE,
        source="-", version="66-1", province="66",
    )  # fmt: skip
    extension = Extension(
        extension_id=UUID(int=9),
        school_year=2025,
        category=None,
        approved_at=JUNE,
        until=AUGUST + timedelta(days=9),
    )
    late = replace(HELD, received_at=JUNE + timedelta(days=1), is_late=True)
    calendar = calendar_of("66", [hard])
    granted = Census(scope(SnapshotKind.UPSTREAM_FINAL), calendar, {7: [extension]})
    others = Census(scope(SnapshotKind.UPSTREAM_FINAL), calendar, {8: [extension]})
    assert granted.status(late) is RecordStatus.ISSUED
    assert others.status(late) is RecordStatus.IN_FORCE
