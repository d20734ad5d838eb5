"""What an approval would touch (phạm vi ảnh hưởng), shown before anybody decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import AuditTag, audit_event
from app.ids import hex32
from app.organisations.tables import organisation
from app.recalls.register import RecallView, records_of
from app.records.custody import managed_records
from app.records.entry import ManagedRecord
from app.records.reading import Scope
from app.records.tables import active_record
from app.snapshots.reading import SnapshotView, snapshots_containing
from app.transfers.tables import OPEN_STATES, transfer, transfer_item

_LOOKS = (AuditTag.RECORD_READ, AuditTag.PUPIL_READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterYear:
    """A standing record of the same pupil for a later school year."""

    record_id: UUID
    school_code: str
    school_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransfer:
    """A transfer that waits for its answer."""

    transfer_id: UUID
    to_school_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How often a record was looked at by others than the school that manages it, and when last."""

    count: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What the recall of one record touches.

    Attributes:
        later_years: those that the reader may see.
        later_years_elsewhere: how many more there are.
        snapshots: the sealed ones that hold it; they go on saying what was so when they were sealed.
        replaced: the codes that this record stands for, its own predecessor first.
    """

    record_id: UUID
    school_year: int
    stands: bool
    snapshots: Sequence[SnapshotView]
    later_years: Sequence[LaterYear]
    later_years_elsewhere: int
    transfers: Sequence[OpenTransfer]
    looks: Looks
    replaced: Sequence[UUID]


async def impact_of(connection: AsyncConnection, found: RecallView, scope: Scope) -> Sequence[Impact]:
    """Say, for each record of a request, what else its recall would touch."""
    known = await managed_records(connection, await records_of(connection, [found.id]))
    records = sorted(known.values(), key=lambda held: held.record_id)
    visible, hidden = await _later_years(connection, records, scope)
    transfers = await _transfers(connection, records)
    snapshots = await snapshots_containing(connection, known)
    looks = await _looks(connection, found, records)
    chains = await _chains(connection, records)
    return [
        Impact(
            record_id=held.record_id,
            school_year=held.school_year,
            stands=held.stands,
            snapshots=snapshots.get(held.record_id, ()),
            later_years=visible.get(held.record_id, ()),
            later_years_elsewhere=hidden.get(held.record_id, 0),
            transfers=transfers.get(held.record_id, ()),
            looks=looks.get(held.record_id, Looks(count=0, last_at=None)),
            replaced=chains[held.record_id],
        )
        for held in records
    ]


async def _later_years(
    connection: AsyncConnection, records: Sequence[ManagedRecord], scope: Scope
) -> tuple[Mapping[UUID, list[LaterYear]], Mapping[UUID, int]]:
    """Give the standing records of the same pupils for later years; outside the scope only their number."""
    rows = (
        await connection.execute(
            select(active_record, organisation.c.code, scope(active_record.c.school_id).label("is_visible"))
            .join(organisation, organisation.c.id == active_record.c.school_id)
            .where(active_record.c.pupil_key.in_({held.pupil_key for held in records}))
            .order_by(active_record.c.school_year, active_record.c.record_id)
        )
    ).all()
    visible: dict[UUID, list[LaterYear]] = {}
    hidden: dict[UUID, int] = {}
    for held in records:
        for row in rows:
            if row.pupil_key != held.pupil_key or row.school_year <= held.school_year:
                continue
            if row.is_visible:
                later = LaterYear(record_id=row.record_id, school_code=row.code, school_year=row.school_year)
                visible.setdefault(held.record_id, []).append(later)
            else:
                hidden[held.record_id] = hidden.get(held.record_id, 0) + 1
    return visible, hidden


async def _transfers(
    connection: AsyncConnection, records: Sequence[ManagedRecord]
) -> Mapping[UUID, list[OpenTransfer]]:
    rows = await connection.execute(
        select(transfer_item.c.record_id, transfer.c.id, organisation.c.code)
        .join(transfer, transfer.c.id == transfer_item.c.transfer_id)
        .join(organisation, organisation.c.id == transfer.c.to_school_id)
        .where(
            transfer_item.c.record_id.in_([held.record_id for held in records]),
            transfer_item.c.state.in_(OPEN_STATES),
        )
    )
    transfers: dict[UUID, list[OpenTransfer]] = {}
    for row in rows:
        transfers.setdefault(row.record_id, []).append(
            OpenTransfer(transfer_id=row.id, to_school_code=row.code)
        )
    return transfers


async def _looks(
    connection: AsyncConnection, found: RecallView, records: Sequence[ManagedRecord]
) -> Mapping[UUID, Looks]:
    """Count the look-ups that the audit log holds, but for those by school software."""
    of_subject = {f"record:{hex32(held.record_id)}": held.record_id for held in records}
    rows = await connection.execute(
        select(
            audit_event.c.subject, func.count().label("looks"), func.max(audit_event.c.at).label("last_at")
        )
        .where(
            audit_event.c.school_id.in_({held.issuer_id for held in records} | {found.school_id}),
            audit_event.c.at >= min((held.received_at for held in records), default=found.requested_at),
            audit_event.c.tag.in_(_LOOKS),
            audit_event.c.subject.in_(of_subject),
            audit_event.c.actor_kind != "client",
        )
        .group_by(audit_event.c.subject)
    )
    return {of_subject[row.subject]: Looks(count=row.looks, last_at=row.last_at) for row in rows}


async def _chains(
    connection: AsyncConnection, records: Sequence[ManagedRecord]
) -> Mapping[UUID, Sequence[UUID]]:
    """Follow each record back through what it took the place of."""
    chains: dict[UUID, list[UUID]] = {held.record_id: [] for held in records}
    ends = {held.record_id: held.replaces for held in records if held.replaces is not None}
    while ends:
        for record_id, replaced in ends.items():
            chains[record_id].append(replaced)
        known = await managed_records(connection, set(ends.values()))
        ends = {
            record_id: before
            for record_id, replaced in ends.items()
            if replaced in known and (before := known[replaced].replaces) is not None
        }
    return chains
