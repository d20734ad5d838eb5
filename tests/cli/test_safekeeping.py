"""The commands that keep what was entrusted: what they say of a database that is not ours to back up."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from app.cli import app as cli
from app.db import open_engine
from app.inventory import Tally
from tests.builders.world import running_world


def test_an_external_database_is_left_to_its_own_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOCBA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    done = CliRunner().invoke(cli, ["backup", str(tmp_path)])
    assert (done.exit_code, "pg_basebackup" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_an_external_database_is_taken_stock_of_from_where_it_was_cut_off(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOCBA_DATABASE_URL", database_url)
    progress = tmp_path / "progress.json"
    cut_off = Tally(stage="receipts")
    cut_off.seen["records"] = 7
    progress.write_text(cut_off.written())
    done = CliRunner().invoke(cli, ["verify-database", "--progress", str(progress), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["seen"] == {"records": 7, "receipts": 0, "snapshots": 0}
    assert not progress.exists()


async def test_what_differs_is_told_by_id_and_ends_with_one(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(database_url, tmp_path) as world:
        school = world.school("03")
        await world.enrol(school)
        package = world.package(school)
        await world.send(school, package)
    owner = open_engine(database_url, pool_size=1, as_service=False)
    async with owner.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("UPDATE package SET payload = payload || '\\x00'"))
    await owner.dispose()
    monkeypatch.setenv("HOCBA_DATABASE_URL", database_url)
    done = await asyncio.to_thread(lambda: CliRunner().invoke(cli, ["verify-database"]))
    assert done.exit_code == 1
    assert f"package_bytes {package.package_id}" in done.stdout
    assert "1 differences" in done.stdout
