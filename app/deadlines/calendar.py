"""The legal calendar (lịch chốt dữ liệu): which cut-off holds for a transcript, and why. Pure.

Sources disagree on the dates, so every one is a row with its provenance: national rules and ready-made ones
of provinces are versioned files in ``calendars``, a department's own rows are handed in. Moments are aware.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from app.organisations.kinds import LEVELS
from app.organisations.legal_zone import LEGAL_ZONE

GRADES: Final = range(1, 13)


class Category(StrEnum):
    """What kind of transcript a cut-off is for."""

    CONFIRMED = "CONFIRMED"  # completion of the class confirmed (đã được xác nhận hoàn thành)
    UNCONFIRMED = "UNCONFIRMED"  # not (yet) confirmed, and late or corrected ones
    DIGITISED = "DIGITISED"  # digitised from the paper of earlier years (trích lục)


class Stage(StrEnum):
    """Whose duty a cut-off ends."""

    SCHOOL = "SCHOOL"  # school to department
    UPSTREAM = "UPSTREAM"  # department to ministry


class Mode(StrEnum):
    """What happens to a transcript that comes after the cut-off."""

    SOFT = "SOFT"  # taken until the final cut-off, and marked late
    HARD = "HARD"  # refused


class Precedence(StrEnum):
    """What made a row decide."""

    NATIONAL = "national"  # nothing more particular is there
    PROVINCE = "province"  # the province's own
    GRADE = "grade"  # for this very grade
    LEVEL = "level"  # for this very level


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRow:
    """One cut-off (mốc chốt) of one school year; a condition that is None holds for everything.

    Attributes:
        school_year: its first year.
        cut_off: the first instant that is too late, aware.
        source: where the date comes from: the law, plan or decision.
        version: of the file or of the department's calendar that the row belongs to.
        is_own: whether the department set it itself, rather than a file of ours.
    """

    school_year: int
    category: Category
    stage: Stage
    cut_off: datetime
    mode: Mode
    source: str
    version: str
    province: str | None = None
    level: str | None = None
    grade: int | None = None
    is_own: bool = False

    def __post_init__(self) -> None:
        if self.cut_off.tzinfo is None:
            raise ValueError("a cut-off is an instant: it needs its offset")
        if self.mode is Mode.SOFT and not may_be_soft(self.category, self.stage):
            raise ValueError(f"{self.category} at stage {self.stage} is final and cannot be SOFT")

    @property
    def rank(self) -> tuple[bool, bool, bool, bool]:
        """How particular the row is: province before grade before level; the department's own wins a tie."""
        return self.province is not None, self.grade is not None, self.level is not None, self.is_own

    @property
    def precedences(self) -> tuple[Precedence, ...]:
        """In what the row is particular, weightiest first."""
        named = zip(self.rank, (Precedence.PROVINCE, Precedence.GRADE, Precedence.LEVEL), strict=False)
        return tuple(reason for holds, reason in named if holds) or (Precedence.NATIONAL,)

    def speaks_of(self, *, level: str, grade: int, category: Category, stage: Stage) -> bool:
        """Say whether the row's conditions hold for such transcripts (of its province and school year)."""
        return (
            self.category is category
            and self.stage is stage
            and self.level in (None, level)
            and self.grade in (None, grade)
        )


def may_be_soft(category: Category, stage: Stage) -> bool:
    """Say whether something comes after this cut-off, so that late transcripts can be taken."""
    return category is Category.CONFIRMED and stage is Stage.SCHOOL


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRule:
    """A cut-off that recurs every school year: at the end of a day of the year in which it ends."""

    category: Category
    stage: Stage
    month: int
    day: int
    mode: Mode
    source: str
    version: str
    province: str | None = None
    level: str | None = None
    grade: int | None = None
    from_school_year: int | None = None
    until_school_year: int | None = None

    def holds(self, province: str, school_year: int) -> bool:
        """Say whether the rule has a row in that province and school year."""
        return (
            self.province in (None, province)
            and (self.from_school_year is None or self.from_school_year <= school_year)
            and (self.until_school_year is None or school_year <= self.until_school_year)
        )

    def row(self, school_year: int) -> CalendarRow:
        """Give the rule's row in a school year, by the school year's first year."""
        return CalendarRow(
            school_year=school_year,
            category=self.category,
            stage=self.stage,
            cut_off=end_of_day(date(school_year + 1, self.month, self.day)),
            mode=self.mode,
            source=self.source,
            version=self.version,
            province=self.province,
            level=self.level,
            grade=self.grade,
        )


def end_of_day(day: date) -> datetime:
    """Give the first instant after a day of law: 00:00 of the next, Asia/Ho_Chi_Minh."""
    return datetime.combine(day + timedelta(days=1), time(), LEGAL_ZONE)


def in_legal_zone(moment: datetime) -> datetime:
    """Give the same moment as the law's clock shows it (+07:00)."""
    return moment.astimezone(LEGAL_ZONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitisingYear:
    """To which year's window a digitised transcript counts.

    Attributes:
        until_school_year: last school year (by its first year) whose transcripts may be digitised.
        begins_month: with ``begins_day`` the day from which on the window is the one ending next year.
    """

    until_school_year: int
    begins_month: int
    begins_day: int

    def at(self, moment: datetime) -> int:
        """Give the first year of the school year in whose window something digitised at a moment falls."""
        day = in_legal_zone(moment).date()
        return day.year if (day.month, day.day) >= (self.begins_month, self.begins_day) else day.year - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFile:
    """One version of a file of rules."""

    version: str
    rules: tuple[CalendarRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """The row that decides, and what else spoke of the same transcripts, most particular first."""

    row: CalendarRow
    outweighed: tuple[CalendarRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calendar:
    """Every cut-off of one province, in all school years.

    Compared by identity, so that it can key caches.

    Attributes:
        version: names the files and the department's version that it was made from.
        own: the department's own rows, at most one for the same conditions.
    """

    province: str
    version: str
    digitising: DigitisingYear
    rules: tuple[CalendarRule, ...]
    own: tuple[CalendarRow, ...] = ()

    def rows(self, school_year: int) -> tuple[CalendarRow, ...]:
        """Give the rows of a school year, most particular first; one overridden by its equal is left out."""
        return _rows(self, school_year)

    def deciding(
        self, *, school_year: int, level: str, grade: int, category: Category, stage: Stage
    ) -> Deciding:
        """Give the row that decides for such transcripts: the most particular one that speaks of them."""
        row, *others = (
            row
            for row in self.rows(school_year)
            if row.speaks_of(level=level, grade=grade, category=category, stage=stage)
        )
        return Deciding(row=row, outweighed=tuple(others))

    def deciding_row(
        self, *, school_year: int, level: str, grade: int, category: Category, stage: Stage
    ) -> CalendarRow:
        """Give the row that decides for such transcripts, without the explanation."""
        return self.deciding(
            school_year=school_year, level=level, grade=grade, category=category, stage=stage
        ).row

    def out_of_order(self, school_year: int) -> CalendarRow | None:
        """Give a row that ends after one that must not end before it; None where all is in order.

        Confirmed ones are due no later than the rest, and schools no later than the department.
        """
        for level in LEVELS:
            for grade in GRADES:
                cut = {
                    (category, stage): self.deciding_row(
                        school_year=school_year, level=level, grade=grade, category=category, stage=stage
                    )
                    for category in Category
                    for stage in Stage
                }
                for first, then in _ORDER:
                    if cut[first].cut_off > cut[then].cut_off:
                        return cut[first]
        return None


@lru_cache(maxsize=1024)
def _rows(calendar: Calendar, school_year: int) -> tuple[CalendarRow, ...]:
    """Give what ``Calendar.rows`` does; who asks for one transcript after another asks for the same year."""
    recurring = (
        rule.row(school_year) for rule in calendar.rules if rule.holds(calendar.province, school_year)
    )
    own = (row for row in calendar.own if row.school_year == school_year)
    rows = {(row.province, row.level, row.grade, row.category, row.stage): row for row in (*recurring, *own)}
    return tuple(sorted(rows.values(), key=lambda row: row.rank, reverse=True))


_ORDER: Final = (
    *(((category, Stage.SCHOOL), (category, Stage.UPSTREAM)) for category in Category),
    ((Category.CONFIRMED, Stage.SCHOOL), (Category.UNCONFIRMED, Stage.SCHOOL)),
)


def read_rules(toml: str) -> CalendarFile:
    """Read one file of rules.

    Raises:
        ValueError: a day that is not in every year, or a row that may not be as it is.
    """
    data: dict[str, Any] = tomllib.loads(toml)
    rules = tuple(_rule(entry, data["version"]) for entry in data["rule"])
    for rule in rules:
        rule.row(2025)  # a common year: 29/2 is no recurring cut-off
    return CalendarFile(version=data["version"], rules=rules)


def _rule(entry: dict[str, Any], version: str) -> CalendarRule:
    kinds = {
        "category": Category(entry["category"]),
        "stage": Stage(entry["stage"]),
        "mode": Mode(entry["mode"]),
    }
    return CalendarRule(**{**entry, **kinds, "version": version})


def read_digitising(toml: str) -> DigitisingYear:
    """Read from the national file to which year's window a digitised transcript counts."""
    table: dict[str, int] = tomllib.loads(toml)["digitised"]
    return DigitisingYear(
        until_school_year=table["until_school_year"],
        begins_month=table["year_begins_month"],
        begins_day=table["year_begins_day"],
    )


def calendar_of(
    province: str,
    own: Sequence[CalendarRow] = (),
    *,
    own_version: int = 0,
    files: Iterable[CalendarFile] = (),
) -> Calendar:
    """Put a province's calendar together from the files in force and the department's own rows.

    Args:
        province: 2 digits; empty: the whole country.
        own: the department's rows, later ones over earlier ones.
        own_version: number of the department's latest change; 0 where it changed nothing.
        files: other files than those in force.
    """
    read = tuple(files) or FILES
    return Calendar(
        province=province,
        version="+".join(
            [*(file.version for file in read), *([f"{province}-{own_version}"] if province else [])]
        ),
        digitising=DIGITISING,
        rules=tuple(rule for file in read for rule in file.rules),
        own=tuple(own),
    )


_FOLDER: Final = Path(__file__).with_name("calendars")
_NATIONAL: Final = _FOLDER.joinpath("national-1.toml").read_text("utf-8")
DIGITISING: Final = read_digitising(_NATIONAL)
FILES: Final = (read_rules(_NATIONAL), read_rules(_FOLDER.joinpath("provinces-1.toml").read_text("utf-8")))
"""The rules in force, national first."""
