"""Room in the queue: who is taken, who is told to come back, and when; all from figures handed in."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from app.ingest.queue_room import QueueState, after, wait_seconds

NOW = datetime(2026, 6, 30, 15, 0, tzinfo=UTC)
CAPACITY = 1200


def state(speed: float | None = 10.0, **lanes: int) -> QueueState:
    return QueueState(at=NOW, lanes=lanes, seen=sum(lanes.values()), newest=7, speed=speed)


def test_one_sender_alone_fills_half_of_the_queue() -> None:
    assert wait_seconds(state(a=500), "a", 100, capacity=CAPACITY) == 0
    assert wait_seconds(state(a=500), "a", 201, capacity=CAPACITY) > 0


def test_a_newcomer_finds_room_beside_a_flood() -> None:
    assert wait_seconds(state(flood=600), "newcomer", 600, capacity=CAPACITY) == 0


def test_two_floods_have_a_third_each() -> None:
    assert wait_seconds(state(a=400, b=300), "b", 100, capacity=CAPACITY) == 0
    assert wait_seconds(state(a=400, b=400), "a", 1, capacity=CAPACITY) > 0
    assert wait_seconds(state(a=400, b=400), "c", 400, capacity=CAPACITY) == 0


def test_an_empty_queue_takes_a_package_of_any_size() -> None:
    assert wait_seconds(state(), "a", 10 * CAPACITY, capacity=CAPACITY) == 0


@pytest.mark.parametrize(
    ("lanes", "lane", "size", "seconds"),
    [
        # 100 too many; the whole shrinks by 10 a second and the lane, alone, by 10 as well.
        ({"a": 600}, "a", 100, 5),
        # Two lanes: the whole by 10, the lane's half of it by 5.
        ({"a": 450, "b": 450}, "a", 150, 20),
        # Who holds nothing waits for the whole alone.
        ({"a": 600, "b": 500}, "c", 200, 10),
    ],
)
def test_the_wait_is_what_it_takes_until_there_is_room(
    lanes: dict[str, int], lane: str, size: int, seconds: int
) -> None:
    assert wait_seconds(state(**lanes), lane, size, capacity=CAPACITY) == seconds


def test_when_the_told_time_has_passed_at_that_speed_there_is_room() -> None:
    """The promise itself: work the queue off for so long, fairly, and ask again."""
    for held in (500, 700, 900):
        seconds = wait_seconds(state(a=held, b=200), "a", 90, capacity=CAPACITY)
        left = {"a": float(held), "b": 200.0}
        for _ in range(10 * seconds):
            busy = [lane for lane, waiting in left.items() if waiting > 0]
            for lane in busy:
                left[lane] = max(0.0, left[lane] - 1 / len(busy))
        after_it = state(**{lane: math.ceil(waiting) for lane, waiting in left.items()})
        assert wait_seconds(after_it, "a", 90, capacity=CAPACITY) == 0


def test_nothing_measured_yet_is_told_as_half_a_minute_and_a_standstill_as_an_hour() -> None:
    assert wait_seconds(state(None, a=700), "a", 1, capacity=CAPACITY) == 30
    assert wait_seconds(state(0.0, a=700), "a", 1, capacity=CAPACITY) == 3600
    assert wait_seconds(state(0.001, a=700), "a", 1000, capacity=CAPACITY) == 3600


def test_what_was_taken_since_the_look_counts() -> None:
    busy = state(a=500).with_added("a", 90).with_added("b", 20)
    assert (busy.lanes, busy.seen) == ({"a": 590, "b": 20}, 500)
    assert wait_seconds(busy, "a", 90, capacity=CAPACITY) > 0


def look(before: QueueState | None, seconds: float, older: int, **lanes: int) -> QueueState:
    at = NOW if before is None else before.at + timedelta(seconds=seconds)
    return after(before, at=at, lanes=lanes, older=older, newest=9)


def test_the_speed_is_what_has_gone_of_what_was_seen_whatever_came() -> None:
    first = look(None, 0, 0, a=1000)
    assert first.speed is None
    second = look(first.with_added("a", 300), 10, 800, a=1500)
    assert second.speed == 20
    third = look(second, 10, 1400, a=1400)  # 10 a second now: half of the memory is older
    assert third.speed == pytest.approx(15)


def test_an_idle_queue_teaches_nothing() -> None:
    known = look(look(None, 0, 0, a=100), 10, 0)
    assert known.speed == 10
    assert look(known, 3600, 0).speed == 10
    assert look(known, 0, 0).speed == 10
