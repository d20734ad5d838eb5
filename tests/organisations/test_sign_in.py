"""Attempts to sign in are paid for in the database, before anybody looks at the password."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest_asyncio
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.allowance import Allowance
from app.db import open_engine, transaction
from app.organisations.sign_in import Attempt, begin_attempt, forget_old_attempts, forgive_attempt
from app.organisations.tables import sign_in_attempt

NOW = datetime(2026, 6, 9, 2, 0, tzinfo=UTC)
ATTEMPT = Attempt(
    username="canbo.tanlap",
    address="203.0.113.7",
    allowances={
        "username_and_address": Allowance(amount=3, seconds=90),
        "username": Allowance(amount=5, seconds=90),
        "address": Allowance(amount=8, seconds=90),
    },
)


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, pool_size=5)
    yield engine
    await engine.dispose()


async def begin(engine: AsyncEngine, attempt: Attempt = ATTEMPT, now: datetime = NOW) -> int:
    async with transaction(engine) as connection:
        return await begin_attempt(connection, attempt, now)


async def test_after_a_few_failures_each_further_attempt_waits(engine: AsyncEngine) -> None:
    assert [await begin(engine) for _ in range(4)] == [0, 0, 0, 30]
    assert await begin(engine, now=NOW + timedelta(seconds=29)) == 1
    assert await begin(engine, now=NOW + timedelta(seconds=30)) == 0
    assert await begin(engine, now=NOW + timedelta(seconds=30)) == 30


async def test_a_hundred_at_once_are_no_hundred_guesses(engine: AsyncEngine) -> None:
    waits = await asyncio.gather(*(begin(engine) for _ in range(40)))
    assert sorted(waits) == [0, 0, 0, *[30] * 37]


async def test_one_name_is_guarded_against_many_addresses(engine: AsyncEngine) -> None:
    waits = [await begin(engine, replace(ATTEMPT, address=f"203.0.113.{n}")) for n in range(6)]
    assert waits == [0, 0, 0, 0, 0, 18]


async def test_one_address_does_not_try_many_names(engine: AsyncEngine) -> None:
    waits = [await begin(engine, replace(ATTEMPT, username=f"canbo{n}")) for n in range(9)]
    assert waits == [*[0] * 8, 12]
    assert await begin(engine, replace(ATTEMPT, username="canbo0", address="198.51.100.1")) == 0


async def test_success_gives_back_what_it_paid_and_no_more(engine: AsyncEngine) -> None:
    await begin(engine)
    for _ in range(10):
        assert await begin(engine) == 0
        async with transaction(engine) as connection:
            await forgive_attempt(connection, ATTEMPT, NOW)
    assert [await begin(engine) for _ in range(3)] == [0, 0, 30]


async def test_what_is_full_again_is_forgotten(engine: AsyncEngine) -> None:
    await begin(engine)
    for later, left in ((timedelta(hours=23), 3), (timedelta(hours=25), 0)):
        async with transaction(engine) as connection:
            await forget_old_attempts(connection, NOW + later)
            count = await connection.execute(select(func.count()).select_from(sign_in_attempt))
            assert count.scalar_one() == left


async def test_what_was_typed_is_not_kept(engine: AsyncEngine) -> None:
    """A password typed into the wrong field must not lie in a table."""
    await begin(engine, replace(ATTEMPT, username="mật khẩu của tôi \x00"))
    async with transaction(engine) as connection:
        keys = (await connection.execute(select(sign_in_attempt.c.key))).scalars().all()
    assert [len(key) for key in keys] == [32, 32, 32]
