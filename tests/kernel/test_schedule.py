"""Periodic work: due by the database's clock, once at a time, never lost to a fault."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.db import open_engine, transaction
from app.jobs import MAX_ATTEMPTS, Job
from app.schedule import Task, enqueue_due, list_tasks, plan, run
from tests.builders.clock import MovableClock

HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=20)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 7, 1, 0, 0, tzinfo=UTC))


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str, clock: MovableClock) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(database_url, pool_size=3, sandbox_clock=clock)
    async with transaction(opened) as connection:
        await plan(connection, {"count": HOUR})
    yield opened
    await opened.dispose()


async def queued(engine: AsyncEngine) -> list[str]:
    async with transaction(engine) as connection:
        return list(await enqueue_due(connection))


async def claim(engine: AsyncEngine) -> Job:
    async with transaction(engine) as connection:
        (job,) = await jobs.claim(connection, worker="w", lease=LEASE, limit=5)
        return job


async def task(engine: AsyncEngine) -> Task:
    async with transaction(engine) as connection:
        (found,) = await list_tasks(connection)
        return found


async def count_to_three() -> Mapping[str, int]:
    return {"counted": 3}


async def test_work_is_queued_when_it_is_due_and_not_before(engine: AsyncEngine, clock: MovableClock) -> None:
    assert await queued(engine) == ["count"]
    await run(engine, count_to_three, await claim(engine), "w")
    assert await queued(engine) == []
    clock.advance(HOUR)
    assert await queued(engine) == ["count"]


async def test_what_was_missed_is_done_once(engine: AsyncEngine, clock: MovableClock) -> None:
    clock.advance(10 * HOUR)
    assert await queued(engine) == ["count"]
    assert await queued(engine) == []
    assert (await task(engine)).next_at == clock() + HOUR


async def test_a_clock_that_is_put_back_does_not_stop_periodic_work(
    engine: AsyncEngine, clock: MovableClock
) -> None:
    clock.advance(48 * HOUR)
    await queued(engine)
    await run(engine, count_to_three, await claim(engine), "w")
    clock.advance(-48 * HOUR)
    assert await queued(engine) == ["count"]
    assert (await task(engine)).next_at == clock() + HOUR
    assert await queued(engine) == []


async def test_a_run_that_has_not_ended_is_not_joined_by_a_second(
    engine: AsyncEngine, clock: MovableClock
) -> None:
    await queued(engine)
    running = await claim(engine)
    clock.advance(HOUR)
    assert await queued(engine) == []
    await run(engine, count_to_three, running, "w")
    clock.advance(HOUR)
    assert await queued(engine) == ["count"]


async def test_two_schedulers_queue_one_run(engine: AsyncEngine) -> None:
    async with transaction(engine) as first, transaction(engine) as second:
        assert list(await enqueue_due(first)) == ["count"]
        assert list(await enqueue_due(second)) == []


async def test_an_operator_sees_when_it_ran_and_what_came_of_it(
    engine: AsyncEngine, clock: MovableClock
) -> None:
    assert (await task(engine)).ended_at is None
    await queued(engine)
    await run(engine, count_to_three, await claim(engine), "w")
    seen = await task(engine)
    assert (seen.begun_at, seen.ended_at, seen.next_at) == (clock(), clock(), clock() + HOUR)
    assert seen.result == {"counted": 3}


async def test_work_that_was_given_up_is_tried_again(engine: AsyncEngine, clock: MovableClock) -> None:
    await queued(engine)
    for _ in range(MAX_ATTEMPTS):
        failed = await claim(engine)
        async with transaction(engine) as connection:
            await jobs.give_back(connection, failed, worker="w", error="Fault", delay=timedelta(0))
    async with transaction(engine) as connection:
        assert (await jobs.backlog(connection)).stuck == 1
    clock.advance(HOUR)
    assert await queued(engine) == ["count"]
    assert (await claim(engine)).attempts == 1


async def test_planning_again_keeps_what_is_due_and_changes_how_often(
    engine: AsyncEngine, clock: MovableClock
) -> None:
    await queued(engine)
    async with transaction(engine) as connection:
        await plan(connection, {"count": 2 * HOUR})
        await plan(connection, {})
    assert (await task(engine)).every == 2 * HOUR
    assert (await task(engine)).next_at == clock() + HOUR


async def test_the_schedule_is_not_for_removing(engine: AsyncEngine) -> None:
    with pytest.raises(Exception, match="permission denied"):
        async with transaction(engine) as connection:
            await connection.execute(text("DELETE FROM schedule"))
