"""A province in a fresh database, and a connection inside one transaction."""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import open_engine, transaction
from tests.builders.province import Province, build_province


@pytest_asyncio.fixture(loop_scope="session")
async def connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    engine = open_engine(database_url, pool_size=2)
    async with transaction(engine) as opened:
        yield opened
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def province(connection: AsyncConnection) -> Province:
    return await build_province(connection)
