"""The story's time: the demo plays its school year on that year's days, then comes back to the present."""

from datetime import datetime, timedelta
from typing import Any, Final

from app.client.signing import VIETNAM
from app.clock import system_clock
from app.demo.founding import Caller

SHORTLY: Final = timedelta(hours=2)


class StoryClock:
    """A clock that runs as the machine's does, as far from it as the story is from the present.

    The service takes it for the present moment, its database too while it is a declared sandbox.
    """

    def __init__(self) -> None:
        self._offset = timedelta()

    def __call__(self) -> datetime:
        """Give the story's present moment, in UTC."""
        return system_clock() + self._offset

    def go(self, moment: datetime) -> None:
        """Go on with the story at a moment."""
        self._offset = moment - system_clock()

    def come_back(self) -> None:
        """End the story: from now on it is the machine's time."""
        self._offset = timedelta()


def beginning(school_year: str) -> datetime:
    """Give when the story begins: the transcripts have been signed, the schools' cut-off is to come."""
    return datetime(int(school_year[-4:]), 6, 9, 9, 0, tzinfo=VIETNAM)


def has_been_locked(school_year: str, now: datetime) -> bool:
    """Say whether a school year's lock (30/6) lies far enough behind for its story to be told by now."""
    return now >= datetime(int(school_year[-4:]), 7, 2, tzinfo=VIETNAM)


async def lock_of_schools(caller: Caller, school_year: str, province: str) -> datetime:
    """Read from the calendar in force when the confirmed transcripts of a province are locked."""
    calendar = await caller.get("/calendar", school_year=school_year, province=province)
    rows: list[dict[str, Any]] = calendar["rows"]
    locks = [
        datetime.fromisoformat(row["cut_off"])
        for row in rows
        if (row["category"], row["stage"]) == ("CONFIRMED", "SCHOOL")
    ]
    return max(locks)
