"""Asking for room: own takings count at once, others' at the next look; what has gone tells the speed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest_asyncio
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.db import open_engine, transaction
from app.ingest.admission import Admission
from app.jobs import Lane, job
from tests.builders.clock import MovableClock

NOW = datetime(2026, 6, 30, 15, 0, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, pool_size=2)
    yield engine
    await engine.dispose()


async def queue(engine: AsyncEngine, lane: str, size: int) -> None:
    async with transaction(engine) as connection:
        await jobs.enqueue(connection, "judge", lane=Lane(name=lane), size=size)


async def test_own_takings_count_before_the_next_look_and_others_after_it(engine: AsyncEngine) -> None:
    clock = MovableClock(NOW)
    admission = Admission(engine, clock, capacity=1000)
    await queue(engine, "a", 100)
    assert await admission.wait_seconds("a", 300) == 0
    assert await admission.wait_seconds("a", 300) > 0
    clock.now += timedelta(seconds=2)  # what was taken never came: it is free again
    assert await admission.wait_seconds("a", 300) == 0
    await queue(engine, "b", 800)
    assert await admission.wait_seconds("b", 10) == 0
    clock.now += timedelta(seconds=2)
    assert await admission.wait_seconds("b", 10) > 0


async def test_the_wait_follows_the_measured_speed(engine: AsyncEngine) -> None:
    clock = MovableClock(NOW)
    admission = Admission(engine, clock, capacity=1000)
    for _ in range(4):
        await queue(engine, "a", 200)
    assert await admission.speed() is None
    assert await admission.wait_seconds("a", 400) == 30
    async with transaction(engine) as connection:
        oldest = select(func.min(job.c.id)).scalar_subquery()
        await connection.execute(delete(job).where(job.c.id == oldest))
    clock.now += timedelta(seconds=20)
    assert await admission.speed() == 10
    # 600 held and 600 in all, 1000 fit: 600 too many, and alone it shrinks on both sides.
    assert await admission.wait_seconds("a", 400) == 30
    assert await admission.wait_seconds("b", 400) == 0
