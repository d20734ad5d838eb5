"""Filling a ledger: one class that was really judged, as often as it takes, as fast as PostgreSQL can.

The rows are those of the seed's class with new ids. Indexes and keys are taken off a table, its rows are
written, and what was taken off is made again by sorting: many times as fast as entering each row into each
index, and what comes of it is the same. Two tables are filled at a time.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

CLASSES: Final = 12  # of one school
FIRST_SCHOOL: Final = 1_000_000
# So many copies are in the seed's own province, however large the ledger: what a snapshot is sealed of.
OWN_PROVINCE: Final = 5_000
OTHER_PROVINCES: Final = 33
RECEIVED: Final = "timestamptz '2026-06-01 08:00+07'"
# What of a row is new in a copy: SQL with the seed's row as s and the number of the copy as c.
NEW: Final = {
    "school_id": f"{FIRST_SCHOOL} + c / {CLASSES}",
    "record_id": "md5(c || ':' || s.record_id)::uuid",
    "package_id": "md5(c || ':' || s.package_id)::uuid",
    "id": "md5(c || ':' || s.id)::uuid",
    "pupil_key": "'id:' || c || ':' || s.pupil_key",
    "student_code": "c || ':' || s.student_code",
    "identity_number": "NULL",
    "leans_on": "md5(c || ':' || s.leans_on)::uuid",
    "content_sha256": "sha256((c || ':' || s.record_id)::bytea)",
    "xml": "'\\x00'::bytea",
    "payload": "'\\x00'::bytea",
    "jws": "''",
    "verdict": "NULL",
    "received_at": RECEIVED,
}
# The largest first, so that both hands are busy to the end.
TABLES: Final = (
    "record", "item", "receipt", "record_claim", "record_signature", "record_event", "item_event",
    "active_record", "active_pupil_code", "package", "package_claim", "package_progress", "package_event",
)  # fmt: skip
HANDS: Final = 2
_FILLING: Final = {"fsync": "off", "full_page_writes": "off", "checkpoint_timeout": "'1h'"}
_WHAT_STANDS: Final = """
SELECT 'ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(conname) AS taken_off,
    'ALTER TABLE ' || conrelid::regclass || ' ADD CONSTRAINT ' || quote_ident(conname) || ' '
        || pg_get_constraintdef(oid) AS made_again
FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u')
UNION ALL
SELECT 'DROP INDEX ' || indexrelid::regclass, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
FROM pg_index WHERE indrelid = $1::text::regclass
    AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
"""
_LONG: Final = 7200.0


async def multiply(dsn: str, seed: int, copies: int) -> None:
    """Copy the seed school's class so many times, into schools of twelve classes."""
    async with _open(dsn) as connection:
        await _found_schools(connection, seed, copies)
        await _set(connection, _FILLING)
    waiting = list(TABLES)
    async with asyncio.TaskGroup() as group:
        for _ in range(HANDS):
            group.create_task(_fill(dsn, waiting, seed, copies))
    async with _open(dsn) as connection:
        await _set(connection, dict.fromkeys(_FILLING))
        await connection.execute("CHECKPOINT", timeout=_LONG)
    await asyncio.to_thread(os.sync)  # what is still to be written would disturb what is measured


async def _found_schools(connection: asyncpg.Connection, seed: int, copies: int) -> None:
    """Found the schools that the copies fill, each changed once; all but the first in other provinces."""
    province = (
        f"CASE WHEN n < {OWN_PROVINCE // CLASSES} THEN province_code "
        f"ELSE 'p' || lpad((n % {OTHER_PROVINCES})::text, 2, '0') END"
    )
    await connection.execute(
        "INSERT INTO organisation "  # noqa: S608 - numbers of ours
        "(id, code, kind, name, parent_id, province_code, levels, valid_from) OVERRIDING SYSTEM VALUE "
        f"SELECT {FIRST_SCHOOL} + n, 'X' || n, kind, name, parent_id, {province}, levels, valid_from "
        f"FROM organisation, generate_series(0, {copies // CLASSES}) AS n WHERE id = {seed}"
    )
    await connection.execute(
        "INSERT INTO school_change (school_id, school_year, changes) "
        "SELECT id, 2025, 1 FROM organisation WHERE id >= $1",
        FIRST_SCHOOL,
    )
    await connection.execute("ANALYZE organisation")


async def _fill(dsn: str, waiting: list[str], seed: int, copies: int) -> None:
    """Fill tables, one after the other, until none waits."""
    async with _open(dsn) as connection:
        while waiting:
            table = waiting.pop(0)
            standing = await connection.fetch(_WHAT_STANDS, table)
            for row in standing:
                await connection.execute(row["taken_off"])
            await _copy(connection, table, seed, copies)
            for row in standing:
                await connection.execute(row["made_again"], timeout=_LONG)
            await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=_LONG)


async def _copy(connection: asyncpg.Connection, table: str, seed: int, copies: int) -> None:
    names: Sequence[str] = [
        row["attname"]
        for row in await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum",
            table,
        )
    ]
    await connection.execute(
        f"CREATE TEMP TABLE seed AS SELECT * FROM {table} WHERE school_id = {seed}"  # noqa: S608 - as above
    )
    values = ", ".join(NEW.get(name, f's."{name}"') for name in names)
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608 - as above
        f"SELECT {values} FROM generate_series(0, {copies - 1}) AS c, seed AS s",
        timeout=_LONG,
    )
    await connection.execute("DROP TABLE seed")


async def _set(connection: asyncpg.Connection, settings: Mapping[str, str | None]) -> None:
    """Change the server's settings for as long as it takes to fill; None gives the usual one back."""
    for name, value in settings.items():
        change = f"RESET {name}" if value is None else f"SET {name} = {value}"
        await connection.execute(f"ALTER SYSTEM {change}")
    await connection.execute("SELECT pg_reload_conf()")


@asynccontextmanager
async def _open(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, timeout=600)
    try:
        await connection.execute(
            "SET synchronous_commit = off; SET maintenance_work_mem = '1GB'; "
            "SET max_parallel_maintenance_workers = 0"
        )
        yield connection
    finally:
        await connection.close()
