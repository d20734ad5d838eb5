"""The queue: claimed by one worker at a time, taken over when its lease ends, ended exactly once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.db import open_engine, transaction
from app.jobs import FIXED_SIZE, LARGE_SIZE, MAX_ATTEMPTS, Backlog, Job, Lane, LaneLoad, LeaseLostError, job

LEASE = timedelta(seconds=20)
ENDED = timedelta(seconds=-1)
REF = UUID("018f0000-0000-7000-8000-000000000001")


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The service's own connections."""
    engine = open_engine(database_url, pool_size=3)
    yield engine
    await engine.dispose()


async def enqueue(engine: AsyncEngine, count: int = 1) -> None:
    async with transaction(engine) as connection:
        for number in range(count):
            await jobs.enqueue(connection, "judge", school_id=7, ref=REF, payload={"number": number})


async def claim(engine: AsyncEngine, worker: str, *, lease: timedelta = LEASE, limit: int = 10) -> list[Job]:
    async with transaction(engine) as connection:
        return list(await jobs.claim(connection, worker=worker, lease=lease, limit=limit))


async def reclaim(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        return await jobs.reclaim(connection)


async def backlog(engine: AsyncEngine) -> Backlog:
    async with transaction(engine) as connection:
        return await jobs.backlog(connection)


async def give_back(
    engine: AsyncEngine, held: Job, worker: str, *, delay: timedelta = timedelta(0), error: str = "OSError"
) -> None:
    async with transaction(engine) as connection:
        await jobs.give_back(connection, held, worker=worker, error=error, delay=delay)


async def test_a_job_exists_exactly_if_its_transaction_commits(engine: AsyncEngine) -> None:
    async def enqueue_and_fail() -> None:
        async with transaction(engine) as connection:
            await jobs.enqueue(connection, "judge")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await enqueue_and_fail()
    assert await claim(engine, "a") == []


async def test_a_claim_gives_what_was_put_in_oldest_first(engine: AsyncEngine) -> None:
    await enqueue(engine, 3)
    first = await claim(engine, "a", limit=2)
    assert [held.payload for held in first] == [{"number": 0}, {"number": 1}]
    assert {(held.kind, held.school_id, held.ref, held.attempts) for held in first} == {("judge", 7, REF, 1)}


async def test_two_workers_at_once_claim_different_jobs(engine: AsyncEngine) -> None:
    await enqueue(engine, 5)
    async with transaction(engine) as one, transaction(engine) as other:
        mine = await jobs.claim(one, worker="a", lease=LEASE, limit=3)
        theirs = await jobs.claim(other, worker="b", lease=LEASE, limit=3)
    assert len(mine) == 3
    assert len(theirs) == 2
    assert not {held.id for held in mine} & {held.id for held in theirs}


async def test_a_held_job_is_nobody_elses(engine: AsyncEngine) -> None:
    await enqueue(engine)
    assert len(await claim(engine, "a")) == 1
    assert await claim(engine, "b") == []
    assert await reclaim(engine) == 0


async def test_a_finished_job_is_gone(engine: AsyncEngine) -> None:
    await enqueue(engine)
    (held,) = await claim(engine, "a")
    async with transaction(engine) as connection:
        await jobs.finish(connection, held, worker="a")
    assert await backlog(engine) == Backlog(waiting=0, leased=0, stuck=0, oldest_seconds=0.0)


async def test_what_a_dead_worker_held_is_taken_over(engine: AsyncEngine) -> None:
    await enqueue(engine)
    await claim(engine, "dead", lease=ENDED)
    assert await claim(engine, "b") == []
    assert await reclaim(engine) == 1
    (taken,) = await claim(engine, "b")
    assert taken.attempts == 2


async def test_a_renewed_lease_does_not_end(engine: AsyncEngine) -> None:
    await enqueue(engine)
    held = await claim(engine, "a", lease=ENDED)
    async with transaction(engine) as connection:
        await jobs.renew(connection, held, worker="a", lease=LEASE)
    assert await reclaim(engine) == 0


async def test_who_lost_a_job_cannot_renew_it(engine: AsyncEngine) -> None:
    await enqueue(engine)
    lost = await claim(engine, "slow", lease=ENDED)
    await reclaim(engine)
    await claim(engine, "b", lease=ENDED)
    async with transaction(engine) as connection:
        await jobs.renew(connection, lost, worker="slow", lease=LEASE)
    assert await reclaim(engine) == 1


@pytest.mark.parametrize("taker", ["b", "slow"])
async def test_a_late_finish_is_refused_and_undoes_its_results(engine: AsyncEngine, taker: str) -> None:
    """Even a worker that took its own lost job again may not end it with the first attempt's results."""
    await enqueue(engine)
    (lost,) = await claim(engine, "slow", lease=ENDED)
    await reclaim(engine)
    (taken,) = await claim(engine, taker)

    async def finish_late() -> None:
        async with transaction(engine) as connection:
            await jobs.enqueue(connection, "result")
            await jobs.finish(connection, lost, worker="slow")

    with pytest.raises(LeaseLostError):
        await finish_late()
    async with transaction(engine) as connection:
        await jobs.finish(connection, taken, worker=taker)
        assert (await connection.execute(select(job.c.kind))).all() == []


async def test_a_late_give_back_changes_nothing(engine: AsyncEngine) -> None:
    await enqueue(engine)
    (lost,) = await claim(engine, "slow", lease=ENDED)
    await reclaim(engine)
    await claim(engine, "b")
    await give_back(engine, lost, "slow")
    assert (await backlog(engine)).leased == 1


async def test_what_is_given_back_waits_its_time(engine: AsyncEngine) -> None:
    await enqueue(engine, 2)
    soon, later = await claim(engine, "a")
    await give_back(engine, later, "a", delay=timedelta(hours=1))
    await give_back(engine, soon, "a", error="ConnectionError")
    assert [held.id for held in await claim(engine, "b")] == [soon.id]
    async with transaction(engine) as connection:
        kept = await connection.execute(select(job.c.last_error).where(job.c.id == soon.id))
        assert kept.scalar_one() == "ConnectionError"


async def test_the_last_attempt_leaves_a_job_dead_until_it_is_revived(engine: AsyncEngine) -> None:
    await enqueue(engine)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert (await backlog(engine)).stuck == 0
        (held,) = await claim(engine, "a")
        assert held.attempts == attempt
        await give_back(engine, held, "a")
    assert (await backlog(engine)).stuck == 1
    assert await claim(engine, "a") == []
    async with transaction(engine) as connection:
        assert await jobs.revive(connection) == 1
    (again,) = await claim(engine, "a")
    assert again.attempts == 1


async def test_a_job_that_kills_its_workers_dies_too(engine: AsyncEngine) -> None:
    await enqueue(engine)
    for _ in range(MAX_ATTEMPTS):
        await claim(engine, "dead", lease=ENDED)
        await reclaim(engine)
    assert await backlog(engine) == Backlog(waiting=0, leased=0, stuck=1, oldest_seconds=0.0)


async def test_the_backlog_tells_how_long_the_oldest_waits(engine: AsyncEngine) -> None:
    await enqueue(engine, 3)
    (held,) = await claim(engine, "a", limit=1)
    async with transaction(engine) as connection:
        await connection.execute(
            update(job).where(job.c.id != held.id).values(run_at=job.c.run_at - timedelta(seconds=90))
        )
    found = await backlog(engine)
    assert (found.waiting, found.leased, found.stuck) == (2, 1, 0)
    assert 90 <= found.oldest_seconds < 150


FLOOD, OTHER = Lane(name="client:flood"), Lane(name="client:other")


async def queue(engine: AsyncEngine, lane: Lane | None, *names: str, size: int = FIXED_SIZE) -> None:
    """Queue jobs one after another, as a sender does."""
    for name in names:
        async with transaction(engine) as connection:
            await jobs.enqueue(connection, name, lane=lane, size=size)


async def order(engine: AsyncEngine) -> list[str]:
    """Claim and end one job after another; gives their kinds in that order."""
    kinds = []
    while held := await claim(engine, "a", limit=1):
        kinds.append(held[0].kind)
        async with transaction(engine) as connection:
            await jobs.finish(connection, held[0], worker="a")
    return kinds


async def test_a_flood_delays_another_lane_by_one_job(engine: AsyncEngine) -> None:
    await queue(engine, FLOOD, "f1", "f2", "f3", "f4")
    await queue(engine, OTHER, "o1", "o2")
    assert await order(engine) == ["f1", "o1", "f2", "o2", "f3", "f4"]


async def test_a_lane_that_sends_one_at_a_time_is_as_fair_to_the_flood(engine: AsyncEngine) -> None:
    """Its next job comes after one of the flood's, however often it comes back: nobody starves."""
    await queue(engine, FLOOD, "f1", "f2", "f3")
    done = []
    for name in ("o1", "o2"):
        await queue(engine, OTHER, name)
        for _ in range(2):
            (held,) = await claim(engine, "a", limit=1)
            done.append(held.kind)
            async with transaction(engine) as connection:
                await jobs.finish(connection, held, worker="a")
    assert done == ["f1", "o1", "f2", "o2"]
    assert await order(engine) == ["f3"]


async def test_lanes_share_by_size(engine: AsyncEngine) -> None:
    """Three small ones weigh as much as a large one, with what each costs besides its bytes."""
    await queue(engine, FLOOD, "large1", "large2", size=5 * FIXED_SIZE)
    await queue(engine, OTHER, "s1", "s2", "s3", "s4", size=FIXED_SIZE)
    assert await order(engine) == ["large1", "s1", "s2", "s3", "large2", "s4"]


async def test_a_lane_of_more_weight_has_more_of_the_turns(engine: AsyncEngine) -> None:
    await queue(engine, Lane(name="client:thousand schools", weight=2), "w1", "w2", "w3", "w4")
    await queue(engine, OTHER, "o1", "o2")
    assert await order(engine) == ["w1", "o1", "w2", "w3", "o2", "w4"]


async def test_a_lane_is_not_punished_for_what_was_done_before(engine: AsyncEngine) -> None:
    await queue(engine, FLOOD, *["early"] * 5)
    assert await order(engine) == ["early"] * 5
    await queue(engine, FLOOD, "f1", "f2")
    await queue(engine, OTHER, "o1", "o2")
    assert await order(engine) == ["f1", "o1", "f2", "o2"]


async def test_a_newcomer_starts_where_the_work_has_come_to(engine: AsyncEngine) -> None:
    """While all that is left is being worked on, too: otherwise it would be owed the past."""
    await queue(engine, FLOOD, "f1", "f2", "f3")
    held = await claim(engine, "slow", limit=3)
    assert len(held) == 3
    await queue(engine, OTHER, "o1", "o2", "o3")
    await queue(engine, FLOOD, "f4")
    assert await order(engine) == ["o1", "o2", "f4", "o3"]


async def test_the_services_own_jobs_go_first(engine: AsyncEngine) -> None:
    await queue(engine, FLOOD, "f1")
    await queue(engine, None, "periodic")
    assert await order(engine) == ["periodic", "f1"]


async def test_a_job_that_waits_for_its_next_attempt_holds_nobody_up(engine: AsyncEngine) -> None:
    await queue(engine, FLOOD, "f1", "f2", "f3")
    (failed,) = await claim(engine, "a", limit=1)
    await give_back(engine, failed, "a", delay=timedelta(hours=1))
    await queue(engine, OTHER, "o1")
    assert await order(engine) == ["f2", "o1", "f3"]


async def test_large_jobs_may_be_left_out(engine: AsyncEngine) -> None:
    await queue(engine, FLOOD, "large", size=LARGE_SIZE + 1)
    await queue(engine, OTHER, "small", size=LARGE_SIZE)
    async with transaction(engine) as connection:
        (small,) = await jobs.claim(connection, worker="a", lease=LEASE, limit=5, largest=LARGE_SIZE)
    assert (small.kind, small.is_large) == ("small", False)
    (large,) = await claim(engine, "a")
    assert (large.kind, large.is_large) == ("large", True)


async def test_the_load_of_each_lane_is_told_with_what_an_earlier_look_saw(engine: AsyncEngine) -> None:
    await queue(engine, FLOOD, "f1", size=100)
    await queue(engine, None, "own", size=5)
    async with transaction(engine) as connection:
        first = await jobs.lane_loads(connection, seen=0)
    newest = first[FLOOD.name].newest
    assert first == {FLOOD.name: LaneLoad(size=100, older=0, newest=newest)}
    await queue(engine, FLOOD, "f2", size=30)
    await queue(engine, OTHER, "o1", size=7)
    async with transaction(engine) as connection:
        again = await jobs.lane_loads(connection, seen=newest)
    assert {name: (load.size, load.older) for name, load in again.items()} == {
        FLOOD.name: (130, 100),
        OTHER.name: (7, 0),
    }
    assert (await backlog(engine)).size == 142
