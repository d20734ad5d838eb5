"""A department changes what is to come; what has passed is law."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadlines.calendar import Calendar, CalendarRow, Category, Mode, Stage, calendar_of, end_of_day
from app.deadlines.changes import CutOffDraft, draft_objection, objection
from app.deadlines.rules import Obligation, lock_at

TICK = timedelta(microseconds=1)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
CONFIRMED_END = end_of_day(date(2026, 6, 30))


def with_row(cut_off: datetime, *, grade: int | None = None, mode: Mode = Mode.SOFT) -> Calendar:
    row = CalendarRow(
        school_year=2025,
        category=Category.CONFIRMED,
        stage=Stage.SCHOOL,
        cut_off=cut_off,
        mode=mode,
        source="Quyết định thử",
        version="66-1",
        province="66",
        grade=grade,
        is_own=True,
    )
    return calendar_of("66", [row], own_version=1)


def refused(before: Calendar, after: Calendar, now: datetime) -> str | None:
    found = objection(before, after, 2025, now)
    return None if found is None else found.code


NATIONAL = calendar_of("66")
EARLIER = with_row(end_of_day(date(2026, 6, 20)))


@pytest.mark.parametrize(
    ("before", "after", "now", "code"),
    [
        (NATIONAL, EARLIER, MAY, None),
        (EARLIER, NATIONAL, MAY, None),
        (NATIONAL, with_row(CONFIRMED_END, mode=Mode.HARD), MAY, None),
        (NATIONAL, with_row(CONFIRMED_END - TICK), CONFIRMED_END - TICK, "TH-011"),
        (NATIONAL, with_row(CONFIRMED_END, mode=Mode.HARD), CONFIRMED_END, "TH-010"),
        (EARLIER, NATIONAL, end_of_day(date(2026, 6, 20)), "TH-010"),
        (EARLIER, NATIONAL, end_of_day(date(2026, 6, 20)) - TICK, None),
        (NATIONAL, EARLIER, end_of_day(date(2026, 6, 20)), "TH-011"),
        (NATIONAL, with_row(MAY - TICK, grade=5), MAY, "TH-011"),
        (NATIONAL, with_row(end_of_day(date(2026, 7, 20))), MAY, "TH-015"),
        (NATIONAL, with_row(end_of_day(date(2026, 7, 20)), grade=9), MAY, "TH-015"),
        (NATIONAL, with_row(CONFIRMED_END), CONFIRMED_END + timedelta(days=300), None),
    ],
)
def test_what_may_be_changed_when(before: Calendar, after: Calendar, now: datetime, code: str | None) -> None:
    assert refused(before, after, now) == code


@given(
    now=st.datetimes(datetime(2026, 5, 1), datetime(2026, 9, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    cut_off=st.datetimes(datetime(2026, 5, 1), datetime(2026, 9, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    grade=st.sampled_from([None, 5, 9]),
    received_at=st.datetimes(datetime(2026, 4, 1), datetime(2026, 9, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    category=st.sampled_from(Category),
)
def test_no_change_ever_moves_a_lock_that_has_passed(
    now: datetime, cut_off: datetime, grade: int | None, received_at: datetime, category: Category
) -> None:
    after = with_row(cut_off, grade=grade)
    met = Obligation(school_year=2025, level="03", grade=9, category=category)
    received_at = min(received_at, now)
    before_lock, after_lock = (lock_at(met, received_at, calendar) for calendar in (NATIONAL, after))
    if objection(NATIONAL, after, 2025, now) is None and before_lock != after_lock:
        assert before_lock > now
        assert after_lock > now


DRAFT = CutOffDraft(
    category=Category.CONFIRMED,
    stage=Stage.SCHOOL,
    cut_off=CONFIRMED_END,
    mode=Mode.SOFT,
    source="Quyết định thử",
)


@pytest.mark.parametrize(
    ("drafts", "code"),
    [
        ([], None),
        ([DRAFT, replace(DRAFT, grade=5), replace(DRAFT, level="02")], None),
        ([replace(DRAFT, category=Category.UNCONFIRMED)], "TH-012"),
        ([replace(DRAFT, category=Category.DIGITISED)], "TH-012"),
        ([replace(DRAFT, stage=Stage.UPSTREAM)], "TH-012"),
        ([replace(DRAFT, level="09")], "TH-013"),
        ([DRAFT, replace(DRAFT, cut_off=MAY)], "TH-014"),
    ],
)
def test_what_can_be_a_row(drafts: list[CutOffDraft], code: str | None) -> None:
    found = draft_objection(drafts)
    assert (None if found is None else found.code) == code
    if found is not None:
        assert "{" not in found.message_vi + found.message_en
