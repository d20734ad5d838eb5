"""How this service talks to PostgreSQL: engine, naming convention, transactions, the guarded move.

Owns no table but the sandbox's mark: each room declares its own in its ``tables.py`` on the metadata below.
"""

import json
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import cache, partial
from typing import Any, Final

import asyncpg
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Delete,
    Dialect,
    Insert,
    MetaData,
    Select,
    Table,
    Update,
    any_,
    bindparam,
    event,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.compiler import SQLCompiler
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
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    if sandbox_clock is not None:
        event.listen(engine.sync_engine, "begin", partial(_set_clock, sandbox_clock))
    return engine


def _refuse_closed(held: Any, *_: object) -> None:
    """Let the pool make new connections where the server has closed this one.

    The driver knows: whoever kills a server closes its sockets. To ask the server takes three round trips.
    """
    if held.driver_connection.is_closed():
        raise InvalidatePoolError


def _set_clock(clock: Clock, connection: Connection) -> None:
    connection.execute(select(func.set_config("hocba.now", clock().isoformat(), True)))  # noqa: FBT003 - SQL's own


async def database_moment(connection: AsyncConnection) -> datetime:
    """Read the database's present moment: for rows that are copied, of which each would ask for its own."""
    moment: datetime = (await _MOMENT.rows(connection))[0]["moment"]
    return moment


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


def among(column: ColumnElement[Any], values: Collection[object]) -> ColumnElement[bool]:
    """Give the condition that a column holds one of many values, bound as one array.

    ``in_`` binds each value by itself, of which the protocol takes 32 767, and is written anew every time.
    """
    return column == any_(literal(list(values), ARRAY(column.type)))


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
    if any(isinstance(value, ColumnElement) for value in values.values()):
        # A statement of its own: what the database computes cannot be sent as a value.
        is_held = (table.c[name] == value for name, value in {**key, "state": source}.items())
        change = update(table).where(*is_held).values(state=target, **values)
        moved = (await connection.execute(change)).rowcount
    else:
        moved = await _guarded_move(table, tuple(key), tuple(values)).count(
            connection,
            **{f"key_{name}": value for name, value in key.items()},
            **values,
            key_state=source,
            state=target,
        )
    if moved != 1:
        raise DomainError("QH-020", state=source)


@cache
def _guarded_move(table: Table, key: tuple[str, ...], values: tuple[str, ...]) -> "Prepared":
    where = (table.c[name] == bindparam(f"key_{name}") for name in (*key, "state"))
    return Prepared(update(table).where(*where), "state", *values)


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
    driver = _driver(connection)
    if not driver.is_in_transaction():
        raise RuntimeError("rows are copied in a transaction that has begun")
    with _told_as_ours():
        await driver.copy_records_to_table(table.name, columns=columns, records=records)


async def insert_absent(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, object]]
) -> int:
    """Insert those rows whose keys nobody has, in the given order, by one statement; gives how many."""
    if not rows:
        return 0
    columns = tuple(rows[0])
    lists = {f"all_{name}": [row[name] for row in rows] for name in columns}
    return await _insert_absent(table, columns).count(connection, **lists)


@cache
def _insert_absent(table: Table, columns: tuple[str, ...]) -> "Prepared":
    named = [table.c[name] for name in columns]
    given = select(*(func.unnest(bindparam(f"all_{c.name}", type_=ARRAY(c.type))) for c in named))
    return Prepared(upsert(table).from_select([*columns], given).on_conflict_do_nothing())


_DIALECT: Final[Dialect] = make_url("postgresql+asyncpg://").get_dialect()()


class Prepared:
    """A statement that is put into words once, and sent by the driver itself: for what every package needs.

    SQLAlchemy takes six times as long as the driver to send a statement that it knows, sixteen times if it is
    built anew. The first statement of a transaction still goes through it, because it begins the transaction.

    Values are given by the names of ``bindparam``; ``written`` names the columns that an INSERT or UPDATE
    sets to values of their own names. Lists are compared with ``any_``; no column may be JSON.
    """

    def __init__(self, statement: Select[Any] | Insert | Update | Delete, *written: str) -> None:
        if any(isinstance(column.type, JSON) for column in getattr(statement, "exported_columns", ())):
            raise TypeError("the driver reads JSON as text")
        self._statement = statement
        compiled = statement.compile(dialect=_DIALECT, column_keys=written or None)
        assert isinstance(compiled, SQLCompiler)
        self._sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._parameters = [
            (name, compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
            for name in compiled.positiontup or ()
        ]

    async def rows(self, connection: AsyncConnection, **values: object) -> Sequence[Mapping[str, Any]]:
        """Give the rows that the statement finds or returns."""
        driver = _driver(connection)
        if not driver.is_in_transaction():
            found = await connection.execute(self._statement, values)
            return [dict(row) for row in found.mappings()]
        with _told_as_ours():
            rows: Sequence[Mapping[str, Any]] = await driver.fetch(self._sql, *self._in_order(values))
        return rows

    async def count(self, connection: AsyncConnection, **values: object) -> int:
        """Give how many rows the statement wrote."""
        driver = _driver(connection)
        if not driver.is_in_transaction():
            return int((await connection.execute(self._statement, values)).rowcount)
        with _told_as_ours():
            status = await driver.execute(self._sql, *self._in_order(values))
        return int(status.rpartition(" ")[2])

    def _in_order(self, values: Mapping[str, object]) -> Iterator[object]:
        for name, process in self._parameters:
            value = values[name] if name in values else self._fixed[name]
            yield value if process is None else process(value)


def _driver(connection: AsyncConnection) -> Any:
    """Give the driver's own connection, which shares the transaction."""
    return connection.sync_connection.connection.driver_connection  # type: ignore[union-attr]  # it is open


@contextmanager
def _told_as_ours() -> Iterator[None]:
    """Tell of a fault that the driver met as SQLAlchemy would, so that callers know one family of them."""
    try:
        yield
    except asyncpg.InterfaceError as error:
        raise InterfaceError(None, None, error, hide_parameters=True) from error
    except asyncpg.PostgresError as error:
        kind = IntegrityError if isinstance(error, asyncpg.IntegrityConstraintViolationError) else DBAPIError
        raise kind(None, None, error, hide_parameters=True) from error


_MOMENT: Final = Prepared(select(database_now().label("moment")))
