"""The live ledger beside a sealed snapshot (chênh lệch so với bản chốt): what has come, what has ended."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import and_, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.deadlines.book import load_calendar
from app.records.status import RecordEventKind, RecordStatus
from app.records.tables import record, record_event
from app.snapshots.due import extensions_in
from app.snapshots.ledger import held_records
from app.snapshots.reading import SnapshotView
from app.snapshots.scopes import Census
from app.snapshots.tables import snapshot_entry, snapshot_school


class Change(StrEnum):
    """What happened since a snapshot was sealed."""

    ADDED = "added"  # recorded, and not in it
    RECALLED = "recalled"  # in it, and recalled since
    REPLACED = "replaced"  # in it, and replaced since


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRecord:
    """One record that stands otherwise than in the snapshot; ``at`` is when it was received, or ended."""

    record_id: UUID
    school_code: str
    change: Change
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that changed, counted, and one page of it by look-up code."""

    counts: Mapping[Change, int]
    records: Sequence[ChangedRecord]


_ENDS: Final = {
    RecordEventKind.RECALLED: Change.RECALLED,
    RecordEventKind.REPLACED: Change.REPLACED,
}


async def difference(
    connection: AsyncConnection, found: SnapshotView, *, after: UUID | None, limit: int
) -> Difference:
    """Hold the ledger as it is now against a snapshot."""
    changed = [*await _added(connection, found), *await _ended(connection, found)]
    changed.sort(key=lambda held: held.record_id)
    page = [held for held in changed if after is None or held.record_id > after]
    counted = Counter(held.change for held in changed)
    return Difference(counts={change: counted[change] for change in Change}, records=page[:limit])


async def _added(connection: AsyncConnection, found: SnapshotView) -> Sequence[ChangedRecord]:
    calendar = await load_calendar(connection, found.scope.province)
    census = Census(found.scope, calendar, await extensions_in(connection, found.scope))
    is_in = exists().where(
        snapshot_entry.c.snapshot_id == found.id, snapshot_entry.c.record_id == record.c.record_id
    )
    added: list[ChangedRecord] = []
    async with aclosing(held_records(connection, found.scope, calendar, ~is_in)) as batches:
        async for records in batches:
            added += [
                ChangedRecord(
                    record_id=held.record_id,
                    school_code=held.school_code,
                    change=Change.ADDED,
                    at=held.received_at,
                )
                for held in records
                if census.is_due_here(held)
            ]
    return added


async def _ended(connection: AsyncConnection, found: SnapshotView) -> Sequence[ChangedRecord]:
    """Give what stood in the snapshot and does no longer; a recall weighs more than a replacement."""
    rows = await connection.execute(
        select(
            snapshot_entry.c.record_id, snapshot_school.c.school_code, record_event.c.kind, record_event.c.at
        )
        .join(
            record_event,
            and_(
                record_event.c.school_id == snapshot_entry.c.school_id,
                record_event.c.record_id == snapshot_entry.c.record_id,
                record_event.c.school_year <= found.scope.school_year,
                record_event.c.kind.in_(list(_ENDS)),
            ),
        )
        .join(
            snapshot_school,
            and_(
                snapshot_school.c.snapshot_id == snapshot_entry.c.snapshot_id,
                snapshot_school.c.school_id == snapshot_entry.c.school_id,
            ),
        )
        .where(
            snapshot_entry.c.snapshot_id == found.id,
            snapshot_entry.c.status.in_([RecordStatus.ISSUED, RecordStatus.IN_FORCE]),
        )
        .order_by(record_event.c.at)
    )
    ended: dict[UUID, ChangedRecord] = {}
    for row in rows:
        change = _ENDS[RecordEventKind(row.kind)]
        if row.record_id not in ended or change is Change.RECALLED:
            ended[row.record_id] = ChangedRecord(
                record_id=row.record_id, school_code=row.school_code, change=change, at=row.at
            )
    return list(ended.values())
