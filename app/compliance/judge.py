"""The compliance report (báo cáo tiến độ): tallies of classes judged and summed; pure.

Every number is of pupils, each counted once, so that the columns add up: of the expected, those with a record
(accepted, less the unlisted ones) and the missing make the whole; what is exempt is expected nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final

from app.compliance.causes import ClassTally
from app.deadlines.calendar import Calendar, Category, Stage
from app.deadlines.rules import Extension
from app.organisations.kinds import LEVELS


class GroupBy(StrEnum):
    """What a report has one row for."""

    PROVINCE = "province"
    COMMUNE = "commune"  # cơ quan quản lý: the commune, or the department for the schools it manages itself
    SCHOOL = "school"
    GRADE = "grade"
    CLASS = "class"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRule:
    """Who stays on paper: a whole school, a grade of it, or a class."""

    grade: int | None
    class_name: str | None
    pupils: int

    def covers(self, grade: int, class_name: str) -> bool:
        """Say whether a class is on paper by this rule."""
        return self.grade in {None, grade} and self.class_name in {None, class_name}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolFacts:
    """What is known of one school's year at a moment.

    Attributes:
        has_roll: whether an enrolment roll was there.
        pending_certificates: awaiting the authority's decision.
        unread_replies: answered packages that nobody has fetched.
        processing_packages: taken in charge, not answered yet.
        in_snapshot: records that the snapshot asked for holds; None: none was asked for.
    """

    school_id: int
    code: str
    name: str
    levels: tuple[str, ...]
    province_code: str
    province_name: str
    authority_code: str
    authority_name: str
    has_roll: bool
    classes: Sequence[ClassTally]
    paper: tuple[PaperRule, ...] = ()
    extensions: tuple[Extension, ...] = ()
    pending_certificates: int = 0
    unread_replies: int = 0
    processing_packages: int = 0
    in_snapshot: int | None = None


@dataclass(slots=True, kw_only=True)
class Sums:
    """The numbers of a row; they add up over any set of schools or classes.

    Attributes:
        kept: pupils on the roll, not exempt, whose record came in time.
    """

    schools: int = 0
    schools_without_roll: int = 0
    expected: int = 0
    received: int = 0
    accepted: int = 0
    rejected: int = 0
    held: int = 0
    recalled: int = 0
    not_sent: int = 0
    missing: int = 0
    kept: int = 0
    on_time: int = 0
    late: int = 0
    locked: int = 0
    exempt: int = 0
    moved_in: int = 0
    moved_out: int = 0
    unlisted: int = 0
    unreadable: int = 0
    pending_certificates: int = 0
    unread_replies: int = 0
    processing_packages: int = 0
    in_snapshot: int = 0

    def add(self, other: "Sums") -> None:
        """Add the numbers of a part; most of a class's are zero."""
        for name, number in zip(COUNTED, _NUMBERS(other), strict=True):
            if number:
                setattr(self, name, getattr(self, name) + number)

    @property
    def on_time_percent(self) -> float | None:
        """Share of the expected whose record came in time, in percent; None where nobody is expected."""
        return round(100 * self.kept / self.expected, 2) if self.expected else None

    @property
    def completion_percent(self) -> float | None:
        """Share of the expected who have a record, in percent; None where nobody is expected."""
        return round(100 * (self.expected - self.missing) / self.expected, 2) if self.expected else None


COUNTED: Final = tuple(entry.name for entry in fields(Sums))
_NUMBERS: Final = attrgetter(*COUNTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One row: what it is of, and its numbers; ``grade`` and ``class_name`` only where it is of these."""

    province_code: str
    authority_code: str | None = None
    school_code: str | None = None
    name: str = ""
    grade: int | None = None
    class_name: str | None = None
    sums: Sums = field(default_factory=Sums)


class Locks:
    """Says which standing records are locked at a moment, by the calendar of their province.

    A record received in time is locked at its cut-off, one taken late at the final one; one taken by an
    extension when that lapses.
    """

    def __init__(self, calendar: Calendar, school_year: int, moment: datetime) -> None:
        self._calendar, self._year, self._moment = calendar, school_year, moment
        self._passed: dict[tuple[str, int, Category], bool] = {}

    def has_passed(self, level: str, grade: int, category: Category) -> bool:
        """Say whether a cut-off of the schools lies behind the moment."""
        key = (level, grade, category)
        if key not in self._passed:
            row = self._calendar.deciding_row(
                school_year=self._year, level=level, grade=grade, category=category, stage=Stage.SCHOOL
            )
            self._passed[key] = row.cut_off <= self._moment
        return self._passed[key]

    def locked(self, school: SchoolFacts, tally: ClassTally) -> int:
        """Count the locked ones of a class."""
        level = level_of(school.levels, tally.grade)
        if not tally.accepted or level is None:
            return 0
        is_final = self.has_passed(level, tally.grade, Category.UNCONFIRMED)
        is_extended = any(
            extension.school_year == self._year and extension.until > self._moment
            for extension in school.extensions
        )
        confirmed = self.has_passed(level, tally.grade, Category.CONFIRMED)
        return (
            tally.confirmed_on_time * confirmed
            + tally.unconfirmed_on_time * is_final
            + tally.late * (is_final and not is_extended)
        )


def level_of(levels: Iterable[str], grade: int) -> str | None:
    """Say to which of a school's levels a grade belongs; None for a grade that it does not have."""
    return next(
        (level for level in sorted(levels) if level in LEVELS and grade in LEVELS[level].grades), None
    )


def judge_class(school: SchoolFacts, tally: ClassTally, locks: Locks) -> Sums:
    """Judge one class: what is exempt is expected nowhere, what stands came in time or late."""
    is_exempt = any(rule.covers(tally.grade, tally.class_name) for rule in school.paper)
    listed = tally.accepted - tally.unlisted
    return Sums(
        expected=0 if is_exempt else tally.expected,
        received=tally.accepted + tally.held + tally.recalled + tally.rejected,
        accepted=tally.accepted,
        rejected=tally.rejected,
        held=tally.held,
        recalled=tally.recalled,
        not_sent=0 if is_exempt else tally.not_sent,
        missing=0 if is_exempt else tally.expected - listed,
        kept=0 if is_exempt else tally.kept,
        on_time=tally.accepted - tally.late,
        late=tally.late,
        locked=locks.locked(school, tally),
        exempt=tally.expected if is_exempt else 0,
        moved_in=tally.moved_in,
        moved_out=tally.moved_out,
        unlisted=tally.unlisted,
        unreadable=tally.unreadable,
    )


def judge_school(school: SchoolFacts, locks: Locks) -> Sums:
    """Sum a school's classes, with what only the school as a whole has."""
    total = Sums(
        schools=1,
        schools_without_roll=not school.has_roll,
        pending_certificates=school.pending_certificates,
        unread_replies=school.unread_replies,
        processing_packages=school.processing_packages,
        in_snapshot=school.in_snapshot or 0,
    )
    for tally in school.classes:
        total.add(judge_class(school, tally, locks))
    if not school.has_roll:  # nobody can be expected by name: the register's own number is all there is
        total.exempt = sum(rule.pupils for rule in school.paper)
    return total


def report(
    schools: Iterable[SchoolFacts], group_by: GroupBy, locks: Mapping[str, Locks]
) -> tuple[Sequence[ReportRow], Sums]:
    """Give the rows in order of their codes, and the sum over all.

    Args:
        schools: each once.
        group_by: what to have a row for.
        locks: by province.
    """
    rows: dict[tuple[str, str, str, int, str], ReportRow] = {}
    total = Sums()
    for school in schools:
        own = locks[school.province_code]
        total.add(summed := judge_school(school, own))
        if group_by in {GroupBy.PROVINCE, GroupBy.COMMUNE, GroupBy.SCHOOL}:
            row = _row(school, group_by)
            rows.setdefault(_place(row), row).sums.add(summed)
            continue
        for tally in school.classes:
            row = _row(school, group_by, tally)
            rows.setdefault(_place(row), row).sums.add(judge_class(school, tally, own))
    return [rows[key] for key in sorted(rows)], total


def _place(row: ReportRow) -> tuple[str, str, str, int, str]:
    return (
        row.province_code, row.authority_code or "", row.school_code or "", row.grade or 0,
        row.class_name or "",
    )  # fmt: skip


def _row(school: SchoolFacts, group_by: GroupBy, tally: ClassTally | None = None) -> ReportRow:
    match group_by:
        case GroupBy.PROVINCE:
            return ReportRow(province_code=school.province_code, name=school.province_name)
        case GroupBy.COMMUNE:
            return ReportRow(
                province_code=school.province_code,
                authority_code=school.authority_code,
                name=school.authority_name,
            )
        case _:
            return ReportRow(
                province_code=school.province_code,
                authority_code=school.authority_code,
                school_code=school.code,
                name=school.name,
                grade=None if tally is None else tally.grade,
                class_name=tally.class_name if tally is not None and group_by is GroupBy.CLASS else None,
            )
