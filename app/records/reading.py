"""Reading the ledger: one record, its bytes, its signatures and events, one pupil's years.

What the caller may see is decided by the caller: every question takes the scope.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.organisations.tables import organisation
from app.records.entry import SignatureView
from app.records.packing import unpack
from app.records.status import RecordEventKind
from app.records.tables import custody, record, record_claim, record_event, record_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """What is known of a record besides its bytes."""

    record_id: UUID
    school_id: int
    school_code: str
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
class SignedRecord:
    """A record with one of its signatures."""

    record: RecordView
    role: str
    position: int
    signed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCount:
    """How many records a certificate has signed, and what has become of them."""

    standing: int
    recalled: int
    replaced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One thing that happened to a record."""

    kind: RecordEventKind
    at: datetime
    facts: dict[str, str]


_COLUMNS = [
    organisation.c.code.label("school_code"),
    *(record.c[name] for name in RecordView.__dataclass_fields__ if name in record.c),
]

# Given a column that holds a school, the condition that the caller may read what concerns it.
Scope = Callable[[ColumnElement[int]], ColumnElement[bool]]


def _may_read(
    issuer: ColumnElement[int], record_id: ColumnElement[UUID], scope: Scope
) -> ColumnElement[bool]:
    """Give the condition that a school in scope issued a record, or manages it since it was handed over.

    Custody is asked for the one record: what an authority's schools have taken over may be very much.
    """
    return or_(scope(issuer), exists().where(custody.c.record_id == record_id, scope(custody.c.school_id)))


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


async def signed_with(
    connection: AsyncConnection,
    fingerprint: str,
    scope: Scope,
    *,
    since: datetime | None = None,
    after: tuple[datetime, UUID, int] | None = None,
    limit: int,
) -> Sequence[SignedRecord]:
    """Give the records in scope that a certificate has signed (since a signing time), oldest first.

    Args:
        connection: for reading.
        fingerprint: SHA-256 of the certificate's DER.
        scope: what the caller may see; as for a look-up code, who manages a record sees it too.
        since: aware; signing times from then on.
        after: signing time, look-up code and position of the last one seen.
        limit: at most so many.
    """
    signature = record_signature.c
    order = (signature.signed_at, signature.record_id, signature.position)
    statement = (
        select(*_COLUMNS, signature.role, signature.position.label("signature"), signature.signed_at)
        .select_from(record_signature)
        .join(record, _is_of_record())
        .join(organisation, organisation.c.id == record.c.school_id)
        .where(signature.fingerprint == fingerprint, signature.signed_at.is_not(None))
        .where(_may_read(signature.school_id, signature.record_id, scope))
        .order_by(*order)
        .limit(limit)
    )
    if since is not None:
        statement = statement.where(signature.signed_at >= since)
    if after is not None:
        statement = statement.where(tuple_(*order) > tuple_(*after))
    return [
        SignedRecord(
            record=RecordView(**{name: getattr(row, name) for name in RecordView.__dataclass_fields__}),
            role=row.role,
            position=row.signature,
            signed_at=row.signed_at,
        )
        for row in await connection.execute(statement)
    ]


async def count_signed_with(
    connection: AsyncConnection, fingerprint: str, scope: Scope, *, since: datetime | None = None
) -> SignedCount:
    """Count what ``signed_with`` gives, a record once, by what has become of it."""
    signature = record_signature.c
    signed = (
        select(signature.school_id, signature.school_year, signature.record_id)
        .where(signature.fingerprint == fingerprint, signature.signed_at.is_not(None))
        .where(_may_read(signature.school_id, signature.record_id, scope))
        .distinct()
    )
    if since is not None:
        signed = signed.where(signature.signed_at >= since)
    found = signed.subquery()

    def has_ended(kind: RecordEventKind) -> ColumnElement[bool]:
        return exists().where(
            record_event.c.school_id == found.c.school_id,
            record_event.c.school_year == found.c.school_year,
            record_event.c.record_id == found.c.record_id,
            record_event.c.kind == kind,
        )

    is_recalled, is_replaced = has_ended(RecordEventKind.RECALLED), has_ended(RecordEventKind.REPLACED)
    row = (
        await connection.execute(
            select(
                func.count().filter(~is_recalled & ~is_replaced).label("standing"),
                func.count().filter(is_recalled).label("recalled"),
                func.count().filter(~is_recalled & is_replaced).label("replaced"),
            ).select_from(found)
        )
    ).one()
    return SignedCount(standing=row.standing, recalled=row.recalled, replaced=row.replaced)


def _is_of_record() -> ColumnElement[bool]:
    return and_(
        record.c.school_id == record_signature.c.school_id,
        record.c.school_year == record_signature.c.school_year,
        record.c.record_id == record_signature.c.record_id,
    )


async def ledger_page(
    connection: AsyncConnection, *, after: tuple[int, int, UUID] | None, limit: int
) -> Sequence[RecordView]:
    """Give the next records of the whole ledger in the order of its key, for whoever goes through all of it.

    Args:
        connection: for reading.
        after: school, school year and look-up code of the last one seen.
        limit: at most so many.
    """
    key = (record.c.school_id, record.c.school_year, record.c.record_id)
    statement = select(*_COLUMNS).join(organisation, organisation.c.id == record.c.school_id)
    if after is not None:
        statement = statement.where(tuple_(*key) > tuple_(*after))
    rows = await connection.execute(statement.order_by(*key).limit(limit))
    return [RecordView(**row._mapping) for row in rows]  # noqa: SLF001 - as above


async def read_xml(connection: AsyncConnection, view: RecordView) -> bytes:
    """Give the bytes that were verified, unchanged.

    Raises:
        DamagedRecordError: what is kept does not give them.
    """
    base = record.alias("base")
    row = (
        await connection.execute(
            select(record.c.xml, base.c.xml.label("base"))
            .outerjoin(
                base,
                and_(
                    base.c.school_id == record.c.school_id,
                    base.c.school_year == record.c.school_year,
                    base.c.record_id == record.c.leans_on,
                ),
            )
            .where(
                record.c.school_id == view.school_id,
                record.c.school_year == view.school_year,
                record.c.record_id == view.record_id,
            )
        )
    ).one()
    return unpack(view.record_id, row.xml, xml_sha256=view.xml_sha256, base=row.base)


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
