"""The worker: claims jobs by lease, does them, and survives its own death.

Any number run at once, beside the API or alone, on any number of machines; they share nothing but the queue.
A job's results and its removal from the queue commit together, so a killed worker leaves it to be done again
when its lease ends, never half done and never twice.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs, schedule
from app.db import is_out_of_service, transaction
from app.jobs import LARGE_SIZE, Job, LeaseLostError
from app.logs import where

IDLE: Final = timedelta(milliseconds=200)
TROUBLE: Final = timedelta(seconds=2)
LONGEST_DELAY: Final = timedelta(minutes=5)

log = structlog.get_logger()

# What does one kind of job: opens its own transactions and ends the job (jobs.finish) in the last of them.
Handle = Callable[[Job, str], Awaitable[None]]


def worker_name() -> str:
    """Give a name that no other living worker has."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


class Worker:
    """One worker of a process; ``run`` ends when ``stop`` was called and its jobs are done."""

    def __init__(
        self, engine: AsyncEngine, handles: Mapping[str, Handle], *, lease: timedelta, batch: int
    ) -> None:
        self._engine = engine
        self._handles = handles
        self._lease = lease
        self._batch = batch
        self._stopping = asyncio.Event()
        self._held: dict[int, Job] = {}
        self.name = worker_name()

    def stop(self) -> None:
        """Take no further jobs."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until told to stop; a database that is away is waited for."""
        async with asyncio.TaskGroup() as group:
            heartbeat = group.create_task(self._keep_leases())
            running: set[asyncio.Task[None]] = set()
            while not self._stopping.is_set():
                for job in await self._take(self._batch - len(running)):
                    self._held[job.id] = job
                    running.add(group.create_task(self._do(job)))
                if running:
                    _, running = await asyncio.wait(
                        running, timeout=IDLE.total_seconds(), return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await self._rest(IDLE)
            if running:
                await asyncio.wait(running)
            heartbeat.cancel()

    async def _rest(self, time: timedelta) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), time.total_seconds())

    async def _take(self, free: int) -> list[Job]:
        """Fill the free places in turn; of several, the last is kept for what is not large."""
        large = max(1, self._batch - 1) - sum(job.is_large for job in self._held.values())
        taken = await self._claim(min(free, large)) if free and large > 0 else []
        if len(taken) < free and len(taken) == max(0, min(free, large)):
            taken += await self._claim(free - len(taken), largest=LARGE_SIZE)
        return taken

    async def _claim(self, limit: int, *, largest: int | None = None) -> list[Job]:
        try:
            async with transaction(self._engine) as connection:
                return list(
                    await jobs.claim(
                        connection, worker=self.name, lease=self._lease, limit=limit, largest=largest
                    )
                )
        except Exception as error:  # noqa: BLE001 - whatever keeps us from the queue, we wait and ask again
            log.warning("queue out of reach", fault=type(error).__name__)
            await self._rest(TROUBLE)
            return []

    async def _do(self, job: Job) -> None:
        """Do one job; a fault gives it back to be tried again later, longer each time."""
        try:
            await self._handles[job.kind](job, self.name)
        except LeaseLostError:
            log.warning("lease lost", job=job.id, kind=job.kind)
        except Exception as error:  # noqa: BLE001 - no fault of one job may end the worker
            log.error(  # noqa: TRY400 - by kind and place: an exception's text may quote a row
                "job failed", job=job.id, kind=job.kind, fault=type(error).__name__, where=where(error)
            )
            await self._give_back(job, error)
        finally:
            del self._held[job.id]

    async def _give_back(self, job: Job, fault: Exception) -> None:
        """Give a job back, and go on trying while the database is away: its lease is kept meanwhile.

        A lease that was left to end would count as an attempt, and put the job off for longer each time.
        """
        is_outage = is_out_of_service(fault)
        delay = TROUBLE if is_outage else min(LONGEST_DELAY, timedelta(seconds=2**job.attempts))
        while True:
            try:
                async with transaction(self._engine) as connection:
                    await jobs.give_back(
                        connection,
                        job,
                        worker=self.name,
                        error=type(fault).__name__,
                        delay=delay,
                        is_counted=not is_outage,
                    )
            except Exception as error:  # noqa: BLE001 - the lease ends by itself
                log.warning("could not give back", job=job.id, fault=type(error).__name__)
                if self._stopping.is_set() or not is_out_of_service(error):
                    return
                await self._rest(TROUBLE)
            else:
                return

    async def _keep_leases(self) -> None:
        """Renew what is held, free what dead workers held, queue periodic work: three times a lease."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                async with transaction(self._engine) as connection:
                    await jobs.renew(
                        connection, list(self._held.values()), worker=self.name, lease=self._lease
                    )
                    freed = await jobs.reclaim(connection)
                    await schedule.enqueue_due(connection)
                if freed:
                    log.warning("jobs of a dead worker freed", count=freed)
            except Exception as error:  # noqa: BLE001 - the next round tries again
                log.warning("leases not renewed", fault=type(error).__name__)
