"""Asking for a recall (đề nghị thu hồi), and taking it back, by a school's software or an officer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Submitter, System
from app.approvals import require_reason
from app.audit import AuditTag, record_act
from app.db import database_now
from app.errors import DomainError
from app.ids import hex32, listed, uuid7
from app.keys import KeyRing
from app.organisations.scope import require_in_scope
from app.organisations.tree import legal_date
from app.recalls.decisions import BY_POLICY, append_event, move_recall, require_standing, settle
from app.recalls.life import RECALL_LIFECYCLE, Course, RecallEventKind, RecallState
from app.recalls.reasons import REASONS
from app.recalls.register import RecallView, find_recall
from app.recalls.tables import recall, recall_item
from app.recalls.window import course_for
from app.records.custody import hold_records, records_of_one_school
from app.records.entry import ManagedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallDraft:
    """A request as it is asked for."""

    record_ids: frozenset[UUID]
    reason_code: str
    reason: str


async def request_recall(
    connection: AsyncConnection,
    draft: RecallDraft,
    *,
    keys: KeyRing,
    now: datetime,
    actor: Submitter | Officer,
) -> UUID:
    """Make a request for records that one school manages; they keep their status until it is decided.

    Where the policy lets the school recall by itself, a request of its software is approved at once, by rule.

    Refuses with QH-023 a missing text, QH-060 an unknown reason, QH-061 records that the caller's schools do
    not manage, QH-062 records of several schools, QH-063 records that no longer stand, TH-060 records past
    their time, TR-060 records with an open request.
    """
    reason = require_reason(draft.reason, action="recall")
    if draft.reason_code not in REASONS:
        raise DomainError("QH-060", reason_code=draft.reason_code[:64], allowed=", ".join(REASONS))
    await hold_records(connection, draft.record_ids)  # nobody replaces one between the look and the request
    records, school_id = await records_of_one_school(connection, draft.record_ids, actor, now=now)
    require_standing(records)
    at: datetime = (await connection.execute(select(database_now()))).scalar_one()
    course = await course_for(connection, records, at=at)
    recall_id = uuid7(now)
    await connection.execute(
        insert(recall).values(
            id=recall_id,
            school_id=school_id,
            reason_code=draft.reason_code,
            reason=reason,
            requested_at=at,
            requested_by_kind=actor.kind,
            requested_by=actor.id,
            state=RECALL_LIFECYCLE.initial,
        )
    )
    await _insert_items(connection, recall_id, records)
    await append_event(connection, recall_id, RecallEventKind.REQUESTED, at=at, actor=actor, reason=reason)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.RECALL_REQUESTED,
        subject=f"recall:{hex32(recall_id)}",
        school_id=school_id,
        facts={"records": len(records), "reason_code": draft.reason_code},
    )
    if course is Course.BY_SCHOOL and isinstance(actor, Submitter):
        await _approve_by_rule(connection, recall_id, keys=keys, now=now, at=at)
    return recall_id


async def _insert_items(
    connection: AsyncConnection, recall_id: UUID, records: Sequence[ManagedRecord]
) -> None:
    """Insert the items in one order; a unique index decides between two requests at once."""
    rows = [
        {
            "recall_id": recall_id,
            "record_id": held.record_id,
            "issuer_id": held.issuer_id,
            "school_year": held.school_year,
            "state": RECALL_LIFECYCLE.initial,
        }
        for held in records
    ]
    taken = await connection.execute(
        upsert(recall_item).values(rows).on_conflict_do_nothing().returning(recall_item.c.record_id)
    )
    open_already = {held.record_id for held in records} - set(taken.scalars())
    if open_already:
        raise DomainError("TR-060", records=listed(list(open_already)), count=len(open_already))


async def _approve_by_rule(
    connection: AsyncConnection, recall_id: UUID, *, keys: KeyRing, now: datetime, at: datetime
) -> None:
    """Approve in the moment by which the rule was asked: an instant later the record may be locked."""
    found = await find_recall(connection, recall_id)
    assert found is not None
    await settle(
        connection, found, RecallState.APPROVED,
        reason=None, decided_by=BY_POLICY, keys=keys, now=now, actor=System(), at=at,
    )  # fmt: skip


async def withdraw(
    connection: AsyncConnection, recall_id: UUID, *, now: datetime, actor: Submitter | Officer
) -> None:
    """Take an open request back; the records may be asked for again.

    Refuses with QH-005 what is out of scope or unknown, QH-064 a request of somebody else, QH-066 one that
    is decided, QH-020 one that was decided in the same moment.
    """
    found = await find_recall(connection, recall_id)
    if found is None:
        raise DomainError("QH-005")
    await require_in_scope(connection, actor, found.school_id, legal_date(now))
    if not _is_own(found, actor):
        raise DomainError("QH-064")
    if not RECALL_LIFECYCLE.may_become(found.state, RecallState.WITHDRAWN):
        raise DomainError("QH-066", state=found.state, action="withdraw")
    await move_recall(connection, recall_id, RecallState.WITHDRAWN)
    at: datetime = (await connection.execute(select(database_now()))).scalar_one()
    await append_event(connection, recall_id, RecallEventKind.WITHDRAWN, at=at, actor=actor)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.RECALL_WITHDRAWN,
        subject=f"recall:{hex32(recall_id)}",
        school_id=found.school_id,
    )


def _is_own(found: RecallView, actor: Submitter | Officer) -> bool:
    """Say whether the caller made the request: any client of the school for the school, an officer alone."""
    if isinstance(actor, Submitter):
        return found.requested_by_kind == actor.kind and found.school_id in actor.schools
    return found.requested_by == actor.id
