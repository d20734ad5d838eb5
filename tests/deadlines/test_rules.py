"""In time or not, locked from when: to the microsecond, whatever the calendar."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadlines.calendar import Calendar, CalendarRow, Category, Mode, Stage, calendar_of, end_of_day
from app.deadlines.rules import (
    Extension,
    Obligation,
    Punctuality,
    Timeliness,
    lock_at,
    obligation_of,
    timeliness,
)
from app.organisations.kinds import LEVELS

CONFIRMED_END = datetime(2026, 6, 30, 17, tzinfo=UTC)
FINAL_END = datetime(2026, 8, 25, 17, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NATIONAL = calendar_of("66")
HARD = calendar_of(
    "66",
    [
        CalendarRow(
            school_year=2025,
            category=Category.CONFIRMED,
            stage=Stage.SCHOOL,
            cut_off=end_of_day(date(2026, 6, 20)),
            mode=Mode.HARD,
            source="Quyết định thử",
            version="66-1",
            province="66",
            is_own=True,
        )
    ],
    own_version=1,
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
OBLIGATIONS = st.builds(
    Obligation,
    school_year=st.just(2025),
    level=st.sampled_from(sorted(LEVELS)),
    grade=st.integers(1, 12),
    category=st.sampled_from(Category),
)
CALENDARS = st.sampled_from([NATIONAL, HARD, calendar_of("37"), calendar_of("79"), calendar_of("91")])
SEVERITY = {Punctuality.ON_TIME: 0, Punctuality.LATE: 1, Punctuality.REFUSED: 2}


def obligation(category: Category = Category.CONFIRMED, grade: int = 6) -> Obligation:
    return Obligation(school_year=2025, level="03", grade=grade, category=category)


def extension(
    until: datetime,
    *,
    approved_at: datetime = FINAL_END,
    category: Category | None = None,
    school_year: int = 2025,
    number: int = 1,
) -> Extension:
    return Extension(
        extension_id=UUID(int=number),
        school_year=school_year,
        category=category,
        approved_at=approved_at,
        until=until,
    )


def code(judged: Timeliness) -> str | None:
    return None if judged.finding is None else judged.finding.code


@pytest.mark.parametrize(
    ("category", "calendar", "received_at", "punctuality", "found"),
    [
        (Category.CONFIRMED, NATIONAL, CONFIRMED_END - TICK, Punctuality.ON_TIME, None),
        (Category.CONFIRMED, NATIONAL, CONFIRMED_END, Punctuality.LATE, "TH-003"),
        (Category.CONFIRMED, NATIONAL, FINAL_END - TICK, Punctuality.LATE, "TH-003"),
        (Category.CONFIRMED, NATIONAL, FINAL_END, Punctuality.REFUSED, "TH-002"),
        (Category.UNCONFIRMED, NATIONAL, FINAL_END - TICK, Punctuality.ON_TIME, None),
        (Category.UNCONFIRMED, NATIONAL, FINAL_END, Punctuality.REFUSED, "TH-002"),
        (Category.DIGITISED, NATIONAL, FINAL_END - TICK, Punctuality.ON_TIME, None),
        (Category.DIGITISED, NATIONAL, FINAL_END, Punctuality.REFUSED, "TH-002"),
        (Category.CONFIRMED, HARD, end_of_day(date(2026, 6, 20)) - TICK, Punctuality.ON_TIME, None),
        (Category.CONFIRMED, HARD, end_of_day(date(2026, 6, 20)), Punctuality.REFUSED, "TH-001"),
        (Category.CONFIRMED, HARD, FINAL_END, Punctuality.REFUSED, "TH-002"),
    ],
)
def test_the_instant_itself_is_late(
    category: Category,
    calendar: Calendar,
    received_at: datetime,
    punctuality: Punctuality,
    found: str | None,
) -> None:
    judged = timeliness(received_at, obligation(category), calendar)
    assert (judged.punctuality, code(judged)) == (punctuality, found)


def test_a_finding_says_when_what_and_by_which_source() -> None:
    judged = timeliness(CONFIRMED_END + TICK, obligation(), NATIONAL)
    assert judged.finding is not None
    assert judged.finding.facts == {
        "received_at": "2026-07-01 00:00:00.000001+07:00",
        "cut_off": "2026-07-01 00:00:00+07:00",
        "until": "2026-08-26 00:00:00+07:00",
        "source": judged.row.source,
    }
    assert "2026-08-26" in judged.finding.message_vi
    assert "2026-08-26" in judged.finding.message_en


def test_an_extension_takes_what_would_be_refused_and_lapses_by_itself() -> None:
    until = FINAL_END + timedelta(days=5)
    held = extension(until)
    for received_at, punctuality, found in (
        (FINAL_END, Punctuality.LATE, "TH-004"),
        (until - TICK, Punctuality.LATE, "TH-004"),
        (until, Punctuality.REFUSED, "TH-002"),
    ):
        judged = timeliness(received_at, obligation(), NATIONAL, [held])
        assert (judged.punctuality, code(judged)) == (punctuality, found)
        assert judged.extension == (held if punctuality is Punctuality.LATE else None)


def test_an_extension_holds_where_late_ones_are_refused() -> None:
    start = end_of_day(date(2026, 6, 20))
    held = extension(start + timedelta(days=1), approved_at=start - timedelta(days=1))
    assert timeliness(start, obligation(), HARD, [held]).extension == held


@pytest.mark.parametrize(
    "held",
    [
        extension(FINAL_END + timedelta(days=9), approved_at=FINAL_END + 2 * TICK),
        extension(FINAL_END + TICK),
        extension(FINAL_END + timedelta(days=9), category=Category.UNCONFIRMED),
        extension(FINAL_END + timedelta(days=9), school_year=2024),
    ],
    ids=["approved afterwards", "lapsed", "of another category", "of another year"],
)
def test_an_extension_that_does_not_cover_changes_nothing(held: Extension) -> None:
    assert code(timeliness(FINAL_END + TICK, obligation(), NATIONAL, [held])) == "TH-002"


def test_of_several_extensions_the_longest_is_named() -> None:
    short = extension(FINAL_END + timedelta(days=1), number=9)
    long = extension(FINAL_END + timedelta(days=2), number=1)
    assert timeliness(FINAL_END, obligation(), NATIONAL, [long, short]).extension == long


def test_what_comes_on_time_needs_no_extension() -> None:
    held = extension(FINAL_END, approved_at=CONFIRMED_END - timedelta(days=30))
    judged = timeliness(CONFIRMED_END - TICK, obligation(), NATIONAL, [held])
    assert (judged.punctuality, judged.extension) == (Punctuality.ON_TIME, None)


@pytest.mark.parametrize(
    ("category", "received_at", "locked_at"),
    [
        (Category.CONFIRMED, CONFIRMED_END - TICK, CONFIRMED_END),
        (Category.CONFIRMED, CONFIRMED_END, FINAL_END),
        (Category.CONFIRMED, FINAL_END + timedelta(days=3), FINAL_END),
        (Category.UNCONFIRMED, CONFIRMED_END - TICK, FINAL_END),
        (Category.DIGITISED, CONFIRMED_END - TICK, FINAL_END),
    ],
)
def test_the_lock(category: Category, received_at: datetime, locked_at: datetime) -> None:
    assert lock_at(obligation(category), received_at, NATIONAL) == locked_at


@pytest.mark.parametrize(
    ("received_at", "until", "locked_at"),
    [
        (CONFIRMED_END - TICK, FINAL_END + timedelta(days=9), CONFIRMED_END),
        (CONFIRMED_END, FINAL_END + timedelta(days=9), FINAL_END),
        (FINAL_END, FINAL_END + timedelta(days=9), FINAL_END + timedelta(days=9)),
        (FINAL_END, FINAL_END, FINAL_END),
    ],
    ids=["on time", "late all the same", "let in", "not let in"],
)
def test_only_what_an_extension_let_in_is_locked_with_it(
    received_at: datetime, until: datetime, locked_at: datetime
) -> None:
    held = extension(until, approved_at=CONFIRMED_END - timedelta(days=1))
    assert lock_at(obligation(), received_at, NATIONAL, [held]) == locked_at


def test_what_an_extension_let_in_before_the_final_cut_off_is_locked_at_it() -> None:
    start = end_of_day(date(2026, 6, 20))
    held = extension(start + timedelta(days=1), approved_at=start)
    assert lock_at(obligation(), start, HARD, [held]) == FINAL_END


@pytest.mark.parametrize(
    ("year", "is_completed", "is_digitised", "expected"),
    [
        (2025, True, False, (Category.CONFIRMED, 2025)),
        (2025, False, False, (Category.UNCONFIRMED, 2025)),
        (2021, True, True, (Category.DIGITISED, 2025)),
        (2024, False, True, (Category.DIGITISED, 2025)),
        (2024, True, False, (Category.CONFIRMED, 2024)),
        (2025, True, True, (Category.CONFIRMED, 2025)),
        (2026, True, True, (Category.CONFIRMED, 2026)),
    ],
)
def test_which_obligation_a_transcript_meets(
    *, year: int, is_completed: bool, is_digitised: bool, expected: tuple[Category, int]
) -> None:
    met = obligation_of(
        school_year=year,
        level="03",
        grade=6,
        is_completed=is_completed,
        is_digitised=is_digitised,
        received_at=CONFIRMED_END,
        calendar=NATIONAL,
    )
    assert (met.category, met.school_year) == expected


def test_digitising_does_not_escape_the_final_cut_off_of_a_digital_year() -> None:
    received_at = FINAL_END + timedelta(days=90)
    met = obligation_of(
        school_year=2025,
        level="03",
        grade=6,
        is_completed=True,
        is_digitised=True,
        received_at=received_at,
        calendar=NATIONAL,
    )
    assert code(timeliness(received_at, met, NATIONAL)) == "TH-002"


@given(obligation=OBLIGATIONS, calendar=CALENDARS, earlier=MOMENTS, later=MOMENTS)
def test_coming_later_is_never_better(
    obligation: Obligation, calendar: Calendar, earlier: datetime, later: datetime
) -> None:
    earlier, later = sorted((earlier, later))
    first, second = (timeliness(moment, obligation, calendar) for moment in (earlier, later))
    assert SEVERITY[first.punctuality] <= SEVERITY[second.punctuality]
    assert lock_at(obligation, earlier, calendar) <= lock_at(obligation, later, calendar)


@given(obligation=OBLIGATIONS, calendar=CALENDARS, offset=st.integers(-3, 3))
def test_the_judgement_turns_exactly_at_the_cut_off(
    obligation: Obligation, calendar: Calendar, offset: int
) -> None:
    cut_off = timeliness(datetime(2026, 1, 1, tzinfo=UTC), obligation, calendar).row.cut_off
    received_at = cut_off + offset * TICK
    judged = timeliness(received_at, obligation, calendar)
    assert (judged.punctuality is Punctuality.ON_TIME) == (offset < 0)
    assert (judged.finding is None) == (offset < 0)
    assert (lock_at(obligation, received_at, calendar) == cut_off) == (
        offset < 0 or judged.final.cut_off == cut_off
    )


@given(obligation=OBLIGATIONS, calendar=CALENDARS, received_at=MOMENTS, until=MOMENTS, approved_at=MOMENTS)
def test_an_extension_never_makes_worse_and_never_reaches_beyond_itself(
    obligation: Obligation,
    calendar: Calendar,
    received_at: datetime,
    until: datetime,
    approved_at: datetime,
) -> None:
    without = timeliness(received_at, obligation, calendar)
    judged = timeliness(received_at, obligation, calendar, [extension(until, approved_at=approved_at)])
    covers = approved_at <= received_at < until
    if without.punctuality is Punctuality.REFUSED and covers:
        assert (judged.punctuality, code(judged)) == (Punctuality.LATE, "TH-004")
    else:
        assert judged == without


@given(obligation=OBLIGATIONS, calendar=CALENDARS, received_at=MOMENTS)
def test_what_is_taken_without_an_extension_was_not_locked_when_it_came(
    obligation: Obligation, calendar: Calendar, received_at: datetime
) -> None:
    judged = timeliness(received_at, obligation, calendar)
    is_open = received_at < lock_at(obligation, received_at, calendar)
    assert is_open or judged.punctuality is Punctuality.REFUSED


@given(
    obligation=OBLIGATIONS,
    calendar=CALENDARS,
    received_at=MOMENTS,
    until=MOMENTS,
    approved_at=MOMENTS,
    granted_later=MOMENTS,
)
def test_a_later_extension_moves_no_lock(
    *,
    obligation: Obligation,
    calendar: Calendar,
    received_at: datetime,
    until: datetime,
    approved_at: datetime,
    granted_later: datetime,
) -> None:
    first = extension(until, approved_at=approved_at)
    later = extension(
        granted_later + timedelta(days=30), approved_at=max(granted_later, received_at + TICK), number=2
    )
    before = lock_at(obligation, received_at, calendar, [first])
    assert lock_at(obligation, received_at, calendar, [first, later]) == before


@given(obligation=OBLIGATIONS, calendar=CALENDARS, received_at=MOMENTS, until=MOMENTS, approved_at=MOMENTS)
def test_whatever_is_taken_was_not_locked_when_it_came(
    obligation: Obligation,
    calendar: Calendar,
    received_at: datetime,
    until: datetime,
    approved_at: datetime,
) -> None:
    held = [extension(until, approved_at=approved_at)]
    if timeliness(received_at, obligation, calendar, held).punctuality is not Punctuality.REFUSED:
        assert received_at < lock_at(obligation, received_at, calendar, held)
