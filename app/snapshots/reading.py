"""Reading sealed snapshots: which there are, their counts, their lines; what never changes comes in pages."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.actors import Actor, Officer
from app.db import transaction
from app.errors import DomainError
from app.organisations.kinds import OrganisationKind
from app.organisations.tree import organisation_by_id
from app.records.status import RecordStatus
from app.snapshots.manifest import COUNTED, Line, SchoolCount
from app.snapshots.scopes import Scope, SnapshotKind
from app.snapshots.tables import snapshot, snapshot_entry, snapshot_school

PAGE: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotView:
    """A sealed snapshot without its lines; ``statement`` is what the service signed."""

    id: UUID
    scope: Scope
    cut_off: datetime
    sealed_at: datetime
    calendar: str
    size: int
    root: bytes
    held: int
    left_out: Sequence[str]
    statement: str


async def province_of(connection: AsyncConnection, actor: Actor) -> str | None:
    """Give the province whose snapshots an officer may read; None for the whole country.

    Refuses with QH-005 whoever stands over less than a province.
    """
    if isinstance(actor, Officer):
        own = await organisation_by_id(connection, actor.organisation_id)
        if own.kind is OrganisationKind.MINISTRY:
            return None
        if own.kind is OrganisationKind.DEPARTMENT:
            return own.province_code
    raise DomainError("QH-005")


async def list_snapshots(
    connection: AsyncConnection,
    province: str | None,
    *,
    school_year: int | None = None,
    kind: SnapshotKind | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[SnapshotView]:
    """Give the snapshots of a province (or of all), oldest first."""
    statement = select(snapshot).order_by(snapshot.c.id).limit(limit)
    if province is not None:
        statement = statement.where(snapshot.c.province_code == province)
    if school_year is not None:
        statement = statement.where(snapshot.c.school_year == school_year)
    if kind is not None:
        statement = statement.where(snapshot.c.kind == kind)
    if after is not None:
        statement = statement.where(snapshot.c.id > after)
    return [_view(row) for row in await connection.execute(statement)]


async def find_snapshot(connection: AsyncConnection, snapshot_id: UUID, province: str | None) -> SnapshotView:
    """Give a snapshot of a province (or of any); QH-005 for another, as if it did not exist."""
    row = (await connection.execute(select(snapshot).where(snapshot.c.id == snapshot_id))).one_or_none()
    if row is None or province not in {None, row.province_code}:
        raise DomainError("QH-005")
    return _view(row)


def _view(row: Row[*tuple[object, ...]]) -> SnapshotView:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    own = {name: found[name] for name in SnapshotView.__dataclass_fields__ if name in found}
    scope = Scope(
        province=found["province_code"],
        school_year=found["school_year"],
        kind=SnapshotKind(found["kind"]),
    )
    return SnapshotView(scope=scope, **own)


async def school_counts(connection: AsyncConnection, snapshot_id: UUID) -> Sequence[SchoolCount]:
    """Give the counts by school, by school code."""
    rows = await connection.execute(
        select(*(snapshot_school.c[name] for name in COUNTED))
        .where(snapshot_school.c.snapshot_id == snapshot_id)
        .order_by(snapshot_school.c.school_code.collate("C"))
    )
    return [SchoolCount(**row._mapping) for row in rows]  # noqa: SLF001 - as above


def entries() -> Select[tuple[object, ...]]:
    """Give the query for entries with the code of the school, as it was when the snapshot was sealed."""
    return select(snapshot_entry, snapshot_school.c.school_code).join(
        snapshot_school,
        and_(
            snapshot_school.c.snapshot_id == snapshot_entry.c.snapshot_id,
            snapshot_school.c.school_id == snapshot_entry.c.school_id,
        ),
    )


def line_of(row: Row[*tuple[object, ...]]) -> Line:
    """Give the line of an entry."""
    found = row._mapping  # noqa: SLF001 - as above
    own = {name: found[name] for name in Line.__dataclass_fields__ if name != "status"}
    return Line(status=RecordStatus(found["status"]), **own)


async def manifest_pages(engine: AsyncEngine, snapshot_id: UUID) -> AsyncIterator[Sequence[Line]]:
    """Give all lines in order, page by page; no connection is held while the reader takes its time."""
    after: UUID | None = None
    while True:
        statement = (
            entries()
            .where(snapshot_entry.c.snapshot_id == snapshot_id)
            .order_by(snapshot_entry.c.record_id)
            .limit(PAGE)
        )
        if after is not None:
            statement = statement.where(snapshot_entry.c.record_id > after)
        async with transaction(engine) as connection:
            lines = [line_of(row) for row in await connection.execute(statement)]
        if lines:
            yield lines
        if len(lines) < PAGE:
            return
        after = lines[-1].record_id


def containing(record_ids: Collection[UUID]) -> Select[tuple[object, ...]]:
    """Give the query for the snapshots that hold records, with the record."""
    return (
        select(snapshot_entry.c.record_id, snapshot)
        .join(snapshot_entry, snapshot_entry.c.snapshot_id == snapshot.c.id)
        .where(snapshot_entry.c.record_id.in_(sorted(record_ids)))
        .order_by(snapshot.c.id)
    )


async def snapshots_containing(
    connection: AsyncConnection, record_ids: Collection[UUID]
) -> Mapping[UUID, Sequence[SnapshotView]]:
    """Say in which snapshots each record stands, oldest first; records in none are absent."""
    found: dict[UUID, list[SnapshotView]] = {}
    for row in await connection.execute(containing(record_ids)):
        found.setdefault(row.record_id, []).append(_view(row))
    return found
