"""URLs that clients understand, and what a server writes about itself."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.postgres import EmbeddedPostgres, ServerAddress
from app.postgres.address import read_postmaster_file


async def test_asyncpg_understands_the_dsn(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    assert (
        await connection.fetchval("SELECT current_user || '@' || current_database()")
        == "hocba_owner@postgres"
    )
    await connection.close()


async def test_sqlalchemy_understands_its_url(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_user")) == "hocba_owner"
    await engine.dispose()


def test_special_characters_are_escaped() -> None:
    address = ServerAddress(socket_folder=Path("/a b"), password="p@/:?#")
    url = urlsplit(address.dsn("hocba"))
    assert unquote(url.password or "") == "p@/:?#"
    assert (url.path, url.query) == ("/hocba", "host=/a%20b&port=5432")


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(ServerAddress(socket_folder=Path("/run"), password="secret"))


def test_postmaster_file_of_a_ready_server(tmp_path: Path) -> None:
    lines = ["4711", "/data", "1700000000", "5432", "/run/x", "", "  123  456", "ready   "]
    (tmp_path / "postmaster.pid").write_text("\n".join(lines))
    told = read_postmaster_file(tmp_path)
    assert told is not None
    assert (told.pid, told.socket_folder, told.is_ready) == (4711, Path("/run/x"), True)


def test_postmaster_file_half_written_or_strange(tmp_path: Path) -> None:
    assert read_postmaster_file(tmp_path) is None
    file = tmp_path / "postmaster.pid"
    for content in ("", "abc\n", "-5\n"):
        file.write_text(content)
        assert read_postmaster_file(tmp_path) is None
    file.write_text("4711\n/data\n")
    told = read_postmaster_file(tmp_path)
    assert told is not None
    assert (told.socket_folder, told.is_ready) == (None, False)
