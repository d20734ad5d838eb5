"""A backup under load, and a moment between two packages given back: the first is there, not the second."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from app.cli import app as cli
from app.db import open_engine, sandbox
from app.postgres import EmbeddedPostgres
from app.postgres.backup import list_backups
from app.postgres.databases import ensure_database
from app.schema import upgrade_schema
from tests.builders.world import World, running_world

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A service that was backed up while packages came in, and took two more afterwards.

    Attributes:
        before: packages that were acknowledged when the backup began.
        between: after the first of the two was answered, before the second was sent; by the server's clock.
    """

    home: Path
    before: frozenset[str]
    first: str
    second: str
    between: datetime

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    @property
    def archive(self) -> Path:
        return self.home / "wal"


async def hocba(*words: str | Path) -> Result:
    """Run a command in a thread, where it may have an event loop of its own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(cli, [str(word) for word in words]))


async def restore(kept: Kept, to: Path, *options: str | Path, source: Path | None = None) -> Result:
    return await hocba(
        "restore", source or kept.backups, "--data-dir", to, "--wal", kept.archive, "--json", *options
    )


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder that PostgreSQL's account may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="hb-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def room(home: Path) -> Iterator[Path]:
    """A place in it for one restoration."""
    folder = Path(tempfile.mkdtemp(dir=home))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[tuple[EmbeddedPostgres, World]]:
    server = EmbeddedPostgres(home / "data" / "postgres", durable=False, wal_archive=home / "wal")
    await asyncio.to_thread(server.start)
    try:
        await ensure_database(server.dsn("postgres"), "hocba")
        await upgrade_schema(server.sqlalchemy_url())
        engine = open_engine(server.sqlalchemy_url(), pool_size=1, as_service=False)
        async with engine.begin() as connection:
            await connection.execute(insert(sandbox))
        await engine.dispose()
        async with running_world(server.sqlalchemy_url(), home / "data") as world:
            yield server, world
    finally:
        await asyncio.to_thread(server.stop)


async def ask(server: EmbeddedPostgres, statement: str) -> Any:
    connection = await asyncpg.connect(server.dsn())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def archived(server: EmbeddedPostgres) -> None:
    """Wait until what has been written so far lies in the archive."""
    await ask(server, "SELECT pg_logical_emit_message(true, 'test', 'so that there is something to switch')")
    last = await ask(server, "SELECT pg_walfile_name(pg_switch_wal())")
    while (await ask(server, "SELECT last_archived_wal FROM pg_stat_archiver") or "") < last:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(home: Path) -> Kept:
    async with serving(home) as (server, world):
        school = world.school("03")
        await world.enrol(school)
        before = world.package(school)
        assert (await world.send(school, before))["accepted"] == 3
        is_backed_up = asyncio.Event()

        async def load() -> int:
            sent = 0
            while not is_backed_up.is_set():
                sent += (await world.post(world.package(school))).status_code == 202
                await world.work()
            return sent

        loading = asyncio.create_task(load())
        done = await hocba("backup", home / "backups", "--data-dir", home / "data")
        is_backed_up.set()
        assert (done.exit_code, await loading > 0) == (0, True), done.output
        assert str(home / "data" / "keys") in done.output
        first, second = (world.package(school, world.signed(school, seed=seed)) for seed in (7, 8))
        await world.send(school, first)
        between: datetime = await ask(server, "SELECT clock_timestamp()")
        await world.send(school, second)
        await archived(server)
    return Kept(
        home=home,
        before=frozenset({before.package_id}),
        first=first.package_id,
        second=second.package_id,
        between=between,
    )


async def packages_in(data_dir: Path) -> set[str]:
    server = EmbeddedPostgres(data_dir / "postgres", durable=False)
    await asyncio.to_thread(server.start)
    try:
        connection = await asyncpg.connect(server.dsn())
        rows = await connection.fetch(
            "SELECT package_id FROM package JOIN package_progress USING (package_id)"
        )
        await connection.close()
    finally:
        await asyncio.to_thread(server.stop)
    return {row["package_id"].hex for row in rows}


async def test_the_moment_between_two_packages_has_exactly_the_first(kept: Kept, room: Path) -> None:
    done = await restore(kept, room / "data", "--at", kept.between.isoformat())
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["is_sound"], found["differing"]) == (True, {})
    packages = await packages_in(room / "data")
    assert kept.before | {kept.first} <= packages
    assert kept.second not in packages
    assert found["seen"]["packages"] == len(packages)


async def test_without_a_moment_everything_archived_comes_back(kept: Kept, room: Path) -> None:
    done = await restore(kept, room / "data")
    assert done.exit_code == 0, done.output
    assert kept.before | {kept.first, kept.second} <= await packages_in(room / "data")


async def test_without_an_archive_the_end_of_the_backup_comes_back(kept: Kept, room: Path) -> None:
    done = await hocba("restore", kept.backups, "--data-dir", room / "data", "--json")
    assert done.exit_code == 0, done.output
    packages = await packages_in(room / "data")
    assert kept.before <= packages
    assert not {kept.first, kept.second} & packages


async def test_a_byte_changed_in_the_restored_database_is_found(kept: Kept, room: Path) -> None:
    assert (await restore(kept, room / "data")).exit_code == 0
    server = EmbeddedPostgres(room / "data" / "postgres", durable=False)
    await asyncio.to_thread(server.start)
    try:
        connection = await asyncpg.connect(server.dsn())
        await connection.execute("SET session_replication_role = replica")
        changed = await connection.fetchval(
            "UPDATE record SET xml = set_byte(xml, 40, get_byte(xml, 40) # 1)"
            " WHERE record_id = (SELECT max(record_id::text)::uuid FROM record WHERE leans_on IS NOT NULL)"
            " RETURNING record_id"
        )
        await connection.close()
        done = await hocba("verify-database", "--data-dir", room / "data", "--json")
    finally:
        await asyncio.to_thread(server.stop)
    assert done.exit_code == 1
    flaws = json.loads(done.stdout)["flaws"]
    assert {"kind": "record_bytes", "subject": changed.hex} in flaws
    assert {flaw["kind"] for flaw in flaws} == {"record_bytes"}


async def refused(kept: Kept, room: Path, *options: str | Path, source: Path | None = None) -> str:
    """Restore in vain: nothing of it is left. Gives what is told."""
    done = await restore(kept, room / "data", *options, source=source)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit), done.output
    assert sorted(path.name for path in (room / "data").glob("*")) == []
    return done.stderr


async def test_a_moment_before_the_first_backup_is_refused(kept: Kept, room: Path) -> None:
    told = await refused(kept, room, "--at", (kept.between - ONE_DAY).isoformat())
    assert "All backups" in told


async def test_a_moment_after_the_archive_is_refused(kept: Kept, room: Path) -> None:
    told = await refused(kept, room, "--at", (kept.between + ONE_DAY).isoformat())
    assert "ends before the chosen moment" in told


async def test_a_moment_without_an_archive_is_refused(kept: Kept, room: Path) -> None:
    done = await hocba("restore", kept.backups, "--data-dir", room / "data", "--at", kept.between.isoformat())
    assert (done.exit_code, "no archived log" in done.stderr) == (1, True)


async def test_a_moment_without_an_offset_is_refused(kept: Kept, room: Path) -> None:
    done = await restore(kept, room / "data", "--at", "2026-06-30T23:00:00")
    assert (done.exit_code, "offset" in done.stderr) == (2, True)


async def test_a_folder_without_a_backup_is_refused(kept: Kept, room: Path) -> None:
    (room / "nothing").mkdir()
    assert "no backup" in await refused(kept, room, source=room / "nothing")


async def test_a_folder_with_something_in_it_is_left_alone(kept: Kept, room: Path) -> None:
    (room / "data" / "postgres").mkdir(parents=True)
    (room / "data" / "postgres" / "kept").touch()
    done = await restore(kept, room / "data")
    assert (done.exit_code, "is not empty" in done.stderr) == (1, True)
    assert [path.name for path in (room / "data" / "postgres").iterdir()] == ["kept"]


@pytest.mark.parametrize("harm", ["flipped", "missing", "added", "unsaid"])
async def test_a_damaged_backup_is_refused(kept: Kept, room: Path, harm: str) -> None:
    (backup,) = list_backups(kept.backups)
    copy = room / "copy"
    shutil.copytree(backup.folder, copy)
    victim = next(path for path in sorted((copy / "data" / "base").rglob("*")) if path.stat().st_size > 8192)
    match harm:
        case "flipped":
            octets = bytearray(victim.read_bytes())
            octets[5000] ^= 1
            victim.write_bytes(octets)
        case "missing":
            victim.unlink()
        case "added":
            (victim.parent / "99999999").write_bytes(b"x")
        case _:
            (copy / "backup.json").write_text("{}")
    assert "is damaged" in await refused(kept, room, source=copy)


async def test_a_backup_of_another_major_version_is_refused(kept: Kept, room: Path) -> None:
    (backup,) = list_backups(kept.backups)
    other = replace(backup, folder=room / "other")
    other.folder.mkdir()
    said = json.loads((backup.folder / "backup.json").read_text("utf-8"))
    (other.folder / "backup.json").write_text(json.dumps({**said, "major": 17}))
    assert "belongs to PostgreSQL 17" in await refused(kept, room, source=other.folder)
