"""What an operator sees of the queue and of periodic work."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.operator import jobs as commands
from app.db import open_engine, transaction
from app.jobs import enqueue
from app.schedule import plan


async def prepare(url: str) -> None:
    engine = open_engine(url, pool_size=1)
    async with transaction(engine) as connection:
        await plan(connection, {"seal snapshots": timedelta(minutes=1)})
        await enqueue(connection, "anything")
    await engine.dispose()


@pytest.fixture
def listed(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("HOCBA_DATABASE_URL", database_url)
    monkeypatch.setenv("HOCBA_DATA_DIR", str(tmp_path))
    asyncio.run(prepare(database_url))
    return CliRunner().invoke(commands, ["list"])


def test_the_queue_and_periodic_work_are_told(listed: Result) -> None:
    assert listed.exit_code == 0, listed.output
    assert "1 việc chờ, 0 đang chạy, 0 bị dừng" in listed.output
    assert "seal snapshots: lần trước —" in listed.output


def test_programs_are_told_in_json(listed: Result) -> None:
    body = json.loads(CliRunner().invoke(commands, ["list", "--json"]).stdout)
    assert body["queue"]["waiting"] == 1
    (task,) = body["periodic"]
    assert (task["name"], task["ended_at"], task["result"]) == ("seal snapshots", None, None)
