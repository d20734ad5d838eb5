"""Allowances (hạn mức gọi): how often something may be done, as a token bucket. Pure: time is handed in.

A bucket holds ``amount`` and fills again evenly over ``seconds``. What is full is as if never used, so a
keeper may forget it.
"""

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """So many times at once, and as many again in so many seconds."""

    amount: int
    seconds: float

    @property
    def per_second(self) -> float:
        """How fast a bucket fills."""
        return self.amount / self.seconds

    def scaled(self, factor: float) -> "Allowance":
        """Give the same rhythm with another amount, at least one."""
        return Allowance(amount=max(1, math.floor(self.amount * factor)), seconds=self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What was left at a moment (UTC)."""

    left: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a caller stands after asking, in whole numbers and seconds from now.

    Attributes:
        limit: the bucket's size.
        remaining: how many more may follow at once.
        reset_seconds: until the bucket is full again.
        wait_seconds: until the next one is granted; 0 where this one was.
    """

    limit: int
    remaining: int
    reset_seconds: int
    wait_seconds: int

    @property
    def is_granted(self) -> bool:
        """Whether the one that was asked for may be done."""
        return self.wait_seconds == 0


def fill(allowance: Allowance, bucket: Bucket | None, now: datetime) -> float:
    """Give what a bucket holds now; one that is not known is full.

    Time that runs backwards fills nothing.
    """
    if bucket is None:
        return float(allowance.amount)
    elapsed = max(0.0, (now - bucket.at).total_seconds())
    return min(float(allowance.amount), bucket.left + elapsed * allowance.per_second)


def take(allowance: Allowance, bucket: Bucket | None, now: datetime) -> tuple[Bucket, Standing]:
    """Ask for one: give the bucket as it then is, and where the caller stands. A refusal takes nothing."""
    held = fill(allowance, bucket, now)
    left = held - 1 if held >= 1 else held
    # A later moment that was already seen stays: nobody is filled twice for the same seconds.
    at = now if bucket is None else max(now, bucket.at)
    standing = Standing(
        limit=allowance.amount,
        remaining=math.floor(left),
        reset_seconds=math.ceil((allowance.amount - left) / allowance.per_second),
        wait_seconds=0 if held >= 1 else math.ceil((1 - held) / allowance.per_second),
    )
    return Bucket(left=left, at=at), standing


def give_back(allowance: Allowance, bucket: Bucket, now: datetime) -> Bucket:
    """Undo one that was taken."""
    left = min(float(allowance.amount), fill(allowance, bucket, now) + 1)
    return Bucket(left=left, at=max(now, bucket.at))
