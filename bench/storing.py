"""The contenders' database: the same rows of a judged package, stored in each contender's way.

All on one PostgreSQL with the product's schema, into empty tables with all their indexes, fsync on.

naive      the ORM: an object a row, ``add_all``, commit
competent  SQLAlchemy Core: an ``insert`` of many rows for each table, commit
ours       COPY for each table, commit

What is told is processor time: of this process, which encodes and sends, and of PostgreSQL.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import registry

from app.db import copy_rows, open_engine, transaction
from app.ingest.reply import write_outcomes
from app.ingest.tables import item, item_event, receipt
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database
from app.records import append, hold_places
from app.records.packing import pack
from app.records.tables import (
    active_pupil_code,
    active_record,
    record,
    record_claim,
    record_event,
    record_signature,
)
from app.schema import upgrade_schema
from bench.contenders import NOW, examined, seal_answers, weighed
from bench.documents import Load
from bench.station import postgres_seconds

TABLES: Final = (
    record_claim, active_record, active_pupil_code, record, record_signature, record_event, item, item_event,
    receipt,
)  # fmt: skip
Rows = Mapping[Table, Sequence[Mapping[str, Any]]]


async def _by_objects(engine: AsyncEngine, rows: Rows) -> None:
    async with AsyncSession(engine) as session:
        for table, listed in rows.items():
            session.add_all([_OBJECTS[table](**row) for row in listed])
        await session.commit()


async def _by_inserts(engine: AsyncEngine, rows: Rows) -> None:
    async with transaction(engine) as connection:
        for table, listed in rows.items():
            await connection.execute(insert(table), listed)


async def _by_copy(engine: AsyncEngine, rows: Rows) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text("SELECT 1"))  # begins the transaction
        for table, listed in rows.items():
            await copy_rows(connection, table, listed)


WAYS: Final[Mapping[str, Callable[[AsyncEngine, Rows], Awaitable[None]]]] = {
    "ours": _by_copy,
    "competent": _by_inserts,
    "naive": _by_objects,
}


def _mapped(table: Table) -> type[Any]:
    made = type(f"Mapped_{table.name}", (), {})
    registry().map_imperatively(made, table)
    return made


_OBJECTS: Final = {table: _mapped(table) for table in TABLES}


class Store:
    """An embedded PostgreSQL with the product's schema."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="hocba-bench-"))
        self._home.chmod(0o711)
        self._postgres = EmbeddedPostgres(self._home / "postgres", durable=True)
        self._runner = asyncio.Runner()
        self._engine: AsyncEngine

    def __enter__(self) -> Self:
        self._postgres.start()
        self._runner.run(create_database(self._postgres.dsn("postgres"), "stored"))
        url = self._postgres.sqlalchemy_url("stored")
        self._runner.run(upgrade_schema(url))
        self._engine = open_engine(url, pool_size=1, as_service=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._engine.dispose())
        self._runner.close()
        self._postgres.stop()
        shutil.rmtree(self._postgres.folder, ignore_errors=True)
        shutil.rmtree(self._home, ignore_errors=True)

    def rows_of(self, load: Load) -> Rows:
        """Record a package as the worker does, and give the rows that came of it."""
        return self._runner.run(self._rows_of(load))

    async def _rows_of(self, load: Load) -> Rows:
        outcomes = weighed(load, examined(load))
        entries = [outcome.entry for outcome in outcomes if outcome.entry is not None]
        async with transaction(self._engine) as connection:
            await _empty(connection)
            await hold_places(connection, entries)
            await append(connection, entries, now=NOW, packed=pack(entries, {}))
            await write_outcomes(
                connection, load.origin, outcomes, turn=1, signed=seal_answers(load, outcomes)
            )
            return {
                table: [dict(row) for row in (await connection.execute(select(table))).mappings()]
                for table in TABLES
            }

    def processor_microseconds(self, way: str, rows: Rows, transcripts: int) -> float:
        """Store the rows in one of the ways; gives the processor time for one transcript."""
        return self._runner.run(self._store(way, rows)) * 1e6 / transcripts

    async def _store(self, way: str, rows: Rows) -> float:
        async with transaction(self._engine) as connection:
            await _empty(connection)
        before = time.process_time() + postgres_seconds(self._postgres)
        await WAYS[way](self._engine, rows)
        return time.process_time() + postgres_seconds(self._postgres) - before


async def _empty(connection: AsyncConnection) -> None:
    """Empty the tables, whose triggers rest meanwhile: this ledger is for measuring alone."""
    await connection.execute(text("SET LOCAL session_replication_role = replica"))
    await connection.execute(text(f"TRUNCATE {', '.join(table.name for table in TABLES)}"))
    await connection.execute(text("SET LOCAL session_replication_role = origin"))
