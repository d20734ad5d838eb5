"""How this service talks to PostgreSQL: engine, naming convention, transactions, the guarded move.

Owns no table but the sandbox's mark: each room declares its own in its ``tables.py`` on the metadata below.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final

import asyncpg
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    CursorResult,
    DateTime,
    MetaData,
    Table,
    bindparam,
    event,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.functions import Function

from app.clock import Clock
from app.errors import DomainError

# The role that the service works as: may insert evidence and read it, never change it.
SERVICE_ROLE: Final = "hocba_service"

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# One row, made by the owner alone, says that this database is for playing: see database_now().
sandbox: Final = Table(
    "sandbox",
    metadata,
    Column("declared_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


def database_now() -> Function[datetime]:
    """Give the SQL for the database's present moment, which is what law goes by.

    It is the wall clock, read when the statement runs; a database that its owner has declared a sandbox
    takes the moment that ``open_engine`` was handed, so that a whole school year can be played.
    """
    return func.hocba_now(type_=DateTime(timezone=True))


# What SQLAlchemy's form of an address has beyond libpq's.
_DRIVER: Final = re.compile(r"\+asyncpg:")


def open_engine(
    url: str, *, pool_size: int = 10, as_service: bool = True, sandbox_clock: Clock | None = None
) -> AsyncEngine:
    """Open a pool of connections; ``as_service`` drops each to the service's role as it is made.

    Args:
        url: address of a PostgreSQL 15 to 18 in libpq's form, read by the driver itself: it may hold several
            hosts, ``target_session_attrs``, ``sslmode`` and its files, and settings of the server.
        pool_size: connections kept; as many again may be opened under load.
        as_service: False only for migrations and administration of the database itself.
        sandbox_clock: what a sandbox takes for the present moment; any other database ignores it.
    """
    settings = {"application_name": "hocba", "timezone": "UTC", "jit": "off"}
    if as_service:
        settings["role"] = SERVICE_ROLE
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(asyncpg.connect, _DRIVER.sub(":", url, count=1), server_settings=settings),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    if sandbox_clock is not None:
        event.listen(engine.sync_engine, "begin", partial(_set_clock, sandbox_clock))
    return engine


def _set_clock(clock: Clock, connection: Connection) -> None:
    connection.execute(select(func.set_config("hocba.now", clock().isoformat(), True)))  # noqa: FBT003 - SQL's own


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection inside one transaction: committed at the end, undone by any exception."""
    async with engine.begin() as connection:
        yield connection


# SQLSTATEs of a server that cannot work now, whatever was asked (PostgreSQL's documentation, appendix A): its
# connection is lost, its disk, memory or connections are used up, it is starting or stopping, its files fail.
_OUT_OF_SERVICE: Final = ("08", "53", "57P", "58")


def is_out_of_service(error: BaseException) -> bool:
    """Say whether an exception tells that the database cannot work now, and nothing about what was asked."""
    if isinstance(error, OSError | OperationalError | InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or sqlstate_of(error).startswith(_OUT_OF_SERVICE)


def sqlstate_of(error: BaseException) -> str:
    """Give the SQLSTATE with which the database refused; empty where it said nothing. It quotes no row."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


async def move(
    connection: AsyncConnection,
    table: Table,
    key: Mapping[str, object],
    *,
    source: str,
    target: str,
    **values: object,
) -> None:
    """Move one row of a table with a life from a state to the next.

    Refuses with QH-020 where the row is not (or no longer) in the source state: somebody else was first,
    and a silent success would tell two people that they decided.
    """
    statement = (
        update(table)
        .where(*(table.c[name] == value for name, value in key.items()), table.c.state == source)
        .values(state=target, **values)
    )
    result: CursorResult[object] = await connection.execute(statement)
    if result.rowcount != 1:
        raise DomainError("QH-020", state=source)


async def copy_rows(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, all with the same columns, by COPY."""
    if not rows:
        return
    names = list(rows[0])
    written: list[Sequence[object]] = [[row[name] for row in rows] for name in names]
    for place, name in enumerate(names):
        if isinstance(table.c[name].type, JSONB):
            written[place] = [None if value is None else json.dumps(value) for value in written[place]]
    await copy_records(connection, table, names, list(zip(*written, strict=True)))


async def copy_records(
    connection: AsyncConnection, table: Table, columns: Sequence[str], records: Sequence[tuple[Any, ...]]
) -> None:
    """Insert records in the order of some columns by COPY, several times as fast as INSERT.

    The driver's own connection alone offers it, and is in no transaction before a first statement of ours.
    """
    if not records:
        return
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    if not driver.is_in_transaction():
        raise RuntimeError("rows are copied in a transaction that has begun")
    await driver.copy_records_to_table(table.name, columns=columns, records=records)


async def insert_absent(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, object]]
) -> int:
    """Insert those rows whose keys nobody has, in the given order, by one statement; gives how many."""
    if not rows:
        return 0
    columns = [table.c[name] for name in rows[0]]
    given = select(*(func.unnest(bindparam(f"all_{c.name}", type_=ARRAY(c.type))) for c in columns))
    result = await connection.execute(
        upsert(table).from_select([c.name for c in columns], given).on_conflict_do_nothing(),
        {f"all_{c.name}": [row[c.name] for row in rows] for c in columns},
    )
    return int(result.rowcount)
