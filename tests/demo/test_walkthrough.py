"""The demo as its user starts it: commune and department read their report before the lock and after it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from app.cli.demonstration import latest_school_year
from app.db import open_engine, sandbox
from app.demo.story import StoryClock, beginning, has_been_locked
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database

NUMBERS = ("expected", "accepted", "on_time", "late", "rejected", "held", "recalled", "missing", "locked")


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    await create_database(postgres.dsn("postgres"), "demo_story")
    yield postgres.sqlalchemy_url("demo_story")
    await drop_database(postgres.dsn("postgres"), "demo_story")


def sums(output: str) -> list[dict[str, tuple[int, int]]]:
    """The last line of each table: before and after by name (twice the same where nothing changed)."""
    found = []
    for line in output.splitlines():
        if line.startswith("Tất cả / all"):
            cells = re.sub("^Tất cả / all", "", line).split()
            pairs = [[int(number) for number in cell.split("→")] for cell in cells]
            names = (*NUMBERS, "in_snapshot")[: len(pairs)]
            found.append({name: (pair[0], pair[-1]) for name, pair in zip(names, pairs, strict=True)})
    return found


async def test_the_reports_before_and_after_the_lock_show_what_changed(
    empty_database: str, tmp_path: Path
) -> None:
    """Takes twenty seconds: it makes a province's keys, founds it over HTTP, and waits for the seal."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "demo", "--data-dir", str(tmp_path), "--pupils", "3",
        env={**os.environ, "HOCBA_DATABASE_URL": empty_database, "COLUMNS": "200"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    printed, complaints = await program.communicate()
    assert program.returncode == 0, complaints.decode()
    commune_before, before, commune_after, after = sums(printed.decode())
    for early in (commune_before, before):
        assert early["recalled"] == (1, 1)
        assert (early["late"], early["locked"]) == ((0, 0), (0, 0))
        assert "in_snapshot" not in early
    for late in (commune_after, after):
        assert late["late"] == (0, 1)
        assert late["recalled"] == (1, 0)
        assert 0 == late["locked"][0] < late["locked"][1] <= late["on_time"][1]
        assert late["missing"][0] - late["missing"][1] == 1
        assert late["in_snapshot"][1] == late["on_time"][1] + 1  # the recalled one was sealed as recalled
    assert commune_before["expected"] < before["expected"]
    assert before["held"] == after["held"] == (1, 1)
    # What is left for outside clients is of the present: the database's time is its own again.
    assert json.loads((tmp_path / "credentials.json").read_text("utf-8"))["clients"]
    engine = open_engine(empty_database, pool_size=1, as_service=False)
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(sandbox))).scalar_one() == 0
    await engine.dispose()


@pytest.mark.parametrize(
    ("now", "year"),
    [
        (datetime(2026, 11, 22, tzinfo=UTC), "2025-2026"),
        (datetime(2026, 7, 3, tzinfo=UTC), "2025-2026"),
        (datetime(2026, 6, 30, tzinfo=UTC), "2024-2025"),
    ],
)
def test_the_year_that_is_played_has_been_locked(now: datetime, year: str) -> None:
    assert latest_school_year(now) == year
    assert has_been_locked(year, now)
    assert beginning(year) < now


def test_the_story_comes_back_to_the_present() -> None:
    clock, unmoved = StoryClock(), StoryClock()
    clock.go(beginning("2019-2020"))
    assert clock() < datetime(2020, 6, 10, tzinfo=UTC) < unmoved()
    clock.come_back()
    earlier = unmoved()
    assert earlier <= clock()
