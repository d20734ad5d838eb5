"""Token buckets: never more than the amount at once, never more than the rhythm in the long run."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.allowance import Allowance, Bucket, Standing, fill, give_back, take

NOW = datetime(2026, 6, 9, 2, 0, tzinfo=UTC)
TEN_A_MINUTE = Allowance(amount=10, seconds=60)


def test_a_new_caller_has_the_whole_amount() -> None:
    bucket, standing = take(TEN_A_MINUTE, None, NOW)
    assert bucket == Bucket(left=9, at=NOW)
    assert standing == Standing(limit=10, remaining=9, reset_seconds=6, wait_seconds=0)
    assert standing.is_granted


def test_an_empty_bucket_refuses_says_how_long_and_takes_nothing() -> None:
    empty = Bucket(left=0, at=NOW)
    bucket, standing = take(TEN_A_MINUTE, empty, NOW)
    assert bucket == empty
    assert standing == Standing(limit=10, remaining=0, reset_seconds=60, wait_seconds=6)
    assert not standing.is_granted


def test_whoever_waits_as_long_as_told_is_let_in() -> None:
    bucket, standing = take(TEN_A_MINUTE, Bucket(left=0.5, at=NOW), NOW)
    assert standing.wait_seconds == 3
    _, early = take(TEN_A_MINUTE, bucket, NOW + timedelta(seconds=2.9))
    _, then = take(TEN_A_MINUTE, bucket, NOW + timedelta(seconds=3))
    assert (early.is_granted, then.is_granted) == (False, True)


def test_time_that_runs_backwards_fills_nothing_and_is_not_paid_twice() -> None:
    bucket = Bucket(left=2, at=NOW)
    back, _ = take(TEN_A_MINUTE, bucket, NOW - timedelta(hours=1))
    assert back == Bucket(left=1, at=NOW)
    assert fill(TEN_A_MINUTE, back, NOW) == 1


def test_what_is_given_back_never_overflows() -> None:
    assert give_back(TEN_A_MINUTE, Bucket(left=3, at=NOW), NOW).left == 4
    assert give_back(TEN_A_MINUTE, Bucket(left=9.5, at=NOW), NOW).left == 10


@pytest.mark.parametrize(("factor", "amount"), [(1, 10), (0.25, 2), (0.001, 1), (100, 1000)])
def test_a_scaled_allowance_keeps_its_rhythm_and_is_never_nothing(factor: float, amount: int) -> None:
    assert TEN_A_MINUTE.scaled(factor) == Allowance(amount=amount, seconds=60)


@given(
    amount=st.integers(1, 50),
    seconds=st.floats(0.5, 1000),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_nobody_gets_more_than_the_amount_and_the_rhythm(
    amount: int, seconds: float, steps: list[float]
) -> None:
    allowance, bucket, now, granted = Allowance(amount=amount, seconds=seconds), None, NOW, 0
    for step in steps:
        now += timedelta(seconds=step)
        bucket, standing = take(allowance, bucket, now)
        granted += standing.is_granted
        assert 0 <= standing.remaining < amount + 1
        assert bucket.left >= 0
    assert granted <= amount + (now - NOW).total_seconds() * allowance.per_second + 1e-6
