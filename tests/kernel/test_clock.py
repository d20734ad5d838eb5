from datetime import UTC, timedelta

from app.clock import system_clock


def test_the_clock_tells_utc_and_goes_on() -> None:
    first, second = system_clock(), system_clock()
    assert first.tzinfo is UTC
    assert timedelta(0) <= second - first < timedelta(minutes=1)
