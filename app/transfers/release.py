"""Releasing a pupil's records (chuyển đi): the school that manages them names the one that takes over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Submitter
from app.audit import AuditTag, record_act
from app.db import database_now
from app.errors import DomainError
from app.ids import hex32, listed, uuid7
from app.organisations.kinds import Organisation, OrganisationKind
from app.organisations.scope import school_for
from app.organisations.tree import find_organisation, legal_date, organisation_by_id
from app.policies.book import policies_at
from app.records.custody import managed_of_pupil, managed_records, records_of_one_school
from app.records.entry import ManagedRecord
from app.transfers.life import TRANSFER_LIFECYCLE, TransferState, needs_consent
from app.transfers.tables import transfer, transfer_event, transfer_item


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDraft:
    """A transfer as it is asked for: some records, or all of one pupil's that the school manages.

    Attributes:
        from_school_code: tells a client's schools apart where a pupil code alone does not.
    """

    to_school_code: str
    record_ids: frozenset[UUID] = frozenset()
    student_id: str | None = None
    from_school_code: str | None = None
    note: str | None = None


async def release(
    connection: AsyncConnection, draft: ReleaseDraft, *, now: datetime, actor: Submitter
) -> UUID:
    """Offer records to another school; the old one manages them until the other accepts.

    Refuses with QH-057 an unknown school, QH-080 the same school, QH-081 a pupil of whom the caller manages
    nothing, QH-061 and QH-062 as ``records_of_one_school`` says, TR-061 records that are being transferred.
    """
    taker = await find_organisation(connection, draft.to_school_code)
    if taker is None or taker.kind is not OrganisationKind.SCHOOL or not taker.exists(legal_date(now)):
        raise DomainError("QH-057", organisation_code=draft.to_school_code)
    wanted = await _wanted(connection, draft, actor, now)
    records, giver_id = await records_of_one_school(connection, wanted, actor, now=now)
    giver = await organisation_by_id(connection, giver_id)
    if giver.id == taker.id:
        raise DomainError("QH-080", school_code=taker.code)
    transfer_id = await _insert(connection, draft, records, giver, taker, now=now, actor=actor)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.TRANSFER_RELEASED,
        subject=f"transfer:{hex32(transfer_id)}",
        school_id=giver.id,
        facts={"records": len(records), "to_school": taker.code},
    )
    return transfer_id


async def _wanted(
    connection: AsyncConnection, draft: ReleaseDraft, actor: Submitter, now: datetime
) -> frozenset[UUID]:
    """Give the records that are meant: those listed, or all of the pupil's that the school manages."""
    if draft.student_id is None:
        return draft.record_ids
    schools: frozenset[int] = actor.schools
    if draft.from_school_code is not None:
        named = await school_for(connection, actor, draft.from_school_code, legal_date(now))
        schools = frozenset({named.id})
    found = await managed_of_pupil(connection, draft.student_id, schools)
    if not found:
        raise DomainError("QH-081")
    return frozenset(found)


async def _insert(
    connection: AsyncConnection,
    draft: ReleaseDraft,
    records: Sequence[ManagedRecord],
    giver: Organisation,
    taker: Organisation,
    *,
    now: datetime,
    actor: Submitter,
) -> UUID:
    """Insert the transfer, its items and its first event."""
    at: datetime = (await connection.execute(select(database_now()))).scalar_one()
    transfer_id, state = uuid7(now), TRANSFER_LIFECYCLE.initial
    must_consent = needs_consent(
        await policies_at(connection, at),
        province=giver.province_code,
        places={(held.level, held.school_year) for held in records},
    )
    await connection.execute(
        insert(transfer).values(
            id=transfer_id,
            from_school_id=giver.id,
            to_school_id=taker.id,
            needs_consent=must_consent,
            released_at=at,
            released_by_kind=actor.kind,
            released_by=actor.id,
            note=draft.note,
            state=state,
        )
    )
    await _insert_items(connection, transfer_id, records, giver)
    await append_event(connection, transfer_id, None, state, at=at, actor=actor)
    return transfer_id


async def _insert_items(
    connection: AsyncConnection, transfer_id: UUID, records: Sequence[ManagedRecord], giver: Organisation
) -> None:
    """Insert the records; a unique index decides between two transfers of one at once."""
    rows = [
        {
            "transfer_id": transfer_id,
            "record_id": held.record_id,
            "issuer_id": held.issuer_id,
            "school_year": held.school_year,
            "state": TRANSFER_LIFECYCLE.initial,
        }
        for held in records
    ]
    taken = await connection.execute(
        upsert(transfer_item).values(rows).on_conflict_do_nothing().returning(transfer_item.c.record_id)
    )
    wanted = {held.record_id for held in records}
    open_already = wanted - set(taken.scalars())
    if open_already:
        raise DomainError("TR-061", records=listed(open_already), count=len(open_already))
    # The index has waited for a transfer that was being accepted: what it took is no longer there to give.
    now_held = await managed_records(connection, wanted)
    moved = [record_id for record_id, held in now_held.items() if held.manager_id != giver.id]
    if moved:
        raise DomainError("QH-061", records=listed(moved), count=len(moved))


async def append_event(
    connection: AsyncConnection,
    transfer_id: UUID,
    source: TransferState | None,
    target: TransferState,
    *,
    at: datetime,
    actor: Actor,
    reason: str | None = None,
) -> None:
    """Write into a transfer's history what happened to it."""
    await connection.execute(
        insert(transfer_event).values(
            transfer_id=transfer_id,
            source=source,
            target=target,
            at=at,
            actor_kind=actor.kind,
            actor_id=actor.id,
            reason=reason,
        )
    )
