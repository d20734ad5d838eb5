"""Attempts to sign in (lần đăng nhập): what guesses a password is slowed down, for all processes together.

An attempt is paid for before the password is looked at, so that a hundred at once are no hundred guesses;
success gives it back. What was typed is kept as a digest only: people type passwords into the wrong field.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.allowance import Allowance, Bucket, give_back, take
from app.organisations.tables import sign_in_attempt

# Buckets untouched for as long are full again, whatever their allowance.
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: from where, and by which name; ``allowances`` by what is counted apart."""

    username: str
    address: str
    allowances: Mapping[str, Allowance]

    @property
    def keys(self) -> Mapping[bytes, Allowance]:
        """Each bucket's key with its allowance, in the order in which all attempts lock them."""
        parts = {
            "username_and_address": f"{self.username}\n{self.address}",
            "username": self.username,
            "address": self.address,
        }
        found = {
            hashlib.sha256(f"{name}\n{parts[name]}".encode()).digest(): allowance
            for name, allowance in self.allowances.items()
        }
        return dict(sorted(found.items()))


async def begin_attempt(connection: AsyncConnection, attempt: Attempt, now: datetime) -> int:
    """Pay for an attempt; gives 0, or the seconds to wait where one of its buckets is empty.

    A refused attempt costs nothing: whoever waits as long as told is let in.
    """
    buckets = await _lock(connection, attempt.keys, now)
    asked = {key: take(allowance, buckets[key], now) for key, allowance in attempt.keys.items()}
    wait = max(standing.wait_seconds for _, standing in asked.values())
    if wait == 0:
        for key, (bucket, _) in asked.items():
            await _store(connection, key, bucket)
    return wait


async def forgive_attempt(connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
    """Give back what a successful sign-in has paid; old failures count on until their time has passed."""
    buckets = await _lock(connection, attempt.keys, now)
    for key, allowance in attempt.keys.items():
        await _store(connection, key, give_back(allowance, buckets[key], now))


async def forget_old_attempts(connection: AsyncConnection, now: datetime) -> None:
    """Remove what no longer counts; rows that somebody holds are left for another time."""
    old = (
        select(sign_in_attempt.c.key)
        .where(sign_in_attempt.c.at < now - FORGOTTEN_AFTER)
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    await connection.execute(delete(sign_in_attempt).where(sign_in_attempt.c.key.in_(old)))


async def _lock(
    connection: AsyncConnection, keys: Mapping[bytes, Allowance], now: datetime
) -> Mapping[bytes, Bucket]:
    """Give the buckets, made full where there are none, held until the transaction ends."""
    found = {}
    for key, allowance in keys.items():
        made = insert(sign_in_attempt).values(key=key, left=allowance.amount, at=now)
        held = made.on_conflict_do_update(index_elements=["key"], set_={"key": made.excluded.key})
        row = (await connection.execute(held.returning(sign_in_attempt))).one()
        found[key] = Bucket(left=row.left, at=row.at)
    return found


async def _store(connection: AsyncConnection, key: bytes, bucket: Bucket) -> None:
    await connection.execute(
        update(sign_in_attempt).where(sign_in_attempt.c.key == key).values(left=bucket.left, at=bucket.at)
    )
