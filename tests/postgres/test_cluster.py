"""A cluster is whole or absent, of one major version, and says so where it cannot be made."""

import os
import subprocess
from pathlib import Path

import pytest

from app.postgres import EmbeddedPostgres, PostgresUnavailableError
from app.postgres.binaries import SUPPORTED_MAJORS, newest_system_folder


def refusal_of(server: EmbeddedPostgres) -> PostgresUnavailableError:
    with pytest.raises(PostgresUnavailableError) as caught:
        server.start()
    return caught.value


def test_the_rest_of_a_broken_off_creation_is_removed(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with server:
        location = server._started_location()
    location.data.rename(location.unfinished_data)
    (location.unfinished_data / "PG_VERSION").unlink()
    with server:
        assert server.is_ready()
    assert not location.unfinished_data.exists()
    assert not (location.server / "password.init").exists()


def test_data_of_another_major_version_is_not_touched(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with server:
        data = server.folder / "server" / "data"
    (data / "PG_VERSION").write_text("17\n")
    before = sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*"))
    refusal = refusal_of(server)
    assert refusal.cause == "wrong-major"
    assert (refusal.facts["found"], refusal.facts["ours"]) == ("17", 18)
    assert sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*")) == before
    (data / "PG_VERSION").unlink()
    assert refusal_of(server).facts["found"] == "?"


def test_a_lost_password_is_said(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with server:
        password = server.folder / "password"
    password.unlink()
    assert refusal_of(server).cause == "lost-password"


@pytest.mark.skipif(newest_system_folder() is None, reason=f"no system PostgreSQL of {SUPPORTED_MAJORS}")
def test_the_systems_postgresql_serves_as_well(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "pg", binaries=newest_system_folder(), durable=False) as server:
        assert server.is_ready()
        version = (server.folder / "server" / "data" / "PG_VERSION").read_text().strip()
    assert int(version) in SUPPORTED_MAJORS
    if version != "18":
        assert refusal_of(EmbeddedPostgres(open_folder / "pg")).cause == "wrong-major"


def test_initdb_that_fails_is_quoted_and_leaves_nothing(open_folder: Path) -> None:
    fake = open_folder / "bin"
    fake.mkdir(mode=0o755)
    for name, words in (
        ("postgres", "echo 'postgres (PostgreSQL) 18.6'"),
        ("initdb", "echo broken >&2; false"),
    ):
        (fake / name).write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{words}\n')
        (fake / name).chmod(0o755)
    (fake / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n")
    refusal = refusal_of(EmbeddedPostgres(open_folder / "pg", binaries=fake))
    assert (refusal.cause, refusal.facts["reason"]) == ("initdb-failed", "broken")
    assert not (open_folder / "pg" / "server" / "data").exists()
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        assert server.is_ready()


def test_a_full_disk_is_said_and_the_rest_cleaned_up(open_folder: Path) -> None:
    disk = open_folder / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "none", disk], check=False, capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        server = EmbeddedPostgres(disk / "pg", durable=False)
        assert refusal_of(server).cause == "disk-full"
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        with server:
            assert server.is_ready()
            assert server.folder == disk / "pg"
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_disk_that_may_not_be_written_is_said(open_folder: Path) -> None:
    (open_folder / "file").write_text("")
    refusal = refusal_of(EmbeddedPostgres(open_folder / "file"))
    assert (refusal.cause, refusal.facts["path"]) == ("not-writable", str(open_folder / "file"))
    assert refusal_of(EmbeddedPostgres(open_folder / "file" / "pg")).cause == "not-writable"
    if os.geteuid() != 0:
        (open_folder / "closed").mkdir(mode=0o500)
        assert refusal_of(EmbeddedPostgres(open_folder / "closed")).cause == "not-writable"
