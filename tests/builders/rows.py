"""One valid row for any table, made from what the database says of its columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SCHOOL_YEAR: Final = 2025

_BY_TYPE: Final[Mapping[str, str]] = {
    "ARRAY": "'{}'",
    "boolean": "true",
    "bytea": "sha256('x')",
    "date": "'2025-09-05'",
    "integer": "1",
    "bigint": "1",
    "jsonb": "'{}'",
    "smallint": "1",
    "text": "'x'",
    "timestamp with time zone": "'2025-09-05T00:00:00Z'",
    "uuid": "'018f0000-0000-7000-8000-000000000001'",
}

# Where the type alone does not satisfy the column's CHECK.
_BY_NAME: Final[Mapping[str, str]] = {
    "arrival.kind": "'UPSTREAM_FINAL'",
    "arrival_progress.state": "'receiving'",
    "calendar_row.category": "'CONFIRMED'",
    "calendar_row.mode": "'HARD'",
    "calendar_row.stage": "'SCHOOL'",
    "certificate.role": "'NHA_TRUONG'",
    "certificate.state": "'pending'",
    "enrolment_pupil.movement": "'enrolled'",
    "enrolment_roll.form": "'csv'",
    "exemption.state": "'registered'",
    "explanation.state": "'given'",
    "extension.state": "'requested'",
    "forwarding.state": "'pending'",
    "item.record_id": "'018f0000-0000-7000-8000-000000000002'",
    "item.state": "'held'",
    "ocsp_response.status": "'good'",
    "organisation.kind": "'ministry'",
    "package_progress.state": "'received'",
    "recall.state": "'requested'",
    "recall_event.kind": "'requested'",
    "recall_item.state": "'requested'",
    "receipt.kind": "'acceptance'",
    "record_event.kind": "'recorded'",
    "snapshot.kind": "'UPSTREAM_FINAL'",
    "snapshot_override.kind": "'UPSTREAM_FINAL'",
    "transfer.state": "'released'",
    "transfer.to_school_id": "2",
    "transfer_item.state": "'released'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    name: str
    type: str
    is_needed: bool


async def columns_of(connection: AsyncConnection, table: str) -> list[Column]:
    rows = await connection.execute(
        text(
            "SELECT column_name, data_type, "
            "is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' AS is_needed "
            "FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :table "
            "ORDER BY ordinal_position"
        ),
        {"table": table},
    )
    return [Column(name=row.column_name, type=row.data_type, is_needed=row.is_needed) for row in rows]


async def insert_row(connection: AsyncConnection, table: str, **given: str) -> None:
    """Insert a row as the superuser, references unchecked; ``given`` holds SQL literals."""
    values = {
        column.name: given.get(column.name) or _value(table, column)
        for column in await columns_of(connection, table)
        if column.is_needed or column.name in given or f"{table}.{column.name}" in _BY_NAME
    }
    await connection.execute(text("SET LOCAL session_replication_role = replica"))
    await connection.execute(
        text(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})")
    )
    await connection.execute(text("SET LOCAL session_replication_role = origin"))


def _value(table: str, column: Column) -> str:
    if column.name == "school_year":
        return str(SCHOOL_YEAR)
    return _BY_NAME.get(f"{table}.{column.name}") or _BY_TYPE[column.type]
