"""A province in a fresh database, at a moment that the test moves."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import open_engine, transaction
from tests.builders.clock import MovableClock
from tests.builders.province import NOW, Province, build_province


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str, clock: MovableClock) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(database_url, pool_size=3, sandbox_clock=clock)
    yield opened
    await opened.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def province(engine: AsyncEngine) -> Province:
    async with transaction(engine) as connection:
        return await build_province(connection)


@pytest_asyncio.fixture(loop_scope="session")
async def connection(engine: AsyncEngine, province: Province) -> AsyncIterator[AsyncConnection]:
    async with transaction(engine) as opened:
        yield opened
