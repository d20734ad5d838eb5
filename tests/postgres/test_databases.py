"""Databases come from templates, and go though somebody is connected."""

import asyncpg
import pytest

from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database, ensure_database


async def test_a_copy_has_what_the_template_has_and_its_own_afterwards(postgres: EmbeddedPostgres) -> None:
    owner = postgres.dsn("postgres")
    await create_database(owner, "pattern")
    connection = await asyncpg.connect(postgres.dsn("pattern"))
    await connection.execute("CREATE TABLE t AS SELECT 1 AS n")
    await connection.close()
    await create_database(owner, "copy", template="pattern")
    connection = await asyncpg.connect(postgres.dsn("copy"))
    assert await connection.fetchval("SELECT n FROM t") == 1
    await drop_database(owner, "copy")
    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError, ConnectionError)):
        await connection.fetchval("SELECT 1")
    await drop_database(owner, "pattern")
    await drop_database(owner, "pattern")


async def test_ensuring_twice_creates_once(postgres: EmbeddedPostgres) -> None:
    owner = postgres.dsn("postgres")
    await ensure_database(owner, "ensured")
    await ensure_database(owner, "ensured")
    await drop_database(owner, "ensured")


@pytest.mark.parametrize("name", ['x"; DROP DATABASE postgres; --', "Hocba", "", "x" * 64])
async def test_names_that_need_quoting_are_refused(postgres: EmbeddedPostgres, name: str) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        await create_database(postgres.dsn("postgres"), name)


async def test_each_test_gets_its_own_database(database_url: str, postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn(database_url.partition("@/")[2].partition("?")[0]))
    assert str(await connection.fetchval("SELECT current_database()")).startswith("test_")
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE tablename = 't'") == 0
    await connection.close()
