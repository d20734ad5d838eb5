"""What a snapshot is of: which cut-off it waits for, which records belong to it, how each stood. Pure.

Every answer depends on the ledger and the calendar alone, not on when it is asked: sealing an hour later, or
again after a crash, gives the same root.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.deadlines.calendar import GRADES, Calendar, Category, Stage
from app.deadlines.rules import Extension, Obligation, lock_at, obligation_met
from app.organisations.kinds import LEVELS
from app.organisations.legal_zone import LEGAL_ZONE
from app.records.status import RecordStatus


class SnapshotKind(StrEnum):
    """The three snapshots of a school year, in the order of their cut-offs."""

    SCHOOL_CONFIRMED = "SCHOOL_CONFIRMED"  # confirmed ones, at the schools' cut-off (30/6)
    UPSTREAM_CONFIRMED = "UPSTREAM_CONFIRMED"  # confirmed ones, at the department's (10/7)
    UPSTREAM_FINAL = "UPSTREAM_FINAL"  # all, at the final one (25/8)


_DECIDED_BY: Final = {
    SnapshotKind.SCHOOL_CONFIRMED: ((Category.CONFIRMED, Stage.SCHOOL),),
    SnapshotKind.UPSTREAM_CONFIRMED: ((Category.CONFIRMED, Stage.UPSTREAM),),
    SnapshotKind.UPSTREAM_FINAL: tuple((category, Stage.UPSTREAM) for category in Category),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A province's school year (by its first year) at one of its cut-offs; there is one snapshot of each."""

    province: str
    school_year: int
    kind: SnapshotKind

    @property
    def is_final(self) -> bool:
        """Whether it holds everything, digitised transcripts of earlier years too."""
        return self.kind is SnapshotKind.UPSTREAM_FINAL

    def cut_off(self, calendar: Calendar) -> datetime:
        """Give the instant that the snapshot waits for: the last of those that levels and grades have."""
        return max(
            calendar.deciding_row(
                school_year=self.school_year, level=level, grade=grade, category=category, stage=stage
            ).cut_off
            for level in LEVELS
            for grade in GRADES
            for category, stage in _DECIDED_BY[self.kind]
        )


def year_begins_at(school_year: int, calendar: Calendar) -> datetime:
    """Give the instant from which on what comes in counts to a school year rather than to the one before."""
    digitising = calendar.digitising
    return datetime.combine(
        date(school_year, digitising.begins_month, digitising.begins_day), time(), LEGAL_ZONE
    )


def recent_scopes(province: str, moment: datetime, calendar: Calendar) -> Iterator[Scope]:
    """Give the scopes of the present school year and the two before, in the order of their cut-offs."""
    present = calendar.digitising.at(moment)
    for school_year in range(present - 2, present + 1):
        for kind in SnapshotKind:
            yield Scope(province=province, school_year=school_year, kind=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRecord:
    """A record of the ledger with what has happened to it.

    Attributes:
        is_late: as it was judged when it was recorded.
        recalled_at: when it was recalled.
        successor_received_at: when the transcript that took its place was received.
    """

    record_id: UUID
    school_id: int
    school_code: str
    school_year: int
    content_sha256: bytes
    xml_sha256: bytes
    level: str
    grade: int
    is_completed: bool
    is_digitised: bool
    received_at: datetime
    is_late: bool
    recalled_at: datetime | None
    successor_received_at: datetime | None


class Census:
    """Says of every record whether it belongs to a snapshot, and how it stood at its cut-off.

    Extensions are those that the schools of the province were granted, by school.
    """

    def __init__(
        self, scope: Scope, calendar: Calendar, extensions: Mapping[int, Sequence[Extension]]
    ) -> None:
        self.scope = scope
        self.cut_off = scope.cut_off(calendar)
        self._calendar = calendar
        self._extensions = extensions
        self._locks: dict[Obligation, tuple[datetime, datetime]] = {}

    def status(self, held: HeldRecord) -> RecordStatus | None:
        """Give a record's status at the cut-off; None where it does not belong to the snapshot.

        What counts is what was received before the cut-off, and what happened to it until then: a recall
        decided later, or a successor received later, changes nothing of what was so at the cut-off.
        """
        if held.received_at >= self.cut_off or not self.is_due_here(held):
            return None
        if held.recalled_at is not None and held.recalled_at < self.cut_off:
            return RecordStatus.RECALLED
        if held.successor_received_at is not None and held.successor_received_at < self.cut_off:
            return RecordStatus.REPLACED
        is_locked = self._locks_at(held) <= self.cut_off
        return RecordStatus.IN_FORCE if is_locked else RecordStatus.ISSUED

    def is_due_here(self, held: HeldRecord) -> bool:
        """Say whether such a record belongs to the snapshot, had it only come before the cut-off."""
        obligation = obligation_met(held, self._calendar)
        if obligation.school_year != self.scope.school_year:
            return False
        return self.scope.is_final or obligation.category is Category.CONFIRMED

    def _locks_at(self, held: HeldRecord) -> datetime:
        """Give from when a record is locked; looked up once for all records that meet the same obligation."""
        obligation = obligation_met(held, self._calendar)
        if obligation not in self._locks:
            long_before = year_begins_at(obligation.school_year - 1, self._calendar)
            self._locks[obligation] = (
                lock_at(obligation, long_before, self._calendar),
                lock_at(obligation, self.cut_off, self._calendar),
            )
        in_time, late = self._locks[obligation]
        if held.received_at < in_time:
            return in_time
        granted = self._extensions.get(held.school_id)
        return lock_at(obligation, held.received_at, self._calendar, granted) if granted else late
