"""The worker: does its jobs, survives their faults, stops when told, and lets nobody do a job twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import Connection, event, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from app import jobs, worker
from app.db import open_engine, transaction
from app.jobs import LARGE_SIZE, Job, Lane, job
from app.worker import Handle, Worker, worker_name

LEASE = timedelta(seconds=20)
PATIENCE = 15


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, pool_size=4)
    yield engine
    await engine.dispose()


@asynccontextmanager
async def working(
    engine: AsyncEngine, handles: Mapping[str, Handle], *, lease: timedelta = LEASE, batch: int = 2
) -> AsyncIterator[Worker]:
    worker = Worker(engine, handles, lease=lease, batch=batch)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()


async def enqueue(engine: AsyncEngine, *kinds: str) -> None:
    async with transaction(engine) as connection:
        for kind in kinds:
            await jobs.enqueue(connection, kind)


async def left(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        return (await connection.execute(select(func.count()).select_from(job))).scalar_one()


async def until(question: Callable[[], Awaitable[bool]]) -> None:
    """Ask the database again and again: what happens there, nobody is told of."""
    while not await question():  # noqa: ASYNC110 - no event tells what happens in the database
        await asyncio.sleep(0.02)


async def until_none_is_left(engine: AsyncEngine) -> None:
    async def is_empty() -> bool:
        return await left(engine) == 0

    await until(is_empty)


async def end(engine: AsyncEngine, held: Job, worker: str) -> None:
    async with transaction(engine) as connection:
        await jobs.finish(connection, held, worker=worker)


async def test_every_job_is_done_once_by_several_workers(engine: AsyncEngine) -> None:
    done: list[int] = []

    async def handle(held: Job, worker: str) -> None:
        done.append(held.id)
        await end(engine, held, worker)

    await enqueue(engine, *["work"] * 20)
    async with working(engine, {"work": handle}), working(engine, {"work": handle}):
        await until_none_is_left(engine)
    assert len(done) == len(set(done)) == 20


async def test_a_fault_gives_the_job_back_and_its_text_is_not_logged(engine: AsyncEngine) -> None:
    async def handle(held: Job, worker: str) -> None:
        if held.attempts == 1:
            raise ValueError("Nguyễn Văn An")
        await end(engine, held, worker)

    async def is_given_back() -> bool:
        async with transaction(engine) as connection:
            return await connection.scalar(select(job.c.last_error)) == "ValueError"

    await enqueue(engine, "work")
    with capture_logs() as logs:
        async with working(engine, {"work": handle}):
            await until(is_given_back)
            async with transaction(engine) as connection:
                await connection.execute(update(job).values(run_at=func.now()))
            await until_none_is_left(engine)
    (line,) = [entry for entry in logs if entry["event"] == "job failed"]
    assert line["fault"] == "ValueError"
    assert "Nguyễn" not in str(logs)


async def test_a_full_disk_costs_a_job_no_attempt(engine: AsyncEngine) -> None:
    tries: list[int] = []

    async def handle(held: Job, worker: str) -> None:
        tries.append(held.attempts)
        if len(tries) == 3:
            await end(engine, held, worker)
            return
        async with transaction(engine) as connection:
            await connection.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$"))

    async def is_done() -> bool:
        async with transaction(engine) as connection:
            await connection.execute(update(job).where(job.c.lease_until.is_(None)).values(run_at=func.now()))
        return await left(engine) == 0

    await enqueue(engine, "work")
    async with transaction(engine) as connection:
        await connection.execute(update(job).values(attempts=jobs.MAX_ATTEMPTS - 1))
    async with working(engine, {"work": handle}):
        await until(is_done)
    assert tries == [jobs.MAX_ATTEMPTS] * 3


async def test_an_outage_that_outlasts_a_fault_costs_a_job_no_attempt(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL refuses everything, giving back too, until it has done so often enough."""
    monkeypatch.setattr(worker, "TROUBLE", timedelta(milliseconds=20))
    refusals: list[int] = []
    tries: list[int] = []

    def refuse(connection: Connection) -> None:
        if tries and len(refusals) < 10:
            refusals.append(1)
            connection.exec_driver_sql(
                "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'cannot_connect_now'; END $$"
            )

    async def handle(held: Job, worker: str) -> None:
        tries.append(held.attempts)
        await end(engine, held, worker)

    await enqueue(engine, "work")
    event.listen(engine.sync_engine, "begin", refuse)
    with capture_logs() as logs:
        async with working(engine, {"work": handle}):
            while len(tries) < 2:  # noqa: ASYNC110 - no event tells what happens in the database
                await asyncio.sleep(0.02)
    assert [entry["event"] for entry in logs].count("could not give back") > 0
    assert tries == [1, 1]
    assert await left(engine) == 0


async def test_stopping_waits_for_what_was_begun_and_takes_nothing_new(engine: AsyncEngine) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(held: Job, worker: str) -> None:
        begun.set()
        await go_on.wait()
        await end(engine, held, worker)

    await enqueue(engine, "work", "work")
    async with working(engine, {"work": handle}, batch=1) as worker:
        await begun.wait()
        worker.stop()
        go_on.set()
    assert await left(engine) == 1


async def test_a_long_job_keeps_its_lease(engine: AsyncEngine) -> None:
    done: list[str] = []
    lease = timedelta(seconds=0.6)

    async def handle(held: Job, worker: str) -> None:
        await asyncio.sleep(3 * lease.total_seconds())
        done.append(worker)
        await end(engine, held, worker)

    await enqueue(engine, "work")
    async with (
        working(engine, {"work": handle}, lease=lease) as one,
        working(engine, {"work": handle}, lease=lease) as other,
    ):
        await until_none_is_left(engine)
    assert len(done) == 1
    assert done[0] in {one.name, other.name}


async def test_a_dead_workers_job_is_done_by_another(engine: AsyncEngine) -> None:
    async def handle(held: Job, worker: str) -> None:
        assert held.attempts == 2
        await end(engine, held, worker)

    await enqueue(engine, "work")
    async with transaction(engine) as connection:
        await jobs.claim(connection, worker="dead", lease=timedelta(seconds=-1), limit=1)
    async with working(engine, {"work": handle}, lease=timedelta(seconds=0.3)):
        await until_none_is_left(engine)


def test_no_two_workers_have_one_name() -> None:
    assert len({worker_name() for _ in range(50)}) == 50


async def test_large_jobs_leave_a_place_for_a_small_one(engine: AsyncEngine) -> None:
    """Two large ones are held and do not end; a third waits, a small one that came last is done."""
    go_on, begun, small_is_done = asyncio.Event(), list[str](), asyncio.Event()

    async def large(held: Job, worker: str) -> None:
        begun.append(held.kind)
        await go_on.wait()
        await end(engine, held, worker)

    async def small(held: Job, worker: str) -> None:
        await end(engine, held, worker)
        small_is_done.set()

    async with transaction(engine) as connection:
        for _ in range(3):
            await jobs.enqueue(connection, "large", lane=Lane(name="client:a"), size=LARGE_SIZE + 1)
        await jobs.enqueue(connection, "small", lane=Lane(name="client:a"), size=1)
    async with working(engine, {"large": large, "small": small}, batch=3):
        await small_is_done.wait()
        assert begun == ["large", "large"]
        go_on.set()
        await until_none_is_left(engine)


async def test_with_one_place_a_large_job_has_it(engine: AsyncEngine) -> None:
    async def handle(held: Job, worker: str) -> None:
        await end(engine, held, worker)

    async with transaction(engine) as connection:
        await jobs.enqueue(connection, "large", size=LARGE_SIZE + 1)
    async with working(engine, {"large": handle}, batch=1):
        await until_none_is_left(engine)
