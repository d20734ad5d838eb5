"""The files in force say what their sources say; the most particular row decides."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadlines.calendar import (
    DIGITISING,
    FILES,
    Calendar,
    CalendarRow,
    Category,
    Mode,
    Precedence,
    Stage,
    calendar_of,
    end_of_day,
    read_rules,
)
from app.organisations.kinds import LEVELS

PROVINCES = [f"{number:02d}" for number in range(1, 97)]
CASES = st.fixed_dictionaries(
    {
        "school_year": st.integers(2018, 2034),
        "level": st.sampled_from(sorted(LEVELS)),
        "grade": st.integers(1, 12),
        "category": st.sampled_from(Category),
        "stage": st.sampled_from(Stage),
    }
)


def cut_off(
    province: str,
    category: Category,
    *,
    year: int = 2025,
    level: str = "03",
    grade: int = 6,
    stage: Stage = Stage.SCHOOL,
) -> str:
    row = calendar_of(province).deciding_row(
        school_year=year, level=level, grade=grade, category=category, stage=stage
    )
    return row.cut_off.isoformat()


@pytest.mark.parametrize(
    ("category", "stage", "instant"),
    [
        (Category.CONFIRMED, Stage.SCHOOL, "2026-07-01T00:00:00+07:00"),
        (Category.CONFIRMED, Stage.UPSTREAM, "2026-07-11T00:00:00+07:00"),
        (Category.UNCONFIRMED, Stage.SCHOOL, "2026-08-26T00:00:00+07:00"),
        (Category.UNCONFIRMED, Stage.UPSTREAM, "2026-08-26T00:00:00+07:00"),
        (Category.DIGITISED, Stage.SCHOOL, "2026-08-26T00:00:00+07:00"),
    ],
)
def test_the_national_cut_offs_stand_at_the_end_of_their_day(
    category: Category, stage: Stage, instant: str
) -> None:
    assert cut_off("66", category, stage=stage) == instant


def test_ninh_binh_is_earlier_in_2025_2026_alone() -> None:
    assert cut_off("37", Category.CONFIRMED) == "2026-06-26T00:00:00+07:00"
    assert cut_off("37", Category.UNCONFIRMED) == "2026-08-11T00:00:00+07:00"
    assert cut_off("37", Category.UNCONFIRMED, stage=Stage.UPSTREAM) == "2026-08-26T00:00:00+07:00"
    assert cut_off("37", Category.CONFIRMED, year=2026) == "2027-07-01T00:00:00+07:00"


def test_kien_giang_ends_the_rest_on_15_august() -> None:
    assert cut_off("91", Category.CONFIRMED) == "2026-07-01T00:00:00+07:00"
    assert cut_off("91", Category.UNCONFIRMED) == "2026-08-16T00:00:00+07:00"
    assert cut_off("91", Category.UNCONFIRMED, year=2023) == "2024-08-26T00:00:00+07:00"


def test_ho_chi_minh_city_is_earlier_for_grade_5() -> None:
    assert cut_off("79", Category.CONFIRMED, level="02", grade=5) == "2026-05-21T00:00:00+07:00"
    assert cut_off("79", Category.CONFIRMED, level="02", grade=4) == "2026-07-01T00:00:00+07:00"
    assert cut_off("79", Category.UNCONFIRMED, level="02", grade=5) == "2026-08-26T00:00:00+07:00"


@given(case=CASES, province=st.sampled_from(PROVINCES))
def test_everything_has_a_cut_off_with_a_source(case: dict[str, object], province: str) -> None:
    row = calendar_of(province).deciding_row(**case)  # type: ignore[arg-type]  # drawn by name
    assert row.source
    assert row.cut_off.utcoffset() == timedelta(hours=7)
    assert row.cut_off.astimezone(UTC).hour == 17


@pytest.mark.parametrize("year", range(2018, 2035))
@pytest.mark.parametrize("province", ["37", "66", "79", "91"])
def test_the_files_in_force_are_in_order(province: str, year: int) -> None:
    assert calendar_of(province).out_of_order(year) is None


def row(day: date, **conditions: object) -> CalendarRow:
    values: dict[str, object] = {
        "school_year": 2025,
        "category": Category.CONFIRMED,
        "stage": Stage.SCHOOL,
        "cut_off": end_of_day(day),
        "mode": Mode.SOFT,
        "source": "Quyết định thử",
        "version": "66-1",
        "province": "66",
        "is_own": True,
    }
    return CalendarRow(**{**values, **conditions})  # type: ignore[arg-type]  # given by name


def test_grade_weighs_more_than_level_and_level_more_than_any() -> None:
    rows = [
        row(date(2026, 6, 20)),
        row(date(2026, 6, 19), level="02"),
        row(date(2026, 6, 18), grade=5),
        row(date(2026, 6, 17), grade=5, level="02"),
    ]
    decided = calendar_of("66", rows).deciding(
        school_year=2025, level="02", grade=5, category=Category.CONFIRMED, stage=Stage.SCHOOL
    )
    assert [decided.row, *decided.outweighed][:4] == rows[::-1]
    assert decided.outweighed[-1].version == "national-1"
    assert decided.row.precedences == (Precedence.PROVINCE, Precedence.GRADE, Precedence.LEVEL)
    assert decided.outweighed[-1].precedences == (Precedence.NATIONAL,)


def test_a_province_weighs_more_than_a_national_row_for_the_grade() -> None:
    file = read_rules(
        'version = "trial-1"\n[[rule]]\ncategory = "CONFIRMED"\nstage = "SCHOOL"\nmonth = 5\nday = 1\n'
        'mode = "SOFT"\ngrade = 5\nsource = "x"\n'
    )
    calendar = calendar_of("66", [row(date(2026, 6, 20))], files=(*FILES, file))
    found = calendar.deciding_row(
        school_year=2025, level="02", grade=5, category=Category.CONFIRMED, stage=Stage.SCHOOL
    )
    assert found.cut_off == end_of_day(date(2026, 6, 20))


def test_the_department_overrides_the_ready_made_row_of_its_province() -> None:
    own = row(date(2026, 6, 28), province="37")
    calendar = calendar_of("37", [own], own_version=4)
    rows = calendar.rows(2025)
    assert own in rows
    assert [r.cut_off for r in rows if r.category is Category.CONFIRMED and r.stage is Stage.SCHOOL] == [
        own.cut_off,
        end_of_day(date(2026, 6, 30)),
    ]
    assert calendar.version == "national-1+provinces-1+37-4"


def test_another_year_is_untouched() -> None:
    calendar = calendar_of("66", [row(date(2026, 6, 20))])
    found = calendar.deciding_row(
        school_year=2026, level="02", grade=5, category=Category.CONFIRMED, stage=Stage.SCHOOL
    )
    assert found.cut_off == end_of_day(date(2027, 6, 30))


@pytest.mark.parametrize(
    "late",
    [
        row(date(2026, 7, 20)),  # schools after the department
        row(date(2026, 6, 30), category=Category.UNCONFIRMED, mode=Mode.HARD, grade=9, cut_off=end_of_day(
            date(2026, 6, 1))),  # the rest before the confirmed
        row(date(2026, 9, 1), category=Category.UNCONFIRMED, mode=Mode.HARD),
    ],
)  # fmt: skip
def test_cut_offs_out_of_order_are_seen(late: CalendarRow) -> None:
    assert calendar_of("66", [late]).out_of_order(2025) is not None


def test_a_final_cut_off_cannot_be_soft() -> None:
    with pytest.raises(ValueError, match="cannot be SOFT"):
        row(date(2026, 8, 25), category=Category.UNCONFIRMED)
    with pytest.raises(ValueError, match="cannot be SOFT"):
        row(date(2026, 7, 10), stage=Stage.UPSTREAM)


def test_a_cut_off_needs_its_offset() -> None:
    with pytest.raises(ValueError, match="offset"):
        replace(row(date(2026, 6, 1)), cut_off=datetime(2026, 6, 1))  # noqa: DTZ001 - what is refused


def test_a_leap_day_does_not_recur() -> None:
    with pytest.raises(ValueError):
        read_rules(
            'version = "x"\n[[rule]]\ncategory = "CONFIRMED"\nstage = "SCHOOL"\nmonth = 2\nday = 29\n'
            'mode = "SOFT"\nsource = "x"\n'
        )


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2026, 8, 25, 16, 59, 59, 999999, tzinfo=UTC), 2025),
        (datetime(2026, 8, 25, 17, 0, tzinfo=UTC), 2026),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), 2026),
        (datetime(2027, 1, 1, 0, 0, tzinfo=UTC), 2026),
    ],
)
def test_the_window_of_digitising_turns_with_the_day_of_law(moment: datetime, year: int) -> None:
    assert DIGITISING.at(moment) == year


def test_a_calendar_names_what_it_was_made_from() -> None:
    assert isinstance(calendar_of("66"), Calendar)
    assert calendar_of("66").version == "national-1+provinces-1+66-0"
    assert calendar_of("").version == "national-1+provinces-1"
