"""The book of calendars: versions are added, the latest of a year holds, two officers do not collide."""

import asyncio
from datetime import date, timedelta

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.audit import AuditTag, audit_event
from app.db import transaction
from app.deadlines.book import change_calendar, list_changes, load_calendar
from app.deadlines.calendar import Calendar, Category, Mode, Stage, end_of_day, in_legal_zone
from app.deadlines.changes import CutOffDraft
from app.errors import DomainError
from tests.builders.clock import MovableClock
from tests.builders.province import NOW, Province


def draft(day: int, *, month: int = 6) -> CutOffDraft:
    return CutOffDraft(
        category=Category.CONFIRMED,
        stage=Stage.SCHOOL,
        cut_off=end_of_day(date(2026, month, day)),
        mode=Mode.SOFT,
        source="Kế hoạch thử",
    )


def confirmed(calendar: Calendar, year: int = 2025) -> date:
    row = calendar.deciding_row(
        school_year=year, level="03", grade=6, category=Category.CONFIRMED, stage=Stage.SCHOOL
    )
    return (in_legal_zone(row.cut_off) - timedelta(days=1)).date()


async def change(
    connection: AsyncConnection, province: Province, *drafts: CutOffDraft, officer: str = "so66"
) -> Calendar:
    return await change_calendar(
        connection, 2025, drafts, reason="theo kế hoạch", now=NOW, officer=province.officers[officer]
    )


async def test_without_changes_the_files_hold(connection: AsyncConnection) -> None:
    calendar = await load_calendar(connection, "66")
    assert (confirmed(calendar), calendar.version) == (date(2026, 6, 30), "national-1+provinces-1+66-0")
    assert calendar.own == ()


async def test_the_latest_version_of_a_year_takes_the_place_of_all_before(
    connection: AsyncConnection, province: Province
) -> None:
    upstream = CutOffDraft(
        category=Category.CONFIRMED, stage=Stage.UPSTREAM, cut_off=end_of_day(date(2026, 7, 9)),
        mode=Mode.HARD, source="Kế hoạch thử",
    )  # fmt: skip
    await change(connection, province, draft(20), upstream)
    changed = await change(connection, province, draft(25))
    loaded = await load_calendar(connection, "66")
    assert (loaded.rules, loaded.own) == (changed.rules, changed.own)
    assert (confirmed(loaded), loaded.version) == (date(2026, 6, 25), "national-1+provinces-1+66-2")
    assert len(loaded.own) == 1
    assert confirmed(await load_calendar(connection, "37")) == date(2026, 6, 25)  # ready-made, untouched
    assert [(c.number, c.reason, c.made_at) for c in await list_changes(connection, "66", 2025)] == [
        (1, "theo kế hoạch", NOW),
        (2, "theo kế hoạch", NOW),
    ]
    assert await list_changes(connection, "66", 2024) == []


async def test_setting_nothing_falls_back_to_the_files(
    connection: AsyncConnection, province: Province
) -> None:
    await change(connection, province, draft(20))
    assert confirmed(await change(connection, province)) == date(2026, 6, 30)
    assert confirmed(await load_calendar(connection, "66")) == date(2026, 6, 30)


async def test_years_do_not_disturb_each_other(connection: AsyncConnection, province: Province) -> None:
    await change(connection, province, draft(20))
    next_year = CutOffDraft(
        category=Category.CONFIRMED, stage=Stage.SCHOOL, cut_off=end_of_day(date(2027, 6, 15)),
        mode=Mode.HARD, source="Kế hoạch thử",
    )  # fmt: skip
    calendar = await change_calendar(
        connection, 2026, [next_year], reason="x", now=NOW, officer=province.officers["so66"]
    )
    for found in (calendar, await load_calendar(connection, "66")):
        assert (confirmed(found), confirmed(found, 2026)) == (date(2026, 6, 20), date(2027, 6, 15))


async def test_the_database_s_moment_decides_what_has_passed(
    engine: AsyncEngine, province: Province, clock: MovableClock
) -> None:
    clock.now = end_of_day(date(2026, 6, 30))
    with pytest.raises(DomainError) as refused:
        async with transaction(engine) as connection:
            await change(connection, province, draft(5, month=7))
    assert refused.value.code == "TH-010"
    async with transaction(engine) as connection:
        assert (await load_calendar(connection, "66")).own == ()


async def test_a_change_begins_to_write_before_it_reads_the_clock(
    engine: AsyncEngine, province: Province
) -> None:
    """A sealer waits for whoever had begun to write at the cut-off; nobody reads the clock before that."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    async with transaction(engine) as connection:
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await change(connection, province, draft(20))
        event.remove(engine.sync_engine, "before_cursor_execute", note)
    written = next(n for n, text_ in enumerate(statements) if "INSERT INTO calendar_version" in text_)
    read = next(n for n, text_ in enumerate(statements) if text_.startswith("SELECT hocba_now()"))
    assert written < read


@pytest.mark.parametrize(
    ("drafts", "code"),
    [
        ([draft(28, month=5)], "TH-011"),
        ([draft(20, month=7)], "TH-015"),
        ([draft(20), draft(21)], "TH-014"),
    ],
)
async def test_what_cannot_be_is_refused(
    connection: AsyncConnection, province: Province, drafts: list[CutOffDraft], code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await change(connection, province, *drafts)
    assert refused.value.code == code


async def test_the_ministry_has_no_calendar_of_its_own(
    connection: AsyncConnection, province: Province
) -> None:
    with pytest.raises(DomainError) as refused:
        await change(connection, province, draft(20), officer="bogddt")
    assert refused.value.code == "QH-005"


async def test_of_two_officers_at_once_one_is_told(engine: AsyncEngine, province: Province) -> None:
    async def one(officer: str, day: int) -> str:
        try:
            async with transaction(engine) as connection:
                await change(connection, province, draft(day), officer=officer)
                await asyncio.sleep(0.05)
        except DomainError as error:
            return error.code
        return "done"

    outcomes = await asyncio.gather(one("so66", 20), one("so66b", 21))
    assert sorted(outcomes) == ["QH-020", "done"]


async def test_a_change_is_in_the_audit_log(connection: AsyncConnection, province: Province) -> None:
    await change(connection, province, draft(20))
    row = (
        await connection.execute(select(audit_event).where(audit_event.c.tag == AuditTag.CALENDAR_CHANGED))
    ).one()
    assert (row.actor_id, row.subject) == (province.officers["so66"].id, "calendar:66")
    assert row.facts == {"school_year": 2025, "version": 1, "rows": 1}


@pytest.mark.parametrize("table", ["calendar_version", "calendar_row"])
async def test_what_was_set_stays_written(
    connection: AsyncConnection, province: Province, table: str
) -> None:
    await change(connection, province, draft(20))
    with pytest.raises(DBAPIError):
        async with connection.begin_nested():
            await connection.execute(text(f"UPDATE {table} SET number = 9"))
