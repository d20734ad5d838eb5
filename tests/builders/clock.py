"""A clock that a test sets; in a sandbox database it is also the database's."""

from datetime import datetime, timedelta


class MovableClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Move on."""
        self.now += by
