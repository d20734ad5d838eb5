"""The book of calendars (sổ lịch): a province's calendar as it stands, and its department's changes to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer
from app.audit import AuditTag, record_act
from app.db import Prepared, database_now
from app.deadlines.calendar import Calendar, CalendarRow, Category, Mode, Stage, calendar_of
from app.deadlines.changes import CutOffDraft, draft_objection, objection
from app.deadlines.tables import calendar_row, calendar_version
from app.errors import DomainError
from app.findings import Finding
from app.organisations.tree import organisation_by_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarChange:
    """One change by a department; it takes the place of all earlier ones for its school year."""

    number: int
    school_year: int
    reason: str
    made_at: datetime


_LATEST: Final = (
    select(calendar_version.c.school_year, func.max(calendar_version.c.number).label("number"))
    .where(calendar_version.c.province_code == bindparam("province"))
    .group_by(calendar_version.c.school_year)
    .subquery()
)
_OWN_ROWS: Final = Prepared(
    select(
        _LATEST.c.school_year,
        _LATEST.c.number.label("latest"),
        calendar_row,
    )
    .outerjoin(
        calendar_row,
        (calendar_row.c.province_code == bindparam("province")) & (calendar_row.c.number == _LATEST.c.number),
    )
    .order_by(_LATEST.c.number, calendar_row.c.position)
)


async def load_calendar(connection: AsyncConnection, province: str) -> Calendar:
    """Give a province's calendar: the files in force and the department's latest rows of each school year."""
    found = await _OWN_ROWS.rows(connection, province=province)
    rows = [
        CalendarRow(
            school_year=line["school_year"],
            category=Category(line["category"]),
            stage=Stage(line["stage"]),
            cut_off=line["cut_off"],
            mode=Mode(line["mode"]),
            source=line["source"],
            version=f"{province}-{line['number']}",
            province=province,
            level=line["level"],
            grade=line["grade"],
            is_own=True,
        )
        for line in found
        if line["number"] is not None
    ]
    return calendar_of(province, rows, own_version=max((line["latest"] for line in found), default=0))


async def list_changes(
    connection: AsyncConnection, province: str, school_year: int
) -> Sequence[CalendarChange]:
    """Give what a department changed for a school year, oldest first."""
    rows = await connection.execute(
        select(calendar_version)
        .where(calendar_version.c.province_code == province, calendar_version.c.school_year == school_year)
        .order_by(calendar_version.c.number)
    )
    return [
        CalendarChange(number=row.number, school_year=row.school_year, reason=row.reason, made_at=row.made_at)
        for row in rows
    ]


async def change_calendar(
    connection: AsyncConnection,
    school_year: int,
    drafts: Sequence[CutOffDraft],
    *,
    reason: str,
    now: datetime,
    officer: Officer,
) -> Calendar:
    """Set the own cut-offs of the officer's province for a school year, in the place of all set before.

    What is left out falls back to the files in force. Refuses with TH-010, TH-011 and TH-015 as
    ``changes.objection`` says by the database's moment, with TH-012 to TH-014 rows that cannot be, with
    QH-005 an officer whose organisation has no province, QH-020 where somebody else changed it meanwhile.
    """
    province = (await organisation_by_id(connection, officer.organisation_id)).province_code
    if province is None:
        raise DomainError("QH-005")
    _refuse(draft_objection(drafts))
    before = await load_calendar(connection, province)
    number = await _take_number(connection, province, school_year, reason=reason, officer=officer)
    rows = tuple(_row(draft, school_year, province, number) for draft in drafts)
    others = tuple(row for row in before.own if row.school_year != school_year)
    after = calendar_of(province, (*others, *rows), own_version=number)
    moment = (await connection.execute(select(database_now()))).scalar_one()
    _refuse(objection(before, after, school_year, moment))
    await _insert(connection, rows, province=province, number=number)
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.CALENDAR_CHANGED,
        subject=f"calendar:{province}",
        facts={"school_year": school_year, "version": number, "rows": len(rows)},
    )
    return after


def _refuse(found: Finding | None) -> None:
    if found is not None:
        raise DomainError(found.code, **found.facts)


async def _take_number(
    connection: AsyncConnection, province: str, school_year: int, *, reason: str, officer: Officer
) -> int:
    """Take the next number for a change; of two officers at once one is told that the other was first.

    It is taken before the clock is read: a sealer waits for whatever had begun to write at its cut-off, so
    that no change judged before that instant can commit after the snapshot.
    """
    last = await connection.scalar(
        select(func.max(calendar_version.c.number)).where(calendar_version.c.province_code == province)
    )
    number = int(last or 0) + 1
    taken = await connection.execute(
        upsert(calendar_version)
        .values(
            province_code=province,
            number=number,
            school_year=school_year,
            reason=reason,
            author_kind=officer.kind,
            author=officer.id,
        )
        .on_conflict_do_nothing()
        .returning(calendar_version.c.number)
    )
    if taken.one_or_none() is None:
        raise DomainError("QH-020", state=f"{province}-{number - 1}")
    return number


def _row(draft: CutOffDraft, school_year: int, province: str, number: int) -> CalendarRow:
    return CalendarRow(
        school_year=school_year,
        category=draft.category,
        stage=draft.stage,
        cut_off=draft.cut_off,
        mode=draft.mode,
        source=draft.source,
        version=f"{province}-{number}",
        province=province,
        level=draft.level,
        grade=draft.grade,
        is_own=True,
    )


async def _insert(
    connection: AsyncConnection, rows: Sequence[CalendarRow], *, province: str, number: int
) -> None:
    """Insert the rows of a change."""
    if rows:
        await connection.execute(
            insert(calendar_row),
            [
                {
                    "province_code": province,
                    "number": number,
                    "position": position,
                    "level": row.level,
                    "grade": row.grade,
                    "category": row.category,
                    "stage": row.stage,
                    "cut_off": row.cut_off,
                    "mode": row.mode,
                    "source": row.source,
                }
                for position, row in enumerate(rows, start=1)
            ],
        )
