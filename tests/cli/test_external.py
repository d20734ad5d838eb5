"""A database that was named and cannot be used: which one, and why; no password, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from app.cli.external import ExternalDatabaseError, check_external, place_of
from app.db import open_engine
from app.postgres import EmbeddedPostgres


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://app:s3cret@db.example.vn:5433/hocba?sslmode=verify-full", "db.example.vn:5433/hocba"),
        ("postgresql://app:s3cret@a:1,b:2/hocba", "a:1,b:2/hocba"),
        ("postgresql://app:s3@cret@/hocba?host=/run/postgresql", "/run/postgresql/hocba"),
        ("postgresql:///hocba?user=app&password=s3cret", "/hocba"),
        ("postgresql://[app:s3cret@x/hocba", "(?)"),
    ],
)
def test_a_place_is_told_without_who_signs_in(url: str, place: str) -> None:
    assert place_of(url) == place


async def test_what_can_be_used_passes(database_url: str) -> None:
    await check_external(database_url, as_service=True)


async def test_the_servers_own_word_is_passed_on(postgres: EmbeddedPostgres) -> None:
    url = postgres.sqlalchemy_url("postgres")
    for wrong, why in {
        url.replace(postgres.address.password, "wrong"): "password authentication failed",
        url.replace("/postgres?", "/absent?"): 'database "absent" does not exist',
        url.replace("postgresql+asyncpg:", "mysql:"): "scheme is expected to be",
        url.replace("port=5432", "port=5499"): "No such file or directory",
    }.items():
        with pytest.raises(ExternalDatabaseError) as caught:
            await check_external(wrong, as_service=False)
        assert why in str(caught.value)
        assert postgres.address.password not in str(caught.value)


async def test_a_login_that_is_not_let_into_the_services_role_is_told_so(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    engine = open_engine(database_url, pool_size=1, as_service=False)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE ROLE stranger LOGIN PASSWORD 'stranger'"))
    address = postgres.address
    url = database_url.replace(address.user, "stranger").replace(address.password, "stranger")
    try:
        await check_external(url, as_service=False)
        with pytest.raises(ExternalDatabaseError, match='permission denied to set role "hocba_service"'):
            await check_external(url, as_service=True)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP ROLE stranger"))
        await engine.dispose()


@pytest.mark.parametrize("command", [["serve"], ["db", "upgrade"], ["jobs", "list"]])
def test_commands_end_with_a_sentence(tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", *command, "--data-dir", str(tmp_path)],
        env={**os.environ, "HOCBA_DATABASE_URL": f"postgresql://app:s3cret@/hocba?host={tmp_path}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"The database {tmp_path}/hocba cannot be used: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
