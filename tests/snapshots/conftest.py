"""The ledger that the tests of this room seal."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio

from app.db import open_engine, transaction
from app.keys import open_key_ring
from app.offload import Offload
from app.snapshots.sealing import Sealer
from tests.builders.clock import MovableClock
from tests.builders.province import NOW, build_province
from tests.builders.sealing import Ledger


@pytest_asyncio.fixture(loop_scope="session")
async def ledger(database_url: str, tmp_path: Path) -> AsyncIterator[Ledger]:
    clock = MovableClock(NOW)
    engine = open_engine(database_url, pool_size=4, sandbox_clock=clock)
    offload = Offload(1)
    async with transaction(engine) as connection:
        province = await build_province(connection)
    keys = open_key_ring(tmp_path / "keys", clock())
    sealer = Sealer(engine=engine, clock=clock, keys=keys, offload=offload, patience=timedelta(seconds=5))
    yield Ledger(engine=engine, owner_url=database_url, clock=clock, province=province, sealer=sealer)
    offload.close()
    await engine.dispose()
