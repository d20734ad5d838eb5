"""Where the cluster goes when its account cannot enter the data folder, or the socket's path is odd."""

import os
import pwd
import shutil
from pathlib import Path

import asyncpg
import pytest

from app.postgres import EmbeddedPostgres, PostgresUnavailableError, location
from app.postgres.account import choose_account
from app.postgres.binaries import find_binaries
from app.postgres.location import STATE_FOLDER, Location, choose_socket_folder

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another account")


@pytest.fixture
def state_folder(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /var/lib, so that nothing of a test stays on the machine."""
    folder = open_folder / "lib"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(location, "STATE_FOLDER", folder)
    return folder


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    folder = open_folder / "root"
    folder.mkdir(mode=0o700)
    return folder


async def answer(server: EmbeddedPostgres) -> object:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        return await connection.fetchval("SELECT 42")
    finally:
        await connection.close()


@pytest.mark.parametrize("name", ["x" * 120, "học bạ, số:1"])
async def test_a_long_or_odd_path_gets_a_short_private_socket_folder(open_folder: Path, name: str) -> None:
    with EmbeddedPostgres(open_folder / name, durable=False) as server:
        socket_folder = server.address.socket_folder
        assert open_folder not in socket_folder.parents
        assert socket_folder.stat().st_mode & 0o777 == 0o700
        assert await answer(server) == 42
    assert not socket_folder.exists()


def test_107_bytes_are_allowed_and_108_are_not(open_folder: Path) -> None:
    account = choose_account(None, owner_uid=None, path=open_folder)
    for length, is_beside in ((107, True), (108, False)):
        padding = length - len(f"{open_folder}//server/run/.s.PGSQL.5432")
        here = Location(root=open_folder / ("p" * padding), account=account)
        here.server.mkdir(parents=True)
        folder = choose_socket_folder(here)
        assert (folder == here.server / "run") is is_beside
        folder.rmdir()


def test_where_no_short_folder_can_be_made_it_is_said(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "LONGEST_SOCKET_PATH", 10)
    with pytest.raises(PostgresUnavailableError) as caught:
        EmbeddedPostgres(open_folder / "pg", durable=False).start()
    assert caught.value.cause == "socket-path-too-long"
    assert caught.value.facts["length"] == len(str(open_folder / "pg/server/run/.s.PGSQL.5432"))


@only_root
def test_as_root_an_unprivileged_account_runs_it_in_a_folder_of_its_own(open_folder: Path) -> None:
    modes = {path: path.stat().st_mode for path in (open_folder, *open_folder.parents)}
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        data = server.folder / "server" / "data"
        assert server.folder == open_folder / "pg"
        assert data.owner() in ("postgres", "nobody")
        assert (data.parent.stat().st_mode & 0o777, data.stat().st_mode & 0o777) == (0o700, 0o700)
        status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        uids, groups = (
            next(line for line in status if line.startswith(w)).split()[1:] for w in ("Uid:", "Groups:")
        )
        assert set(uids) == {str(data.stat().st_uid)}
        assert groups == []
        assert (server.folder / "password").stat().st_uid == 0
    assert {path: path.stat().st_mode for path in modes} == modes


@only_root
async def test_in_a_closed_folder_the_data_goes_elsewhere_and_nothing_is_opened(
    closed_folder: Path, state_folder: Path
) -> None:
    told: list[str] = []
    server = EmbeddedPostgres(closed_folder / "pg", durable=False, notice=told.append)
    with server:
        assert server.folder.parent == state_folder / "hocba"
        assert await answer(server) == 42
        first = server.folder
    assert [str(first) in line for line in told] == [True]
    with server:
        assert server.folder == first
        assert await answer(server) == 42
    assert sorted(path.name for path in (closed_folder / "pg").iterdir()) == ["instance.lock", "location"]


@only_root
def test_a_deleted_data_folder_means_a_new_database_and_word_of_the_old(
    closed_folder: Path, state_folder: Path
) -> None:
    server = EmbeddedPostgres(closed_folder / "pg", durable=False)
    with server:
        first = server.folder
    shutil.rmtree(closed_folder / "pg")
    told: list[str] = []
    again = EmbeddedPostgres(closed_folder / "pg", durable=False, notice=told.append)
    with again:
        assert again.folder != first
    assert closed_folder.stat().st_mode & 0o777 == 0o700
    assert any(str(first) in line and "older database" in line for line in told)


@only_root
def test_a_pointer_to_data_that_is_gone_is_no_new_database(closed_folder: Path, state_folder: Path) -> None:
    server = EmbeddedPostgres(closed_folder / "pg", durable=False)
    with server:
        first = server.folder
    shutil.rmtree(first)
    with pytest.raises(PostgresUnavailableError) as caught:
        server.start()
    assert (caught.value.cause, caught.value.facts["location"]) == ("lost-location", str(first))


@only_root
def test_where_the_state_folder_cannot_be_used_the_temporary_folder_serves(
    closed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "STATE_FOLDER", closed_folder / "missing" / "lib")
    with EmbeddedPostgres(closed_folder / "pg", durable=False) as server:
        assert server.folder.parent == Path("/tmp")
        assert server.folder.stat().st_uid == 0
    shutil.rmtree(server.folder)


@only_root
def test_a_folder_closed_later_is_said(open_folder: Path) -> None:
    between = open_folder / "between"
    between.mkdir(mode=0o755)
    server = EmbeddedPostgres(between / "pg", durable=False)
    with server:
        pass
    between.chmod(0o700)
    with pytest.raises(PostgresUnavailableError) as caught:
        server.start()
    assert caught.value.cause == "closed-folder"
    assert between.stat().st_mode & 0o777 == 0o700


@only_root
def test_programs_in_a_closed_folder_are_copied_once_and_checked(
    open_folder: Path, closed_folder: Path
) -> None:
    package = find_binaries().folder.parents[1]
    shutil.copytree(package / "pginstall", closed_folder / package.name / "pginstall")
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed_folder / f"{package.name}.libs")
    closed = closed_folder / package.name / "pginstall" / "bin"
    server = EmbeddedPostgres(open_folder / "pg", binaries=closed, durable=False)
    with server:
        copied = Path(f"/proc/{server.pid}/exe").readlink()
    assert open_folder / "pg" / "postgresql-18.6" in copied.parents
    assert (copied.owner(), copied.stat().st_mode & 0o777) == ("root", 0o755)
    assert closed_folder.stat().st_mode & 0o777 == 0o700
    made = copied.stat().st_mtime_ns
    with server:
        assert copied.stat().st_mtime_ns == made
    with copied.open("r+b") as file:
        file.seek(4096)
        file.write(b"damage")
    with server:
        assert copied.read_bytes() == (closed / "postgres").read_bytes()


@only_root
def test_programs_that_cannot_be_copied_either_are_said(open_folder: Path, closed_folder: Path) -> None:
    closed = closed_folder / "bin"
    closed.mkdir()
    for name in ("postgres", "initdb"):
        (closed / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 18.6'\n")
        (closed / name).chmod(0o755)
    with pytest.raises(PostgresUnavailableError) as caught:
        EmbeddedPostgres(open_folder / "pg", binaries=closed).start()
    assert caught.value.cause == "closed-binaries"


@only_root
def test_a_named_account_runs_it_and_nobody_else_later(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", pg_user="nobody", durable=False)
    with server:
        assert (server.folder / "server").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    with EmbeddedPostgres(open_folder / "pg", durable=False):
        assert (server.folder / "server").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    with pytest.raises(PostgresUnavailableError) as caught:
        EmbeddedPostgres(open_folder / "pg", pg_user="daemon").start()
    assert (caught.value.cause, caught.value.facts["owner"]) == ("wrong-owner", "nobody")


def test_the_state_folder_is_the_systems() -> None:
    assert Path("/var/lib") == STATE_FOLDER
