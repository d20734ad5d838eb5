"""Whether a transcript came in time (thời hạn), and from when it is locked (chốt). Pure.

What decides is ``received_at``, the database's time of the commit that took the package in charge, to the
microsecond, however late it is judged; nothing here depends on when the question is asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from app.deadlines.calendar import Calendar, CalendarRow, Category, Mode, Stage, in_legal_zone
from app.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What is due: transcripts of such pupils, by the cut-offs of that school year.

    Attributes:
        school_year: its first year; for digitised transcripts that of the year they are digitised in.
    """

    school_year: int
    level: str
    grade: int
    category: Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An approved extension (gia hạn) of one school; it lapses by itself.

    Attributes:
        school_year: whose obligations it extends.
        category: only these; None: all.
        approved_at: from when it can be relied on, aware.
        until: the first instant that is too late again, aware.
    """

    extension_id: UUID
    school_year: int
    category: Category | None
    approved_at: datetime
    until: datetime

    def covers(self, obligation: Obligation, received_at: datetime) -> bool:
        """Say whether it was in force for such a transcript when that was received."""
        return (
            self.school_year == obligation.school_year
            and self.category in (None, obligation.category)
            and self.approved_at <= received_at < self.until
        )


class Punctuality(StrEnum):
    """How a transcript came, measured by its cut-off."""

    ON_TIME = "on_time"
    LATE = "late"  # taken, and marked late
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeliness:
    """The judgement, with what it rests on.

    Attributes:
        row: the cut-off that the transcript kept or missed.
        final: the cut-off after which nothing is taken without an extension.
        extension: by which a transcript was taken that would have been refused.
        finding: why it was refused (TH-001, TH-002), or that it is marked late (TH-003, TH-004).
    """

    punctuality: Punctuality
    row: CalendarRow
    final: CalendarRow
    extension: Extension | None = None
    finding: Finding | None = None


def obligation_of(
    *,
    school_year: int,
    level: str,
    grade: int,
    is_completed: bool,
    is_digitised: bool,
    received_at: datetime,
    calendar: Calendar,
) -> Obligation:
    """Say which obligation a transcript meets.

    A digitised one of an earlier year counts to the window of the year it is digitised in; a transcript of a
    year that is digital from the start does not escape its cut-offs by being called digitised.
    """
    window = calendar.digitising.at(received_at)
    if is_digitised and school_year <= calendar.digitising.until_school_year and school_year < window:
        return Obligation(school_year=window, level=level, grade=grade, category=Category.DIGITISED)
    category = Category.CONFIRMED if is_completed else Category.UNCONFIRMED
    return Obligation(school_year=school_year, level=level, grade=grade, category=category)


def timeliness(
    received_at: datetime, obligation: Obligation, calendar: Calendar, extensions: Iterable[Extension] = ()
) -> Timeliness:
    """Judge when a transcript came. One received at the instant of the cut-off itself is late.

    An extension makes that a late transcript is taken; it stays marked late. Of several, the one that lasts
    longest is named.
    """
    row, final = _cut_offs(obligation, calendar)
    if received_at < row.cut_off:
        return Timeliness(punctuality=Punctuality.ON_TIME, row=row, final=final)
    if row.mode is Mode.SOFT and received_at < final.cut_off:
        late = _finding("TH-003", received_at, row, until=final.cut_off)
        return Timeliness(punctuality=Punctuality.LATE, row=row, final=final, finding=late)
    covering = [extension for extension in extensions if extension.covers(obligation, received_at)]
    if covering:
        extension = max(covering, key=lambda held: (held.until, held.extension_id))
        return Timeliness(
            punctuality=Punctuality.LATE,
            row=row,
            final=final,
            extension=extension,
            finding=_finding("TH-004", received_at, row, until=extension.until),
        )
    is_final = received_at >= final.cut_off
    refusal = _finding("TH-002", received_at, final) if is_final else _finding("TH-001", received_at, row)
    return Timeliness(punctuality=Punctuality.REFUSED, row=row, final=final, finding=refusal)


def lock_at(
    obligation: Obligation, received_at: datetime, calendar: Calendar, extensions: Iterable[Extension] = ()
) -> datetime:
    """Give the instant from which a record is law: in force, unchangeable but by an approved recall.

    One received before its cut-off is locked at it; one taken late is locked at the final cut-off, and one
    taken under an extension when that lapses, if this is later.
    """
    judged = timeliness(received_at, obligation, calendar, extensions)
    if judged.punctuality is Punctuality.ON_TIME:
        return judged.row.cut_off
    final = max(judged.row.cut_off, judged.final.cut_off)
    return final if judged.extension is None else max(final, judged.extension.until)


class Received(Protocol):
    """What of a record decides its obligation and its lock."""

    @property
    def school_year(self) -> int:
        """Its first year."""
        ...

    @property
    def level(self) -> str:
        """Cấp học."""
        ...

    @property
    def grade(self) -> int:
        """Khối lớp."""
        ...

    @property
    def is_completed(self) -> bool:
        """Whether completion of the class is confirmed."""
        ...

    @property
    def is_digitised(self) -> bool:
        """Whether it was digitised from paper."""
        ...

    @property
    def received_at(self) -> datetime:
        """When its package was taken in charge, aware."""
        ...


def obligation_met(record: Received, calendar: Calendar) -> Obligation:
    """Say which obligation a record met, by the calendar of the province that issued it."""
    return obligation_of(
        school_year=record.school_year,
        level=record.level,
        grade=record.grade,
        is_completed=record.is_completed,
        is_digitised=record.is_digitised,
        received_at=record.received_at,
        calendar=calendar,
    )


def lock_of(record: Received, calendar: Calendar, extensions: Iterable[Extension] = ()) -> datetime:
    """Give the instant from which a record is locked, by what its issuing school was granted."""
    return lock_at(obligation_met(record, calendar), record.received_at, calendar, extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what the records of one issuing school are locked, whoever manages them since.

    Attributes:
        calendar: of the school's province.
        extensions: that the school was granted.
    """

    calendar: Calendar
    extensions: tuple[Extension, ...] = ()

    def lock_of(self, record: Received) -> datetime:
        """Give the instant from which one of the school's records is locked."""
        return lock_of(record, self.calendar, self.extensions)


@lru_cache(maxsize=1024)
def _cut_offs(obligation: Obligation, calendar: Calendar) -> tuple[CalendarRow, CalendarRow]:
    """Give the obligation's own cut-off and the final one."""

    def cut_off(category: Category) -> CalendarRow:
        return calendar.deciding_row(
            school_year=obligation.school_year,
            level=obligation.level,
            grade=obligation.grade,
            category=category,
            stage=Stage.SCHOOL,
        )

    row = cut_off(obligation.category)
    is_confirmed = obligation.category is Category.CONFIRMED
    return row, cut_off(Category.UNCONFIRMED) if is_confirmed else row


def _finding(code: str, received_at: datetime, row: CalendarRow, until: datetime | None = None) -> Finding:
    facts = {"received_at": _written(received_at), "cut_off": _written(row.cut_off), "source": row.source}
    if until is not None:
        facts["until"] = _written(until)
    return Finding(code=code, facts=facts)


def _written(moment: datetime) -> str:
    """Write a moment by the law's clock, with its offset, as precisely as it decides."""
    return in_legal_zone(moment).isoformat(sep=" ")
