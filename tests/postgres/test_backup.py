"""Backups and the archived log: whole or absent, pruned together, refused where they cannot be made."""

import os
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest

from app.postgres import EmbeddedPostgres, PostgresUnavailableError
from app.postgres.archive import archiving
from app.postgres.backup import Backup, copy_server, finish, forget_older, list_backups, read_backup
from app.postgres.binaries import Binaries, find_binaries


async def ask(server: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def back_up(server: EmbeddedPostgres, folder: Path) -> Backup:
    unfinished = copy_server(server.address, find_binaries(), folder)
    moment = await ask(server, "SELECT clock_timestamp()")
    assert isinstance(moment, datetime)
    return finish(unfinished, folder, began_at=moment, ended_at=moment, revision="1")


async def test_older_backups_go_with_the_log_that_only_they_need(open_folder: Path) -> None:
    archive, place = open_folder / "wal", open_folder / "backups"
    with EmbeddedPostgres(open_folder / "pg", durable=False, wal_archive=archive) as server:
        assert await ask(server, "SHOW archive_mode") == "on"
        made = [await back_up(server, place / str(number)) for number in range(3)]
        while not (archive / made[-1].first_log).exists():
            await ask(server, "SELECT pg_switch_wal()")
    assert list_backups(place) == made
    removed = forget_older(place, keep=1, archive=archive, binaries=find_binaries())
    assert removed == [backup.folder for backup in made[:-1]]
    assert list_backups(place) == [made[-1]] == [read_backup(made[-1].folder)]
    logs = sorted(path.name for path in archive.iterdir() if len(path.name) == 24)
    assert logs[0] == made[-1].first_log


async def test_a_backup_is_for_nobody_else_to_read(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        backup, password = await back_up(server, open_folder / "backup"), server.address.password
    assert backup.folder.stat().st_mode & 0o777 == 0o700
    assert backup.password.stat().st_mode & 0o777 == 0o600
    assert backup.password.read_text("utf-8") == password


def test_a_copy_that_breaks_off_leaves_nothing(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        address = server.address
    with pytest.raises(PostgresUnavailableError) as refused:
        copy_server(address, find_binaries(), open_folder / "backups" / "one")
    assert refused.value.cause == "backup-failed"
    assert list((open_folder / "backups").iterdir()) == []


def test_what_a_broken_off_copy_left_is_no_backup(open_folder: Path) -> None:
    left = open_folder / "one.unfinished"
    left.mkdir()
    (left / "backup.json").write_text("{}")
    assert list_backups(open_folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="another's folder can only be made as root")
def test_an_archive_that_postgresql_cannot_write_is_refused(open_folder: Path) -> None:
    archive = open_folder / "wal"
    archive.mkdir(mode=0o700)
    with pytest.raises(PostgresUnavailableError) as refused:
        EmbeddedPostgres(open_folder / "pg", durable=False, wal_archive=archive).start()
    assert refused.value.cause == "closed-archive"


def test_programs_without_the_library_are_refused(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        account = server._started_location().account
    bare = Binaries(folder=open_folder / "bin", version="18.6")
    with pytest.raises(PostgresUnavailableError) as refused:
        archiving(open_folder / "wal", account, bare)
    assert refused.value.cause == "no-archive-library"
    assert not (open_folder / "wal").exists()
