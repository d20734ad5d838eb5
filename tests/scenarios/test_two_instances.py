"""Two real instances, two databases: a province forwards while the line is cut and both are killed."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
import zstandard
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from app.client.receipts import read_receipt
from app.db import open_engine, transaction
from app.forwarding.tables import (
    arrival,
    arrival_event,
    arrival_progress,
    forwarded_claim,
    forwarded_record,
    forwarding,
    forwarding_answer,
    forwarding_dispute,
)
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.records.tables import record
from tests.builders.relay import relaying
from tests.builders.tiers import found_nation, seal_upstream
from tests.builders.world import World, demo_province, running_world

PUPILS: Final = 6
SEED: Final = 20260710
# Where the line is cut, in octets that the province has sent; what is killed then.
CUTS: Final = (None, "ministry", "province", None)
ANSWERED: Final = ("acknowledged", "disputed", "refused")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(kw_only=True)
class Instance:
    """A real server process, API and worker in one; it may be killed and started again."""

    settings: Mapping[str, str]
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    kills: int = 0

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", str(self.port)],
            env={**os.environ, "HOCBA_LEASE_SECONDS": "3", "HOCBA_LOG_LEVEL": "warning", **self.settings},
            stderr=subprocess.DEVNULL,
        )

    async def kill_and_start(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)
        self.kills += 1
        self.start()

    async def is_ready(self) -> None:
        async with httpx.AsyncClient() as http:
            for _ in range(600):
                try:
                    if (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        pytest.fail("the instance does not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@asynccontextmanager
async def sealed_province(url: str, folder: Path) -> AsyncIterator[tuple[World, Any]]:
    """A province with two schools' classes recorded, its department's snapshot sealed."""
    async with running_world(url, folder, province=demo_province(PUPILS)) as world:
        for level in ("03", "04"):
            school = world.school(level)
            await world.enrol(school)
            answer = await world.send(school, world.package(school))
            assert answer["accepted"] == PUPILS
        yield world, await seal_upstream(world)


async def rows(engine: AsyncEngine, *columns: Any, of: UUID | None = None) -> list[Any]:
    """Read a table, or what it holds of one snapshot: the province seals and forwards the next by itself."""
    statement = select(*columns)
    if of is not None:
        statement = statement.where(columns[0].table.c.snapshot_id == of)
    async with transaction(engine) as connection:
        return list((await connection.execute(statement)).all())


async def until_answered(engine: AsyncEngine, snapshot_id: UUID) -> str:
    for _ in range(1200):
        found = await rows(engine, forwarding.c.state, of=snapshot_id)
        if found and found[0].state in ANSWERED:
            return str(found[0].state)
        await asyncio.sleep(0.1)
    pytest.fail(f"not answered: {await rows(engine, forwarding)}")


async def test_cut_and_killed_on_the_way_both_sides_end_with_the_same_root(
    postgres: EmbeddedPostgres, template_database: str, database_url: str, tmp_path: Path
) -> None:
    name = f"{make_url(database_url).database}_bo"
    await create_database(postgres.dsn("postgres"), name, template=template_database)
    ministry_url = postgres.sqlalchemy_url(name)
    engine = open_engine(ministry_url, pool_size=2)
    ministry = Instance(
        settings={
            "HOCBA_TIER": "ministry",
            "HOCBA_DATABASE_URL": ministry_url,
            "HOCBA_DATA_DIR": str(tmp_path / "bo"),
        }
    )
    instances = [ministry]
    try:
        ministry.start()
        async with sealed_province(database_url, tmp_path / "so") as (world, snapshot):
            async with transaction(engine) as connection:
                secrets = await found_nation(connection, world)
            await ministry.is_ready()
            marks = sorted(random.Random(SEED).sample(range(8_000, 60_000), len(CUTS)))

            async def at_mark(number: int) -> None:
                victim = CUTS[number]
                if victim is not None:
                    await {"ministry": ministry, "province": province}[victim].kill_and_start()

            async with relaying(ministry.port, marks, at_mark) as relay:
                province = Instance(
                    settings={
                        "HOCBA_DATABASE_URL": database_url,
                        "HOCBA_DATA_DIR": str(tmp_path / "so"),
                        "HOCBA_UPSTREAM_URL": f"http://127.0.0.1:{relay.port}",
                        "HOCBA_UPSTREAM_CLIENT_ID": "so-66",
                        "HOCBA_UPSTREAM_CLIENT_SECRET": secrets["66"],
                        "HOCBA_UPSTREAM_TRANSCRIPTS": "1",
                    }
                )
                instances.append(province)
                province.start()
                assert await until_answered(world.service.engine, snapshot.id) == "acknowledged"
            assert (relay.cuts, ministry.kills, province.kills) == (len(CUTS), 1, 1)
            await check_equal(world, engine, snapshot, ministry)
    finally:
        for instance in instances:
            instance.stop()
        await engine.dispose()
        await drop_database(postgres.dsn("postgres"), name)


async def check_equal(world: World, engine: AsyncEngine, snapshot: Any, ministry: Instance) -> None:
    """Both sides hold the same, once, octet for octet; the acknowledgement verifies offline and says so."""
    of = snapshot.id
    (arrived,) = await rows(engine, arrival.c.root, arrival.c.size, of=of)
    assert tuple(arrived) == (snapshot.root, snapshot.size)
    assert [row.state for row in await rows(engine, arrival_progress.c.state, of=of)] == ["acknowledged"]
    (there,) = await rows(engine, forwarding_answer.c.token, forwarding_answer.c.claims, of=of)
    (here,) = await rows(world.service.engine, forwarding_answer.c.token, forwarding_answer.c.claims, of=of)
    assert here == there
    async with httpx.AsyncClient() as http:
        jwks = (await http.get(f"http://127.0.0.1:{ministry.port}/.well-known/jwks.json")).json()
    claims = read_receipt(here.token, jwks).claims
    assert (claims["root"], claims["held"]) == (snapshot.root.hex(), snapshot.size)
    assert claims["outcome"] == "acknowledged"
    assert await rows(engine, forwarding_dispute.c.code) == []
    assert [row[0] for row in await rows(engine, func.count(forwarded_claim.c.record_id))] == [snapshot.size]
    digests = ("record_id", "xml_sha256", "content_sha256")
    theirs = {tuple(row) for row in await rows(engine, *(forwarded_record.c[name] for name in digests))}
    ours = {tuple(row) for row in await rows(world.service.engine, *(record.c[name] for name in digests))}
    assert (len(theirs), theirs <= ours) == (snapshot.size, True)
    for kept in await rows(engine, forwarded_record.c.xml, forwarded_record.c.xml_sha256):
        assert sha256(zstandard.ZstdDecompressor().decompress(kept.xml)).digest() == kept.xml_sha256
    answered = [
        row for row in await rows(engine, arrival_event.c.target, of=of) if row.target == "acknowledged"
    ]
    assert len(answered) == 1
