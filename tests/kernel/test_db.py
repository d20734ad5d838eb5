"""How the service talks to the database: one transaction, one guarded move, one role."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import ARRAY, Integer, Text, any_, bindparam, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import (
    SERVICE_ROLE,
    Prepared,
    database_now,
    is_out_of_service,
    move,
    open_engine,
    transaction,
)
from app.errors import DomainError
from app.ingest.tables import finding, package_progress
from app.postgres import EmbeddedPostgres
from tests.builders.clock import MovableClock
from tests.builders.rows import insert_row

KEY = {"school_id": 1}
PLAYED = datetime(2031, 7, 1, 17, 0, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, pool_size=2, as_service=False)
    async with engine.begin() as connection:
        await insert_row(connection, "package_progress")
    yield engine
    await engine.dispose()


async def state(engine: AsyncEngine) -> str:
    async with transaction(engine) as connection:
        return str((await connection.execute(select(package_progress.c.state))).scalar_one())


async def test_a_move_needs_the_state_it_starts_from(owner: AsyncEngine) -> None:
    async with transaction(owner) as connection:
        await move(connection, package_progress, KEY, source="received", target="processing")
    assert await state(owner) == "processing"
    with pytest.raises(DomainError) as refused:
        async with transaction(owner) as connection:
            await move(connection, package_progress, KEY, source="received", target="processing")
    assert (refused.value.code, refused.value.facts) == ("QH-020", {"state": "received"})


async def test_a_move_sets_what_goes_with_it(owner: AsyncEngine) -> None:
    async with transaction(owner) as connection:
        await move(
            connection, package_progress, KEY, source="received", target="processing", software_name="x"
        )
        name = await connection.scalar(select(package_progress.c.software_name))
    assert name == "x"


async def test_a_move_sets_what_the_database_computes(owner: AsyncEngine) -> None:
    async with transaction(owner) as connection:
        await move(connection, package_progress, KEY, source="received", target="processing")
        await move(
            connection, package_progress, KEY, source="processing", target="answered",
            answered_at=database_now(),
        )  # fmt: skip
        assert await connection.scalar(select(package_progress.c.answered_at)) is not None
        with pytest.raises(DomainError):
            await move(
                connection, package_progress, KEY, source="processing", target="answered",
                answered_at=database_now(),
            )  # fmt: skip


async def test_nothing_of_a_failed_transaction_stays(owner: AsyncEngine) -> None:
    async def move_and_fail() -> None:
        async with transaction(owner) as connection:
            await move(connection, package_progress, KEY, source="received", target="processing")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await move_and_fail()
    assert await state(owner) == "received"


async def test_the_service_works_as_its_role_and_in_utc(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=1)
    async with transaction(engine) as connection:
        row = (await connection.execute(text("SELECT current_user, current_setting('TimeZone')"))).one()
    await engine.dispose()
    assert tuple(row) == (SERVICE_ROLE, "UTC")


@pytest.mark.parametrize(
    "more", ["sslmode=prefer", "sslmode=disable&target_session_attrs=read-write", "lock_timeout=2s"]
)
async def test_an_address_may_hold_what_libpqs_hold(database_url: str, more: str) -> None:
    engine = open_engine(f"{database_url}&{more}", pool_size=1)
    async with transaction(engine) as connection:
        assert await connection.scalar(text("SELECT current_user")) == SERVICE_ROLE
    await engine.dispose()


async def test_the_next_of_several_hosts_is_tried(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """After a failover the service finds the server that takes writes, without a restart."""
    address = postgres.address
    url = (
        f"postgresql://{address.user}:{address.password}@/postgres"
        f"?host={tmp_path},{address.socket_folder}&port=1,{address.port}&target_session_attrs=read-write"
    )
    engine = open_engine(url, pool_size=1, as_service=False)
    async with transaction(engine) as connection:
        assert await connection.scalar(text("SELECT current_user")) == address.user
    await engine.dispose()


async def test_an_error_of_the_database_does_not_quote_the_values(owner: AsyncEngine) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with transaction(owner) as connection:
            await connection.execute(text("SELECT :name / 0 + length(:secret)"), {"name": 1, "secret": "An"})
    assert "parameters hidden" in str(caught.value)


async def test_only_a_declared_sandbox_takes_the_time_it_is_handed(
    owner: AsyncEngine, database_url: str
) -> None:
    engine = open_engine(database_url, pool_size=1, sandbox_clock=MovableClock(PLAYED))
    async with transaction(owner) as connection:
        await connection.execute(text("DELETE FROM sandbox"))
    async with transaction(engine) as connection:
        assert await connection.scalar(select(database_now())) != PLAYED
    async with transaction(owner) as connection:
        await connection.execute(text("INSERT INTO sandbox DEFAULT VALUES"))
    async with transaction(engine) as connection:
        assert await connection.scalar(select(database_now())) == PLAYED
    await engine.dispose()


@pytest.mark.parametrize(
    ("state", "is_out"),
    [
        ("08006", True),  # the connection is lost
        ("53100", True),  # the disk is full
        ("53300", True),  # too many connections
        ("57P01", True),  # the server is being stopped
        ("57P03", True),  # the server is starting
        ("58030", True),  # a file cannot be read
        ("57014", False),  # a statement took too long: it may be the statement's fault
        ("23505", False),
        ("22021", False),
        ("XX000", False),
    ],
)
async def test_what_the_database_cannot_help_is_told_from_what_was_asked(
    owner: AsyncEngine, state: str, *, is_out: bool
) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with transaction(owner) as connection:
            await connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))
    assert is_out_of_service(raised.value) is is_out


@pytest.mark.parametrize(("state", "is_out"), [("53100", True), ("57P01", True), ("22021", False)])
async def test_a_fault_told_by_the_driver_itself_is_known_as_well(
    owner: AsyncEngine, state: str, *, is_out: bool
) -> None:
    async with transaction(owner) as connection:
        await connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION pg_temp.fail(name text) RETURNS text LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION USING ERRCODE = name; END $$"
            )
        )
        failing = Prepared(select(func.pg_temp.fail(bindparam("state", type_=Text)).label("said")))
        with pytest.raises(DBAPIError) as raised:
            await failing.rows(connection, state=state)
        await connection.rollback()
    assert is_out_of_service(raised.value) is is_out


async def test_a_prepared_statement_gives_the_same_within_a_transaction_as_at_its_beginning(
    owner: AsyncEngine,
) -> None:
    held = Prepared(
        select(package_progress.c.state, package_progress.c.package_id).where(
            package_progress.c.school_id == any_(bindparam("schools", type_=ARRAY(Integer)))
        )
    )
    change = Prepared(
        update(package_progress).where(package_progress.c.school_id == bindparam("school")), "software_name"
    )
    async with transaction(owner) as connection:
        first = await held.rows(connection, schools=[1, 2])
        assert [dict(row) for row in await held.rows(connection, schools=[1, 2])] == first
        assert await change.count(connection, school=1, software_name="x") == 1
        assert await change.count(connection, school=9, software_name="x") == 0
    async with transaction(owner) as connection:
        assert await change.count(connection, school=1, software_name=None) == 1


def test_a_prepared_statement_reads_no_json() -> None:
    with pytest.raises(TypeError):
        Prepared(select(finding.c.facts))


async def test_a_connection_that_the_server_has_closed_is_not_used_again(
    owner: AsyncEngine, database_url: str
) -> None:
    engine = open_engine(database_url, pool_size=2)
    async with transaction(engine) as one, transaction(engine) as other:
        held = [await c.scalar(text("SELECT pg_backend_pid()")) for c in (one, other)]
    async with transaction(owner) as connection:
        for pid in held:
            await connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    async with transaction(engine) as connection:
        assert await connection.scalar(text("SELECT pg_backend_pid()")) not in held
    await engine.dispose()


def test_a_fault_of_our_own_is_no_outage() -> None:
    assert not is_out_of_service(ZeroDivisionError())
    assert is_out_of_service(ConnectionRefusedError())
