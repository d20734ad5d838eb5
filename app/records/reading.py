"""Reading the ledger: one record, its bytes, its signatures and events, one pupil's years.

What the caller may see is decided by the caller: every question takes the scope.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import zstandard
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.organisations.tables import organisation
from app.records.entry import SignatureView
from app.records.status import RecordEventKind
from app.records.tables import custody, record, record_claim, record_event, record_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """What is known of a record besides its bytes."""

    record_id: UUID
    school_id: int
    school_code: str
    province_code: str
    school_year: int
    package_id: UUID
    position: int
    xml_sha256: bytes
    content_sha256: bytes
    format_version: str
    policy_version: str
    circular: str
    level: str
    grade: int
    class_name: str
    student_code: str
    full_name: str
    born_on: date
    is_completed: bool
    is_digitised: bool
    replaces: UUID | None
    issued_on: date
    received_at: datetime
    is_late: bool
    calendar_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One thing that happened to a record."""

    kind: RecordEventKind
    at: datetime
    facts: dict[str, str]


_COLUMNS = [
    organisation.c.code.label("school_code"),
    organisation.c.province_code,
    *(record.c[name] for name in RecordView.__dataclass_fields__ if name in record.c),
]

# Given a column that holds a school, the condition that the caller may read what concerns it.
Scope = Callable[[ColumnElement[int]], ColumnElement[bool]]


def _may_read(
    issuer: ColumnElement[int], record_id: ColumnElement[UUID], scope: Scope
) -> ColumnElement[bool]:
    """Give the condition that a school in scope issued a record, or manages it since it was handed over."""
    return or_(scope(issuer), record_id.in_(select(custody.c.record_id).where(scope(custody.c.school_id))))


async def find_record(connection: AsyncConnection, record_id: UUID, scope: Scope) -> RecordView | None:
    """Find a record by its look-up code; None where there is none, or none in scope."""
    claim = (
        await connection.execute(
            select(record_claim.c.school_id, record_claim.c.school_year).where(
                record_claim.c.record_id == record_id,
                _may_read(record_claim.c.school_id, record_claim.c.record_id, scope),
            )
        )
    ).one_or_none()
    if claim is None:
        return None
    row = (
        await connection.execute(
            select(*_COLUMNS)
            .join(organisation, organisation.c.id == record.c.school_id)
            .where(
                record.c.school_id == claim.school_id,
                record.c.school_year == claim.school_year,
                record.c.record_id == record_id,
            )
        )
    ).one()
    return RecordView(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a mapping


async def pupil_records(connection: AsyncConnection, student_id: str, scope: Scope) -> Sequence[RecordView]:
    """Give all years of the pupil with this pupil code or identity number, oldest school year first.

    Years are linked by the pupil's identity, whichever of the two the caller knows.
    """
    keys = select(record.c.pupil_key).where(
        or_(record.c.student_code == student_id, record.c.pupil_key == f"id:{student_id}"),
        _may_read(record.c.school_id, record.c.record_id, scope),
    )
    rows = await connection.execute(
        select(*_COLUMNS)
        .join(organisation, organisation.c.id == record.c.school_id)
        .where(record.c.pupil_key.in_(keys), _may_read(record.c.school_id, record.c.record_id, scope))
        .order_by(record.c.school_year, record.c.received_at, record.c.record_id)
    )
    return [RecordView(**row._mapping) for row in rows]  # noqa: SLF001 - as above


async def read_xml(connection: AsyncConnection, view: RecordView) -> bytes:
    """Give the bytes that were verified, unchanged."""
    row = (
        await connection.execute(
            select(record.c.xml).where(
                record.c.school_id == view.school_id,
                record.c.school_year == view.school_year,
                record.c.record_id == view.record_id,
            )
        )
    ).one()
    return zstandard.ZstdDecompressor().decompress(row.xml)


async def events_of(connection: AsyncConnection, view: RecordView) -> Sequence[EventView]:
    """Give what happened to a record, oldest first."""
    rows = await connection.execute(
        select(record_event.c.kind, record_event.c.at, record_event.c.facts)
        .where(
            record_event.c.school_id == view.school_id,
            record_event.c.school_year == view.school_year,
            record_event.c.record_id == view.record_id,
        )
        .order_by(record_event.c.at, record_event.c.id)
    )
    return [EventView(kind=RecordEventKind(row.kind), at=row.at, facts=row.facts) for row in rows]


async def signatures_of(connection: AsyncConnection, view: RecordView) -> Sequence[SignatureView]:
    """Give a record's signatures in document order, as they were judged."""
    columns = [record_signature.c[name] for name in SignatureView.__dataclass_fields__]
    rows = await connection.execute(
        select(*columns)
        .where(
            record_signature.c.school_id == view.school_id,
            record_signature.c.school_year == view.school_year,
            record_signature.c.record_id == view.record_id,
        )
        .order_by(record_signature.c.position)
    )
    return [SignatureView(**row._mapping) for row in rows]  # noqa: SLF001 - as above
