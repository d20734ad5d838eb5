"""Reading a province's ledger in the order of the look-up codes, with what has happened to each record."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Select, Uuid, and_, cast, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.deadlines.calendar import Calendar
from app.organisations.tables import organisation
from app.records.status import RecordEventKind
from app.records.tables import record, record_event
from app.snapshots.scopes import HeldRecord, Scope, year_begins_at

BATCH: Final = 4000


async def held_records(
    connection: AsyncConnection, scope: Scope, calendar: Calendar, *conditions: ColumnElement[bool]
) -> AsyncGenerator[Sequence[HeldRecord]]:
    """Give the records that may belong to a snapshot, in batches, by look-up code.

    What belongs is for ``Census`` to say; this only leaves out what cannot. Memory does not grow with the
    ledger: rows come through a cursor.
    """
    statement = _statement(scope, calendar).where(*conditions)
    rows = await connection.stream(statement, execution_options={"yield_per": BATCH})
    async for batch in rows.partitions(BATCH):
        yield [HeldRecord(**row._mapping) for row in batch]  # noqa: SLF001 - SQLAlchemy's documented way


def _statement(scope: Scope, calendar: Calendar) -> Select[tuple[object, ...]]:
    event = record_event.c

    def is_kind(kind: RecordEventKind) -> ColumnElement[bool]:
        return event.kind == kind

    history = (
        select(
            func.min(event.at).filter(event.kind == RecordEventKind.RECALLED).label("recalled_at"),
            func.min(event.facts["by"].astext)
            .filter(event.kind == RecordEventKind.REPLACED)
            .label("successor"),
        )
        .where(
            event.school_id == record.c.school_id,
            event.school_year == record.c.school_year,
            event.record_id == record.c.record_id,
        )
        .lateral("history")
    )
    later = record.alias("later")
    successor_received_at = (
        select(later.c.received_at)
        .where(
            later.c.record_id == cast(history.c.successor, Uuid),
            later.c.school_year == record.c.school_year,
        )
        .scalar_subquery()
    )
    own = [name for name in HeldRecord.__dataclass_fields__ if name in record.c]
    return (
        select(
            *(record.c[name] for name in own),
            organisation.c.code.label("school_code"),
            history.c.recalled_at,
            successor_received_at.label("successor_received_at"),
        )
        .join(organisation, organisation.c.id == record.c.school_id)
        .join(history, true())
        .where(organisation.c.province_code == scope.province, _may_belong(scope, calendar))
        .order_by(record.c.record_id)
    )


def _may_belong(scope: Scope, calendar: Calendar) -> ColumnElement[bool]:
    of_year = record.c.school_year == scope.school_year
    if not scope.is_final:
        return and_(of_year, record.c.is_completed)
    digitised_in_year = and_(
        record.c.is_digitised,
        record.c.school_year < scope.school_year,
        record.c.received_at >= year_begins_at(scope.school_year, calendar),
        record.c.received_at < year_begins_at(scope.school_year + 1, calendar),
    )
    return or_(of_year, digitised_in_year)
