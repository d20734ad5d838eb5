"""The migrations: there and back again, and exactly the schema that the program declares."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import CheckConstraint, Connection, inspect, text

import migrations
from app.api.health import SCHEMA_REVISION
from app.db import metadata, open_engine
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.schema import _config, current_revision, head_revision, upgrade_schema

VERSIONS = sorted(Path(migrations.__path__[0]).glob("versions/*.py"))


@pytest_asyncio.fixture(loop_scope="session")
async def empty_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """An empty database's address, as its owner."""
    await create_database(postgres.dsn("postgres"), "empty")
    yield postgres.sqlalchemy_url("empty")
    await drop_database(postgres.dsn("postgres"), "empty")


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def _functions(connection: Connection) -> set[str]:
    return set(
        connection.execute(
            text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        ).scalars()
    )


def _downgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


def _check(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.check(config)


async def test_up_down_and_up_again(empty_url: str) -> None:
    assert await current_revision(empty_url) is None
    engine = open_engine(empty_url, pool_size=1, as_service=False)
    try:
        await upgrade_schema(empty_url)
        assert await current_revision(empty_url) == head_revision()
        async with engine.begin() as connection:
            first = await connection.run_sync(_tables)
            await connection.run_sync(_downgrade)
            assert await connection.run_sync(_tables) == set()
            assert await connection.run_sync(_functions) == set()
        await upgrade_schema(empty_url)
        async with engine.begin() as connection:
            assert await connection.run_sync(_tables) == first
    finally:
        await engine.dispose()


async def test_upgrading_what_is_up_to_date_changes_nothing(database_url: str) -> None:
    await upgrade_schema(database_url)
    assert await current_revision(database_url) == head_revision()


async def test_the_service_may_read_which_revision_it_works_on(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=1)
    async with engine.connect() as connection:
        assert (await connection.execute(SCHEMA_REVISION)).scalar_one() == head_revision()
    await engine.dispose()


async def test_the_tables_are_the_declared_ones(database_url: str) -> None:
    """What ``alembic check`` compares: tables, columns, types, indexes, unique and foreign keys."""
    engine = open_engine(database_url, pool_size=1, as_service=False)
    async with engine.begin() as connection:
        await connection.run_sync(_check)
    await engine.dispose()


async def test_the_checks_are_the_declared_ones(database_url: str) -> None:
    """What ``alembic check`` leaves out: the CHECK constraints, by name."""
    declared = {
        (table.name, str(constraint.name))
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    engine = open_engine(database_url, pool_size=1, as_service=False)
    async with engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: {
                (table.name, check["name"])
                for table in metadata.sorted_tables
                for check in inspect(sync).get_check_constraints(table.name)
            }
        )
    await engine.dispose()
    assert found == declared


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_no_migration_waits_long_for_a_lock(path: Path) -> None:
    upgrade = path.read_text("utf-8").partition("def upgrade() -> None:")[2]
    first = upgrade.strip().splitlines()[0].strip()
    assert first == "op.execute(\"SET LOCAL lock_timeout = '5s'\")"


def test_versions_are_numbered_in_their_order() -> None:
    numbers = [path.name.partition("_")[0] for path in VERSIONS]
    assert numbers == [f"{number:04}" for number in range(1, len(VERSIONS) + 1)]
    assert head_revision() == numbers[-1]
