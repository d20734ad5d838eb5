"""A worker killed in the middle of its work: every package is answered, once, completely."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Select, func, select

from app.db import transaction
from app.ingest.tables import item, package_event, package_progress, receipt
from app.jobs import job
from app.records.tables import record
from tests.builders.world import World

PACKAGES = 20
LEASE_SECONDS = 3


def start_worker(url: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "app", "worker"],
        env={
            **os.environ,
            "HOCBA_DATABASE_URL": url,
            "HOCBA_DATA_DIR": str(folder),
            "HOCBA_LEASE_SECONDS": str(LEASE_SECONDS),
        },
        stderr=subprocess.DEVNULL,
    )


async def answered(world: World) -> int:
    async with transaction(world.service.engine) as connection:
        count = select(func.count()).where(package_progress.c.state == "answered")
        return int((await connection.execute(count)).scalar_one())


async def until(world: World, number: int, seconds: float) -> int:
    for _ in range(int(seconds / 0.05)):
        done = await answered(world)
        if done >= number:
            return done
        await asyncio.sleep(0.05)
    pytest.fail(f"{await answered(world)} of {number} answered after {seconds} s")


async def test_a_killed_worker_leaves_nothing_lost_and_nothing_doubled(
    world: World, database_url: str, tmp_path: Path
) -> None:
    school = world.school("04")
    await world.enrol(school)
    await world.work()
    transcripts = world.signed(school)
    sent = [world.package(school, transcripts) for _ in range(PACKAGES)]
    for package in sent:
        assert (await world.post(package)).status_code == 202

    first = start_worker(database_url, tmp_path)
    try:
        await until(world, 1, 180)
        first.send_signal(signal.SIGKILL)
    finally:
        first.kill()
        first.wait()
    at_death = await answered(world)
    assert at_death < PACKAGES, "killed too late to show anything"

    others = [start_worker(database_url, tmp_path) for _ in range(2)]
    try:
        await until(world, PACKAGES, 240)
    finally:
        for other in others:
            other.terminate()
        for other in others:
            other.wait(30)

    async with transaction(world.service.engine) as connection:
        counted: dict[str, Select[int]] = {
            "records": select(func.count()).select_from(record),
            "items": select(func.count()).select_from(item),
            "answers": select(func.count()).where(receipt.c.position > 0),
            "events": select(func.count()).where(package_event.c.target == "answered"),
            "jobs": select(func.count()).select_from(job),
        }
        found = {name: (await connection.execute(query)).scalar_one() for name, query in counted.items()}
    assert found == {
        "records": len(transcripts),
        "items": PACKAGES * len(transcripts),
        "answers": PACKAGES * len(transcripts),
        "events": PACKAGES,
        "jobs": 0,
    }
    for package in sent:
        answer = await world.read(package.package_id, caller=school.code)
        assert answer["accepted"] == answer["total"] == len(transcripts)
