"""Asking whether the queue has room before a package is even read; one look a second serves all requests."""

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.clock import Clock
from app.db import transaction
from app.ingest.queue_room import QueueState, after, wait_seconds

STALE: Final = timedelta(seconds=1)


class Admission:
    """The queue as one process of the API sees it.

    Between two looks it counts what it took itself; what others took it learns at the next.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock, *, capacity: int) -> None:
        self._engine = engine
        self._clock = clock
        self._capacity = capacity
        self._state: QueueState | None = None
        self._looking = asyncio.Lock()

    async def wait_seconds(self, lane: str, size: int) -> int:
        """Give 0 and count the bytes as taken, or in how many seconds there is room for them."""
        state = await self._look()
        seconds = wait_seconds(state, lane, size, capacity=self._capacity)
        if seconds == 0 and self._state is not None:
            self._state = self._state.with_added(lane, size)
        return seconds

    async def speed(self) -> float | None:
        """Give the bytes a second at which the queue is worked off; None where that was not measured yet."""
        return (await self._look()).speed

    async def _look(self) -> QueueState:
        async with self._looking:
            before, now = self._state, self._clock()
            if before is not None and timedelta(0) <= now - before.at < STALE:
                return before
            async with transaction(self._engine) as connection:
                loads = await jobs.lane_loads(connection, seen=0 if before is None else before.newest)
            self._state = after(
                before,
                at=now,
                lanes={lane: load.size for lane, load in loads.items()},
                older=sum(load.older for load in loads.values()),
                newest=max((load.newest for load in loads.values()), default=0),
            )
            return self._state
