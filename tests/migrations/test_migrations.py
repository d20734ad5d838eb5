"""The migrations: there and back again, and exactly the schema that the program declares."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import CheckConstraint, Connection, delete, inspect, select, text

import migrations
from app.api.health import SCHEMA_REVISION
from app.db import metadata, open_engine
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.records import Clash
from app.records.tables import active_pupil_code, active_record
from app.schema import _config, current_revision, head_revision, upgrade_schema
from tests.builders.ledger import RECEIVED_AT, entry, put, standing

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


def _downgrade(connection: Connection, revision: str = "base") -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


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


async def test_of_records_that_stand_under_one_pupil_code_the_first_received_has_it(
    database_url: str,
) -> None:
    """As they stand where identity numbers alone were compared: the upgrade goes through and ends none."""
    engine = open_engine(database_url, pool_size=1, as_service=False)
    made = [
        entry(
            1, pupil=f"06621500000{n}", student_code="HS001", received_at=RECEIVED_AT - n * timedelta(days=1)
        )
        for n in range(3)
    ]
    other = entry(1, pupil="066215000009", student_code="HS009")
    for one in (*made, other):
        assert await put(engine, one) is None
        async with engine.begin() as connection:
            await connection.execute(delete(active_pupil_code))
    async with engine.begin() as connection:
        await connection.execute(
            delete(active_record).where(active_record.c.record_id == made[2].facts.record_id)
        )
        await connection.run_sync(_downgrade, "0021")
    await engine.dispose()  # what it prepared is of the schema before
    await upgrade_schema(database_url)
    assert await standing(engine) == {one.place: one.facts.record_id for one in (*made[:2], other)}
    async with engine.begin() as connection:
        codes = (await connection.execute(select(active_pupil_code))).all()
    assert {
        (row.school_id, row.student_code, row.school_year, row.level): row.record_id for row in codes
    } == {one.code_place: one.facts.record_id for one in (made[1], other)}
    third = entry(1, pupil="066215000007", student_code="HS001")
    assert await put(engine, third) is Clash.PUPIL_HAS_RECORD
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
