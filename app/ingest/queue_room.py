"""Room in the queue (chỗ trong hàng đợi): whose package is taken now, and who is told to come back, and when.

The queue holds so many bytes. A lane may hold as many as are still free (Choudhury and Hahne's dynamic
threshold): one sender alone fills half of it, two a third each, and a newcomer always finds room. Who is
refused is told how long it takes, at the speed measured, until there is room.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

LONGEST_WAIT: Final = timedelta(hours=1)
# Told while nothing has been measured yet.
UNKNOWN_WAIT: Final = timedelta(seconds=30)
# How far back the measured speed reaches.
MEMORY: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What is known of the queue at a moment.

    Attributes:
        lanes: bytes that wait or are worked on, by lane.
        seen: bytes at the look itself; ``lanes`` also count what was taken since.
        newest: the newest job seen.
        speed: bytes a second that are done while something waits; None where nothing was measured yet.
    """

    at: datetime
    lanes: Mapping[str, int]
    seen: int = 0
    newest: int = 0
    speed: float | None = None

    @property
    def size(self) -> int:
        """All bytes in the queue."""
        return sum(self.lanes.values())

    def with_added(self, lane: str, size: int) -> "QueueState":
        """Count what was taken since."""
        return replace(self, lanes={**self.lanes, lane: self.lanes.get(lane, 0) + size})


def after(
    before: QueueState | None, *, at: datetime, lanes: Mapping[str, int], older: int, newest: int
) -> QueueState:
    """Give the state after another look; ``older`` is what is left of the jobs that the look before has seen.

    What is gone of them is what was done meanwhile. While nothing waited, nothing is learnt about the speed.
    """
    seen = sum(lanes.values())
    if before is None:
        return QueueState(at=at, lanes=lanes, seen=seen, newest=newest)
    seconds = (at - before.at).total_seconds()
    speed = before.speed
    if before.seen > 0 and seconds > 0:
        measured = max(0, before.seen - older) / seconds
        share = min(1.0, seconds / MEMORY.total_seconds())
        speed = measured if speed is None else speed + share * (measured - speed)
    return QueueState(at=at, lanes=lanes, seen=seen, newest=max(newest, before.newest), speed=speed)


def wait_seconds(state: QueueState, lane: str, size: int, *, capacity: int) -> int:
    """Give 0 where a lane may add so many bytes now, else in how many seconds there is room for them.

    While the queue is worked off, its whole shrinks at full speed and a lane at its share of it. An empty
    queue takes a package of any size.
    """
    held = state.lanes.get(lane, 0)
    missing = held + size - (capacity - state.size)
    if missing <= 0 or state.size == 0:
        return 0
    if state.speed is None:
        return math.ceil(UNKNOWN_WAIT.total_seconds())
    busy = sum(1 for waiting in state.lanes.values() if waiting > 0)
    shrinking = state.speed * (1 + (1 / busy if held else 0))
    longest = LONGEST_WAIT.total_seconds()
    return max(1, math.ceil(min(longest, missing / shrinking))) if shrinking > 0 else math.ceil(longest)
