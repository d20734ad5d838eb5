"""How a school year came in, day by day (tiến độ theo ngày): what a chart is drawn from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Date, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import among
from app.organisations.legal_zone import LEGAL_ZONE
from app.records.status import RecordEventKind
from app.records.tables import record, record_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One legal day: records received, those of them past their cut-off, and records recalled."""

    on: date
    received: int = 0
    late: int = 0
    recalled: int = 0


async def count_days(
    connection: AsyncConnection, schools: Collection[int], school_year: int, as_of: datetime
) -> Sequence[Day]:
    """Count records of schools by the day they were received or recalled, oldest first, up to a moment."""
    received_on = cast(func.timezone(LEGAL_ZONE.utcoffset(None), record.c.received_at), Date)
    recalled_on = cast(func.timezone(LEGAL_ZONE.utcoffset(None), record_event.c.at), Date)
    received = await connection.execute(
        select(received_on, func.count(), func.count().filter(record.c.is_late))
        .where(
            among(record.c.school_id, schools),
            record.c.school_year == school_year,
            record.c.received_at <= as_of,
        )
        .group_by(received_on)
    )
    recalled = await connection.execute(
        select(recalled_on, func.count())
        .where(
            among(record_event.c.school_id, schools),
            record_event.c.school_year == school_year,
            record_event.c.kind == RecordEventKind.RECALLED,
            record_event.c.at <= as_of,
        )
        .group_by(recalled_on)
    )
    taken = {row[0]: (row[1], row[2]) for row in received}
    ended = {row[0]: row[1] for row in recalled}
    return [
        Day(
            on=on, received=taken.get(on, (0, 0))[0], late=taken.get(on, (0, 0))[1], recalled=ended.get(on, 0)
        )
        for on in sorted(taken.keys() | ended.keys())
    ]
