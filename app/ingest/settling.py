"""Queueing again what was held (tạm giữ), because something that it waits for was decided or has come in."""

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import jobs
from app.db import transaction
from app.ingest.package import JUDGE_PACKAGE, ItemState
from app.ingest.process import Bench
from app.ingest.tables import finding as finding_table
from app.ingest.tables import item, package
from app.jobs import Job, Lane
from app.verify.signers import AWAITING_REVOCATION


async def settle_held(bench: Bench, job: Job, worker: str) -> None:
    """Queue every package of a school that has held items, because something they await was decided."""
    async with transaction(bench.engine) as connection:
        await _queue_again(connection, item.c.school_id == job.school_id)
        await jobs.finish(connection, job, worker=worker)


async def settle_revocation(bench: Bench, job: Job, worker: str) -> None:
    """Queue every package of which something waits for revocation data, because some has come in."""
    is_waiting = finding_table.c.code.in_(sorted(AWAITING_REVOCATION))
    same = [
        finding_table.c[name] == item.c[name]
        for name in ("school_id", "school_year", "package_id", "position")
    ]
    async with transaction(bench.engine) as connection:
        await _queue_again(connection, exists().where(*same, is_waiting))
        await jobs.finish(connection, job, worker=worker)


async def _queue_again(connection: AsyncConnection, condition: ColumnElement[bool]) -> None:
    """Queue packages that have such held items, each once, in a lane for each school."""
    is_held = exists().where(
        item.c.school_id == package.c.school_id,
        item.c.school_year == package.c.school_year,
        item.c.package_id == package.c.package_id,
        item.c.state == ItemState.HELD,
        condition,
    )
    size = func.octet_length(package.c.payload).label("size")
    held = await connection.execute(select(package.c.school_id, package.c.package_id, size).where(is_held))
    for row in held.all():
        await jobs.enqueue_once(
            connection,
            JUDGE_PACKAGE,
            school_id=row.school_id,
            ref=row.package_id,
            lane=Lane(name=f"school:{row.school_id}"),
            size=row.size,
        )
