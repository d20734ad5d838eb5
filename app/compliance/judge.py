"""The compliance report (báo cáo tiến độ): tallies of classes judged and summed; pure.

Every number is of pupils, each counted once, so that the columns add up: of the expected, those with a record
(accepted, less the unlisted ones) and the missing make the whole; what is exempt is expected nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final, NamedTuple

from app.compliance.causes import ClassTally, add_up
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


# What has a row for whole schools; the others have one for their classes.
_OF_SCHOOLS: Final = frozenset({GroupBy.PROVINCE, GroupBy.COMMUNE, GroupBy.SCHOOL})
COUNTED: Final = tuple(entry.name for entry in fields(Sums))
_NUMBERS: Final = attrgetter(*COUNTED)


class Place(NamedTuple):
    """What a row is of; ``grade`` and ``class_name`` only where it is of these."""

    province_code: str
    authority_code: str | None
    school_code: str | None
    grade: int | None
    class_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One row: what it is of, by code and by name, and its numbers."""

    place: Place
    name: str
    sums: Sums = field(default_factory=Sums)


class Terms(NamedTuple):
    """What a class is judged by; classes with the same terms may be added up before they are judged.

    Attributes:
        is_exempt: its pupils stay on paper.
        confirmed: whether what came in time and is confirmed is locked; beside it the unconfirmed, the late.
    """

    is_exempt: bool
    confirmed: bool
    unconfirmed: bool
    late: bool


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

    def terms(self, school: SchoolFacts, grade: int, class_name: str) -> Terms:
        """Give what a class of a school is judged by; a grade that the school cannot have locks nothing."""
        is_exempt = any(rule.covers(grade, class_name) for rule in school.paper)
        level = level_of(school.levels, grade)
        if level is None:
            return Terms(is_exempt=is_exempt, confirmed=False, unconfirmed=False, late=False)
        is_final = self.has_passed(level, grade, Category.UNCONFIRMED)
        is_extended = any(
            extension.school_year == self._year and extension.until > self._moment
            for extension in school.extensions
        )
        return Terms(
            is_exempt=is_exempt,
            confirmed=self.has_passed(level, grade, Category.CONFIRMED),
            unconfirmed=is_final,
            late=is_final and not is_extended,
        )


def level_of(levels: Iterable[str], grade: int) -> str | None:
    """Say to which of a school's levels a grade belongs; None for a grade that it does not have."""
    return next(
        (level for level in sorted(levels) if level in LEVELS and grade in LEVELS[level].grades), None
    )


def judge_tally(tally: ClassTally, terms: Terms) -> Sums:
    """Judge classes on the same terms: what is exempt is expected nowhere, what stands is in time or late."""
    is_exempt = terms.is_exempt
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
        locked=tally.confirmed_on_time * terms.confirmed
        + tally.unconfirmed_on_time * terms.unconfirmed
        + tally.late * terms.late,
        exempt=tally.expected if is_exempt else 0,
        moved_in=tally.moved_in,
        moved_out=tally.moved_out,
        unlisted=tally.unlisted,
        unreadable=tally.unreadable,
    )


def judge_school(school: SchoolFacts) -> Sums:
    """Give what only a school as a whole has, beside what its classes add up to."""
    return Sums(
        schools=1,
        schools_without_roll=not school.has_roll,
        # Without a roll nobody can be expected by name: the register's own number is all there is.
        exempt=0 if school.has_roll else sum(rule.pupils for rule in school.paper),
        pending_certificates=school.pending_certificates,
        unread_replies=school.unread_replies,
        processing_packages=school.processing_packages,
        in_snapshot=school.in_snapshot or 0,
    )


def report(
    schools: Iterable[SchoolFacts], group_by: GroupBy, locks: Mapping[str, Locks]
) -> tuple[Sequence[ReportRow], Sums]:
    """Give the rows in order of their codes, and the sum over all.

    Classes of one row that are judged alike are added up first: judging is linear, and a province has a
    hundred times as many classes as managing bodies.

    Args:
        schools: each once.
        group_by: what to have a row for.
        locks: by province.
    """
    rows: dict[Place, ReportRow] = {}
    alike: dict[tuple[Place, Terms], list[ClassTally]] = {}
    total = Sums()
    for school in schools:
        total.add(whole := judge_school(school))
        if group_by in _OF_SCHOOLS:
            _row(rows, school, group_by).sums.add(whole)
        for grade, class_name, tallies in _parts(school, group_by):
            row = _row(rows, school, group_by, grade, class_name)
            terms = locks[school.province_code].terms(school, grade, class_name)
            alike.setdefault((row.place, terms), []).extend(tallies)
    for (place, terms), tallies in alike.items():
        judged = judge_tally(add_up(tallies), terms)
        rows[place].sums.add(judged)
        total.add(judged)
    return [rows[place] for place in sorted(rows)], total


def _parts(school: SchoolFacts, group_by: GroupBy) -> Iterable[tuple[int, str, Sequence[ClassTally]]]:
    """Divide a school into grades, or into classes where a row or a paper rule is of a class."""
    if group_by is GroupBy.CLASS or any(rule.class_name is not None for rule in school.paper):
        return [(tally.grade, tally.class_name, (tally,)) for tally in school.classes]
    grades: dict[int, list[ClassTally]] = {}
    for tally in school.classes:
        grades.setdefault(tally.grade, []).append(tally)
    return [(grade, "", tallies) for grade, tallies in grades.items()]


def _row(
    rows: dict[Place, ReportRow], school: SchoolFacts, group_by: GroupBy, grade: int = 0, class_name: str = ""
) -> ReportRow:
    """Give the row that a school or a class of it belongs to; a new one where there is none yet."""
    is_of_school = group_by not in {GroupBy.PROVINCE, GroupBy.COMMUNE}
    place = Place(
        school.province_code,
        None if group_by is GroupBy.PROVINCE else school.authority_code,
        school.code if is_of_school else None,
        grade if group_by in {GroupBy.GRADE, GroupBy.CLASS} else None,
        class_name if group_by is GroupBy.CLASS else None,
    )
    if place not in rows:
        names = {GroupBy.PROVINCE: school.province_name, GroupBy.COMMUNE: school.authority_name}
        rows[place] = ReportRow(place=place, name=names.get(group_by, school.name))
    return rows[place]
