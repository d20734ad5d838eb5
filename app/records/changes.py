"""How often what is known of a school's year has changed, and when last.

By this whoever keeps counts sees whether theirs are old, and of which moments they still speak.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, Integer, SmallInteger, Table, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Prepared, database_now, metadata

school_change = Table(
    "school_change",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("changes", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
)

_NOTE: Final = Prepared(
    upsert(school_change)
    .values(changes=1)
    .on_conflict_do_update(
        index_elements=["school_id", "school_year"],
        set_={
            "changes": school_change.c.changes + 1,
            "changed_at": func.greatest(school_change.c.changed_at, database_now()),
        },
    ),
    "school_id",
    "school_year",
)


async def note_changes(connection: AsyncConnection, schools: Iterable[tuple[int, int]]) -> None:
    """Count a change of each (school, first year of the school year), in the transaction that makes it.

    Rows are taken in one order, after everything else that the transaction waits for.
    """
    for school_id, school_year in sorted(set(schools)):
        await _NOTE.count(connection, school_id=school_id, school_year=school_year)


async def hold_changes(connection: AsyncConnection, schools: Iterable[tuple[int, int]]) -> None:
    """Wait in one order for what a transaction is going to note in more than one go."""
    await connection.execute(
        select(school_change.c.changes)
        .where(tuple_(school_change.c.school_id, school_change.c.school_year).in_(sorted(set(schools))))
        .order_by(school_change.c.school_id, school_change.c.school_year)
        .with_for_update()
    )
