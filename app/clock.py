"""The only place that asks the system what time it is."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time: an aware datetime in UTC."""

    def __call__(self) -> datetime:
        """Give the present moment."""
        ...


def system_clock() -> datetime:
    """Give the present moment by the machine's clock, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place
