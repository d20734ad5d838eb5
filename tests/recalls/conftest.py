"""A province with its ledger, on a database that takes the time from the test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import open_engine, transaction
from app.keys import KeyRing, open_key_ring
from tests.builders.clock import MovableClock
from tests.builders.province import NOW, Province, build_province


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What recalls stand on."""

    url: str
    engine: AsyncEngine
    province: Province
    clock: MovableClock
    keys: KeyRing


@pytest_asyncio.fixture(loop_scope="session")
async def ground(database_url: str, tmp_path: Path) -> AsyncIterator[Ground]:
    clock = MovableClock(NOW)
    engine = open_engine(database_url, pool_size=8, sandbox_clock=clock)
    async with transaction(engine) as connection:
        province = await build_province(connection)
    keys = open_key_ring(tmp_path / "keys", NOW)
    yield Ground(url=database_url, engine=engine, province=province, clock=clock, keys=keys)
    await engine.dispose()
