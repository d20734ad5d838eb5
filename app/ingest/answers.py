"""Reading what became of packages: one package with its items, the feed, what is known of a digest.

What the caller may see is decided by the caller: every question takes the scope.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, func, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import database_now
from app.findings import Finding
from app.ingest.package import ItemState, PackageState
from app.ingest.receipts import ReceiptKind
from app.ingest.tables import finding, item, item_event, package, package_claim, package_progress, receipt
from app.jobs import job
from app.organisations.tables import organisation
from app.records.tables import record

# Given a column that holds a school, the condition that the caller may read what concerns it.
Scope = Callable[[ColumnElement[int]], ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageView:
    """A package and how far its answer has come; counts are of items that have an answer."""

    package_id: UUID
    school_id: int
    school_code: str
    school_year: int
    schema_version: str
    sha256: bytes
    size: int
    is_atomic: bool
    received_at: datetime
    state: PackageState
    answered_at: datetime | None
    reply_read_at: datetime | None
    software_name: str | None
    software_version: str | None
    total: int | None
    acknowledgement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """The answer for one transcript."""

    position: int
    record_id: UUID | None
    outcome: ItemState
    is_repeat: bool
    is_late: bool
    content_sha256: bytes | None
    findings: Sequence[Finding]
    receipt: str | None


_VIEW = (
    select(
        package.c.package_id,
        package.c.school_id,
        organisation.c.code.label("school_code"),
        package.c.school_year,
        package.c.schema_version,
        package.c.sha256,
        func.octet_length(package.c.payload).label("size"),
        package.c.is_atomic,
        package.c.received_at,
        package_progress.c.state,
        package_progress.c.answered_at,
        package_progress.c.reply_read_at,
        package_progress.c.software_name,
        package_progress.c.software_version,
        package_progress.c.total,
        receipt.c.jws.label("acknowledgement"),
    )
    .join(organisation, organisation.c.id == package.c.school_id)
    .join(
        package_progress,
        and_(
            package_progress.c.school_id == package.c.school_id,
            package_progress.c.package_id == package.c.package_id,
        ),
    )
    .join(
        receipt,
        and_(
            receipt.c.school_id == package.c.school_id,
            receipt.c.school_year == package.c.school_year,
            receipt.c.package_id == package.c.package_id,
            receipt.c.position == 0,
            receipt.c.kind == ReceiptKind.ACKNOWLEDGEMENT,
        ),
    )
)


# The record that an accepted item became, or had become before.
_IS_ACCEPTED_AS = and_(
    item.c.state == ItemState.ACCEPTED,
    record.c.school_id == item.c.school_id,
    record.c.school_year == item.c.school_year,
    record.c.record_id == item.c.record_id,
)


async def find_package(connection: AsyncConnection, package_id: UUID, scope: Scope) -> PackageView | None:
    """Find a package by its id; None where there is none, or none in scope."""
    school_id = (
        await connection.execute(
            select(package_claim.c.school_id).where(
                package_claim.c.package_id == package_id, scope(package_claim.c.school_id)
            )
        )
    ).scalar_one_or_none()
    if school_id is None:
        return None
    row = (
        await connection.execute(
            _VIEW.where(package.c.school_id == school_id, package.c.package_id == package_id)
        )
    ).one()
    return _package_view(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a mapping


def _package_view(row: RowMapping) -> PackageView:
    return PackageView(**{**row, "state": PackageState(str(row["state"]))})


async def read_payload(connection: AsyncConnection, view: PackageView) -> bytes:
    """Give the gzip as it was received."""
    row = await connection.execute(
        select(package.c.payload).where(
            package.c.school_id == view.school_id, package.c.package_id == view.package_id
        )
    )
    return bytes(row.scalar_one())


async def count_outcomes(connection: AsyncConnection, view: PackageView) -> Mapping[ItemState, int]:
    """Count a package's items by answer."""
    rows = await connection.execute(
        select(item.c.state, func.count())
        .where(
            item.c.school_id == view.school_id,
            item.c.school_year == view.school_year,
            item.c.package_id == view.package_id,
        )
        .group_by(item.c.state)
    )
    found = {ItemState(state): count for state, count in rows}
    return {state: found.get(state, 0) for state in ItemState}


async def package_findings(connection: AsyncConnection, view: PackageView) -> Sequence[Finding]:
    """Give what was found against the package as a whole."""
    return (await _findings(connection, view, positions=[0])).get(0, [])


async def package_items(
    connection: AsyncConnection, view: PackageView, outcome: ItemState | None
) -> Sequence[ItemView]:
    """Give the answers of a package in document order, each with its findings and its latest receipt."""
    rows = (
        await connection.execute(
            select(item, record.c.is_late)
            .outerjoin(record, _IS_ACCEPTED_AS)
            .where(
                item.c.school_id == view.school_id,
                item.c.school_year == view.school_year,
                item.c.package_id == view.package_id,
                true() if outcome is None else item.c.state == outcome,
            )
            .order_by(item.c.position)
        )
    ).all()
    positions = [row.position for row in rows]
    findings = await _findings(connection, view, positions=positions)
    receipts = await _receipts(connection, view, positions=positions)
    return [
        ItemView(
            position=row.position,
            record_id=row.record_id,
            outcome=ItemState(row.state),
            is_repeat=row.is_repeat,
            is_late=bool(row.is_late),
            content_sha256=row.content_sha256,
            findings=findings.get(row.position, []),
            receipt=receipts.get(row.position),
        )
        for row in rows
    ]


async def _findings(
    connection: AsyncConnection, view: PackageView, *, positions: Sequence[int]
) -> Mapping[int, list[Finding]]:
    """Give findings by position: those of the latest judgement of each (position 0 has one only)."""
    latest = (
        select(item_event.c.position, func.max(item_event.c.round).label("round"))
        .where(
            item_event.c.school_id == view.school_id,
            item_event.c.school_year == view.school_year,
            item_event.c.package_id == view.package_id,
        )
        .group_by(item_event.c.position)
        .subquery()
    )
    rows = await connection.execute(
        select(finding)
        .join(latest, latest.c.position == finding.c.position, isouter=True)
        .where(
            func.coalesce(latest.c.round, finding.c.round) == finding.c.round,
            finding.c.school_id == view.school_id,
            finding.c.school_year == view.school_year,
            finding.c.package_id == view.package_id,
            finding.c.position.in_(positions),
        )
        .order_by(finding.c.position, finding.c.sequence)
    )
    found: dict[int, list[Finding]] = {}
    for row in rows:
        found.setdefault(row.position, []).append(
            Finding(code=row.code, xpath=row.xpath, line=row.line, value=row.value, facts=row.facts)
        )
    return found


async def _receipts(
    connection: AsyncConnection, view: PackageView, *, positions: Sequence[int]
) -> Mapping[int, str]:
    rows = await connection.execute(
        select(receipt.c.position, receipt.c.jws)
        .where(
            receipt.c.school_id == view.school_id,
            receipt.c.school_year == view.school_year,
            receipt.c.package_id == view.package_id,
            receipt.c.position.in_(positions),
        )
        .order_by(receipt.c.position, receipt.c.round)
    )
    return {row.position: row.jws for row in rows}


async def record_receipt(
    connection: AsyncConnection, *, school_id: int, school_year: int, record_id: UUID
) -> str | None:
    """Give the receipt with which a record was accepted."""
    found = await record_receipts(
        connection, school_id=school_id, school_year=school_year, record_ids=[record_id]
    )
    return found.get(record_id)


async def record_receipts(
    connection: AsyncConnection, *, school_id: int, school_year: int, record_ids: Sequence[UUID]
) -> Mapping[UUID, str]:
    """Give the receipts with which records of a school and year were accepted, each the first one given."""
    if not record_ids:
        return {}
    rows = await connection.execute(
        select(receipt.c.record_id, receipt.c.jws)
        .ext(distinct_on(receipt.c.record_id))
        .where(
            receipt.c.school_id == school_id,
            receipt.c.school_year == school_year,
            receipt.c.record_id.in_(record_ids),
            receipt.c.kind == ReceiptKind.ACCEPTANCE,
        )
        .order_by(receipt.c.record_id, receipt.c.package_id, receipt.c.round)
    )
    return {row.record_id: row.jws for row in rows}


async def mark_read(connection: AsyncConnection, view: PackageView) -> None:
    """Note that the sender has fetched the answer; only the first time counts."""
    await connection.execute(
        update(package_progress)
        .where(
            package_progress.c.school_id == view.school_id,
            package_progress.c.package_id == view.package_id,
            package_progress.c.state == PackageState.ANSWERED,
            package_progress.c.reply_read_at.is_(None),
        )
        .values(reply_read_at=database_now())
    )


async def is_stuck(connection: AsyncConnection, view: PackageView) -> bool:
    """Say whether our own fault keeps a package from its answer, so that an operator must act."""
    rows = await connection.execute(
        select(job.c.id).where(job.c.ref == view.package_id, job.c.dead_at.is_not(None)).limit(1)
    )
    return rows.one_or_none() is not None


async def feed(
    connection: AsyncConnection,
    *,
    scope: Scope,
    state: PackageState | None,
    since: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[PackageView]:
    """List packages by the moment they were received, oldest first, from ``since`` (included) on."""
    statement = (
        _VIEW.where(scope(package.c.school_id))
        .order_by(package.c.received_at, package.c.package_id)
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(package_progress.c.state == state)
    if since is not None:
        statement = statement.where(package.c.received_at >= since)
    if after is not None:
        statement = statement.where(tuple_(package.c.received_at, package.c.package_id) > after)
    return [_package_view(row._mapping) for row in await connection.execute(statement)]  # noqa: SLF001 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """One place where a digest is known: a package as sent, or an item with its answer."""

    package_id: UUID
    position: int | None
    record_id: UUID | None
    outcome: ItemState | None
    state: PackageState
    received_at: datetime


async def known_by_digest(connection: AsyncConnection, sha256: bytes, scope: Scope) -> Sequence[DigestView]:
    """Say where a digest is known: of a package's bytes, or of a transcript's signed content.

    The answer is the same whether the sender ever saw an earlier one: it is read from what is stored.
    """
    progress = and_(
        package_progress.c.school_id == package.c.school_id,
        package_progress.c.package_id == package.c.package_id,
    )
    packages = await connection.execute(
        select(package.c.package_id, package.c.received_at, package_progress.c.state)
        .join(package_progress, progress)
        .where(package.c.sha256 == sha256, scope(package.c.school_id))
        .order_by(package.c.received_at)
    )
    items = await connection.execute(
        select(item, package.c.received_at, package_progress.c.state.label("package_state"))
        .join(
            package,
            and_(package.c.school_id == item.c.school_id, package.c.package_id == item.c.package_id),
        )
        .join(package_progress, progress)
        .where(item.c.content_sha256 == sha256, scope(item.c.school_id))
        .order_by(package.c.received_at, item.c.position)
    )
    return [
        DigestView(
            package_id=row.package_id,
            position=None,
            record_id=None,
            outcome=None,
            state=PackageState(row.state),
            received_at=row.received_at,
        )
        for row in packages
    ] + [
        DigestView(
            package_id=row.package_id,
            position=row.position,
            record_id=row.record_id,
            outcome=ItemState(row.state),
            state=PackageState(row.package_state),
            received_at=row.received_at,
        )
        for row in items
    ]
