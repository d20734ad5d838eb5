"""The compliance report's arithmetic: every pupil once, columns that add up, locks by the calendar."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.compliance.causes import ClassTally
from app.compliance.judge import GroupBy, Locks, PaperRule, SchoolFacts, Sums, level_of, report
from app.deadlines.calendar import calendar_of
from app.deadlines.rules import Extension

BEFORE = datetime(2026, 6, 30, 16, 59, tzinfo=UTC)  # a minute before the schools' cut-off, 30/6 end of day
CUT_OFF = datetime(2026, 6, 30, 17, 0, tzinfo=UTC)
FINAL = datetime(2026, 8, 25, 17, 0, tzinfo=UTC)

# 30 expected: 20 in time (2 unconfirmed), 3 late, 2 held, 1 recalled, 2 rejected, 3 not sent; one not listed.
TALLY = ClassTally(
    grade=4,
    class_name="4A",
    expected=30,
    moved_in=1,
    moved_out=2,
    confirmed_on_time=18,
    unconfirmed_on_time=2,
    confirmed_late=3,
    held=2,
    recalled=1,
    rejected=2,
    not_sent=3,
    unlisted=1,
)


def locks(moment: datetime) -> Locks:
    return Locks(calendar_of("66"), 2025, moment)


def school(*classes: ClassTally, code: str = "66A0000201", **more: Any) -> SchoolFacts:
    facts: dict[str, Any] = {
        "school_id": 1,
        "code": code,
        "name": "Trường Tiểu học",
        "levels": ("02",),
        "province_code": "66",
        "province_name": "Sở GDĐT Đắk Lắk",
        "authority_code": "24133",
        "authority_name": "UBND phường Tân Lập",
        "has_roll": True,
        "classes": classes,
        **more,
    }
    return SchoolFacts(**facts)


def sums_of(facts: SchoolFacts, moment: datetime = BEFORE) -> Sums:
    """The school's numbers, which are the same however they are grouped."""
    found = [report([facts], group_by, {"66": locks(moment)}) for group_by in GroupBy]
    for _, total in found:
        assert total == found[0][1]
    assert found[0][0][0].sums == found[0][1]
    return found[0][1]


def test_the_columns_of_a_class_add_up() -> None:
    sums = sums_of(school(TALLY))
    assert (sums.expected, sums.received, sums.accepted, sums.missing) == (30, 28, 23, 8)
    assert sums.expected == sums.accepted - sums.unlisted + sums.missing
    assert sums.missing == sums.held + sums.recalled + sums.rejected + sums.not_sent
    assert (sums.on_time, sums.late, sums.kept) == (20, 3, 19)
    assert (sums.on_time_percent, sums.completion_percent) == (63.33, 73.33)


@pytest.mark.parametrize(
    ("moment", "locked"), [(BEFORE, 0), (CUT_OFF, 18), (FINAL.replace(hour=16), 18), (FINAL, 23)]
)
def test_records_are_locked_from_their_own_instant_on(moment: datetime, locked: int) -> None:
    assert sums_of(school(TALLY), moment).locked == locked


def test_late_ones_of_an_extended_school_lock_when_the_extension_ends() -> None:
    granted = Extension(
        extension_id=UUID(int=1),
        school_year=2025,
        category=None,
        approved_at=CUT_OFF,
        until=datetime(2026, 9, 5, tzinfo=UTC),
    )
    extended = school(TALLY, extensions=(granted,))
    assert sums_of(extended, FINAL).locked == 20
    assert sums_of(extended, granted.until).locked == 23


@pytest.mark.parametrize(
    ("rule", "exempt"),
    [
        (PaperRule(grade=None, class_name=None, pupils=30), 30),
        (PaperRule(grade=4, class_name=None, pupils=30), 30),
        (PaperRule(grade=4, class_name="4A", pupils=30), 30),
        (PaperRule(grade=4, class_name="4B", pupils=30), 0),
        (PaperRule(grade=5, class_name=None, pupils=30), 0),
    ],
)
def test_who_stays_on_paper_is_expected_nowhere(rule: PaperRule, exempt: int) -> None:
    sums = sums_of(school(TALLY, paper=(rule,)))
    assert sums.exempt == exempt
    assert (sums.expected, sums.missing) == ((0, 0) if exempt else (30, 8))
    assert (sums.on_time_percent is None) == bool(exempt)


def test_a_school_without_a_roll_expects_nobody_and_says_so() -> None:
    unlisted = ClassTally(grade=4, class_name="4A", confirmed_on_time=5, unlisted=5)
    paper = (PaperRule(grade=None, class_name=None, pupils=12),)
    sums = sums_of(school(unlisted, has_roll=False, paper=paper))
    assert (sums.schools, sums.schools_without_roll) == (1, 1)
    assert (sums.expected, sums.accepted, sums.missing, sums.exempt) == (0, 5, 0, 12)
    assert sums.on_time_percent is None


def test_rows_are_one_a_group_in_order_and_their_sum_is_the_total() -> None:
    other = ClassTally(grade=4, class_name="4B", expected=10, confirmed_on_time=10)
    fifth = ClassTally(grade=5, class_name="5A", expected=10, not_sent=10)
    schools = [
        school(TALLY, other, fifth, unread_replies=2),
        school(other, code="66A0000101", school_id=2, authority_code="24154", authority_name="UBND xã"),
    ]
    found = {
        group: [
            (*row.place[1:], row.sums.expected) for row in report(schools, group, {"66": locks(BEFORE)})[0]
        ]
        for group in GroupBy
    }
    assert found[GroupBy.PROVINCE] == [(None, None, None, None, 60)]
    assert found[GroupBy.COMMUNE] == [("24133", None, None, None, 50), ("24154", None, None, None, 10)]
    assert found[GroupBy.SCHOOL] == [
        ("24133", "66A0000201", None, None, 50),
        ("24154", "66A0000101", None, None, 10),
    ]
    assert found[GroupBy.GRADE] == [
        ("24133", "66A0000201", 4, None, 40),
        ("24133", "66A0000201", 5, None, 10),
        ("24154", "66A0000101", 4, None, 10),
    ]
    assert [row[3:] for row in found[GroupBy.CLASS]] == [("4A", 30), ("4B", 10), ("5A", 10), ("4B", 10)]
    for group in GroupBy:
        rows, total = report(schools, group, {"66": locks(BEFORE)})
        assert sum(row.sums.missing for row in rows) == total.missing == 18
    assert report(schools, GroupBy.SCHOOL, {"66": locks(BEFORE)})[1].unread_replies == 2


@pytest.mark.parametrize(
    ("levels", "grade", "level"),
    [
        (("02",), 5, "02"),
        (("03", "04"), 9, "03"),
        (("03", "04"), 10, "04"),
        (("05",), 7, "05"),
        (("02",), 6, None),
    ],
)
def test_a_grade_belongs_to_one_level_of_its_school(
    levels: tuple[str, ...], grade: int, level: str | None
) -> None:
    assert level_of(levels, grade) == level
