"""What a department may change in its calendar. Pure.

A cut-off that has passed is law: records are locked by it, snapshots are sealed over it. So a change may
touch only cut-offs still to come, and put none into the past; who is late asks for an extension.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.deadlines.calendar import GRADES, Calendar, CalendarRow, Category, Mode, Stage, may_be_soft
from app.findings import Finding, finding
from app.organisations.kinds import LEVELS


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffDraft:
    """One cut-off as a department asks for it; ``cut_off`` is the first instant that is too late, aware."""

    category: Category
    stage: Stage
    cut_off: datetime
    mode: Mode
    source: str
    level: str | None = None
    grade: int | None = None


def draft_objection(drafts: Sequence[CutOffDraft]) -> Finding | None:
    """Say why drafts cannot be rows: TH-012 a final one that is SOFT, TH-013 unknown level, TH-014 a twin."""
    seen = set()
    for draft in drafts:
        conditions = (draft.category, draft.stage, draft.level, draft.grade)
        facts = {"category": str(draft.category), "stage": str(draft.stage)}
        if draft.mode is Mode.SOFT and not may_be_soft(draft.category, draft.stage):
            return Finding(code="TH-012", facts=facts)
        if draft.level is not None and draft.level not in LEVELS:
            return finding("TH-013", level=draft.level)
        if conditions in seen:
            return Finding(code="TH-014", facts=facts)
        seen.add(conditions)
    return None


def objection(before: Calendar, after: Calendar, school_year: int, now: datetime) -> Finding | None:
    """Say why a calendar may not take the place of another now; None: it may.

    TH-010: it changes a cut-off that has passed. TH-011: it puts one into the past. TH-015: a cut-off would
    come after one that must not come before it.

    Args:
        before: what holds now.
        after: what would hold.
        school_year: the only one in which they differ, by its first year.
        now: the database's moment, aware.
    """
    for old, new in _changed(before, after, school_year):
        if old.cut_off <= now:
            return finding("TH-010", cut_off=old.cut_off.isoformat(), source=old.source)
        if new.cut_off <= now:
            return finding("TH-011", cut_off=new.cut_off.isoformat(), now=now.isoformat())
    misplaced = after.out_of_order(school_year)
    if misplaced is not None:
        return finding(
            "TH-015",
            cut_off=misplaced.cut_off.isoformat(),
            category=misplaced.category,
            stage=misplaced.stage,
        )
    return None


def _changed(
    before: Calendar, after: Calendar, school_year: int
) -> Iterator[tuple[CalendarRow, CalendarRow]]:
    """Give old and new row wherever what decides for some transcripts would change."""
    for level in LEVELS:
        for grade in GRADES:
            for category in Category:
                for stage in Stage:
                    old, new = (
                        calendar.deciding_row(
                            school_year=school_year, level=level, grade=grade, category=category, stage=stage
                        )
                        for calendar in (before, after)
                    )
                    if (old.cut_off, old.mode) != (new.cut_off, new.mode):
                        yield old, new
