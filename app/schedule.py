"""Periodic work (việc định kỳ): what is done how often, queued as jobs like any other work.

A row says when a kind of work is next due, by the database's clock. Whichever worker looks first moves that
on and queues the job in one transaction; the queue takes a second one of the kind only after the first has
ended, so that there is one run at a time on all machines together.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, DateTime, Interval, Table, Text, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import jobs
from app.db import database_now, metadata, transaction
from app.jobs import Job

schedule = Table(
    "schedule",
    metadata,
    Column("name", Text, primary_key=True),
    Column("every", Interval, nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("begun_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("result", JSONB),
)

# Does the work of one run, in transactions of its own; gives what came of it, in numbers by name.
Work = Callable[[], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of periodic work, as an operator sees it.

    Attributes:
        next_at: when it is due again.
        begun_at: when the last run began; while it is later than ``ended_at`` a run has not ended.
        ended_at: when the last run that ended did so.
        result: what came of that one.
    """

    name: str
    every: timedelta
    next_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    result: Mapping[str, int] | None


async def plan(connection: AsyncConnection, tasks: Mapping[str, timedelta]) -> None:
    """Put periodic work on the schedule, due at once where it is new; how often follows the program."""
    if not tasks:
        return
    statement = upsert(schedule).values(
        [{"name": name, "every": every} for name, every in sorted(tasks.items())]
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"every": statement.excluded.every},
            where=schedule.c.every != statement.excluded.every,
        )
    )


async def enqueue_due(connection: AsyncConnection) -> Sequence[str]:
    """Queue what is due and say when it is due next; gives the names of what was queued.

    What was missed while nobody worked is done once, not as often as it was missed. What is further ahead
    than one interval was set by a clock that has been put back since, and is due, too.
    """
    due = (
        select(schedule.c.name)
        .where(
            or_(
                schedule.c.next_at <= database_now(),
                schedule.c.next_at > database_now() + schedule.c.every,
            )
        )
        .order_by(schedule.c.name)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    moved = await connection.execute(
        update(schedule)
        .where(schedule.c.name == due.c.name)
        .values(next_at=database_now() + schedule.c.every)
        .returning(schedule.c.name)
    )
    return [name for name in sorted(moved.scalars()) if await jobs.enqueue_once(connection, name)]


async def run(engine: AsyncEngine, work: Work, job: Job, worker: str) -> None:
    """Do one run of periodic work as the job of the queue that it is, and note what came of it."""
    async with transaction(engine) as connection:
        await _note(connection, job.kind, begun_at=database_now())
    result = await work()
    async with transaction(engine) as connection:
        await _note(connection, job.kind, ended_at=database_now(), result=dict(result))
        await jobs.finish(connection, job, worker=worker)


async def _note(connection: AsyncConnection, name: str, **values: object) -> None:
    await connection.execute(update(schedule).where(schedule.c.name == name).values(**values))


async def list_tasks(connection: AsyncConnection) -> Sequence[Task]:
    """Give all periodic work by name."""
    rows = await connection.execute(select(schedule).order_by(schedule.c.name))
    return [Task(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
