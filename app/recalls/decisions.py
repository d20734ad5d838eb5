"""Decisions on recall requests: approve (phê duyệt), decline (từ chối); each with everything that follows."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer
from app.approvals import Request, require_competence, require_reason
from app.audit import AuditTag, record_act
from app.db import database_now, move
from app.errors import DomainError
from app.ids import hex32, listed
from app.keys import KeyRing
from app.organisations.tree import organisation_by_id
from app.recalls.life import RECALL_LIFECYCLE, RecallEventKind, RecallState
from app.recalls.register import RecallView, find_recall, records_of
from app.recalls.statement import Statement, sign_statement
from app.recalls.tables import recall, recall_event, recall_item
from app.recalls.window import course_for
from app.records.changes import hold_changes
from app.records.custody import hold_records, managed_records
from app.records.entry import ManagedRecord
from app.records.recalling import recall_records

BY_POLICY: Final = "policy"
SIGNED_AT_A_STRETCH: Final = 10


class Action(StrEnum):
    """What may be decided on a request."""

    APPROVE = "approve"
    DECLINE = "decline"


TARGETS: Final[Mapping[Action, RecallState]] = {
    Action.APPROVE: RecallState.APPROVED,
    Action.DECLINE: RecallState.DECLINED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An officer's decision; ``reason`` is required to decline."""

    action: Action
    reason: str | None = None


async def hold_requests(connection: AsyncConnection, recall_ids: Sequence[UUID]) -> None:
    """Lock, in one order, whatever deciding these requests one after another is going to wait for.

    Two officers who decide on many at once so wait in line, not in a circle.
    """
    await hold_records(connection, await records_of(connection, recall_ids))
    items = await connection.execute(
        select(recall_item.c.issuer_id, recall_item.c.school_year)
        .where(recall_item.c.recall_id.in_(sorted(recall_ids)))
        .distinct()
    )
    await hold_changes(connection, [(row.issuer_id, row.school_year) for row in items])


async def decide(
    connection: AsyncConnection,
    recall_id: UUID,
    decision: Decision,
    *,
    keys: KeyRing,
    now: datetime,
    officer: Officer,
) -> RecallState:
    """Carry out a decision: state, event, signed statements, the records' fate and audit, in one transaction.

    Refuses with QH-005 what is outside the officer's scope or unknown, QH-021 and QH-022 as
    ``app.approvals`` says, QH-023 a missing reason, QH-066 a request that is decided already, TH-060 an
    approval after the time for it, QH-063 and QH-065 one whose records no longer stand or moved to another
    school, QH-020 when somebody else was first in the same moment. To decline is always possible.
    """
    found = await find_recall(connection, recall_id)
    if found is None:
        raise DomainError("QH-005")
    request = Request(
        school_id=found.school_id, requested_by=found.requested_by, escalated_to=found.escalated_to
    )
    await require_competence(connection, officer, request, now=now)
    target = TARGETS[decision.action]
    if not RECALL_LIFECYCLE.may_become(found.state, target):
        raise DomainError("QH-066", state=found.state, action=decision.action)
    reason = (decision.reason or "").strip() or None
    if decision.action is Action.DECLINE:
        reason = require_reason(decision.reason, action=decision.action)
    authority = await organisation_by_id(connection, officer.organisation_id)
    await settle(
        connection, found, target,
        reason=reason, decided_by=authority.code, keys=keys, now=now, actor=officer,
    )  # fmt: skip
    return target


async def settle(
    connection: AsyncConnection,
    found: RecallView,
    target: RecallState,
    *,
    reason: str | None,
    decided_by: str,
    keys: KeyRing,
    now: datetime,
    actor: Actor,
    at: datetime | None = None,
) -> None:
    """Approve or decline a request that is known to be open and the actor's to decide.

    ``at``: the moment that was decided for, where the records have been held since; None: the present one.
    """
    await hold_records(connection, await records_of(connection, [found.id]))
    record_ids = await records_of(connection, [found.id], RecallState.REQUESTED)  # as it is, now held
    if at is None:
        at = (await connection.execute(select(database_now()))).scalar_one()
    statement = Statement(
        recall_id=found.id,
        school_code=found.school_code,
        reason_code=found.reason_code,
        reason=found.reason,
        decision=target,
        requested_at=found.requested_at,
        decided_at=at,
        decided_by=decided_by,
    )
    await move_recall(connection, found.id, target)  # refuses where none is open any more
    if target is RecallState.APPROVED:
        await _recall_all(connection, found, record_ids, statement, keys=keys, actor=actor)
    await append_event(
        connection, found.id, RecallEventKind(target),
        at=at, actor=actor, reason=reason,
        facts={"decided_by": decided_by, "statement": sign_statement(keys, statement, record_ids)},
    )  # fmt: skip
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.RECALL_DECIDED,
        subject=f"recall:{hex32(found.id)}",
        school_id=found.school_id,
        facts={"target": target, "records": len(record_ids), "decided_by": decided_by},
    )


async def _recall_all(
    connection: AsyncConnection,
    found: RecallView,
    record_ids: Sequence[UUID],
    statement: Statement,
    *,
    keys: KeyRing,
    actor: Actor,
) -> None:
    """Recall every record of a request, each with a statement of its own in its history."""
    held_now = await managed_records(connection, record_ids)
    records = [held_now[record_id] for record_id in record_ids]
    require_standing(records)
    moved = [held.record_id for held in records if held.manager_id != found.school_id]
    if moved:
        raise DomainError("QH-065", records=listed(moved), count=len(moved))
    await course_for(connection, records, at=statement.decided_at)
    facts: dict[UUID, Mapping[str, str]] = {}
    for number, held in enumerate(records):
        if number % SIGNED_AT_A_STRETCH == 0:
            await asyncio.sleep(0)  # others get their turn between the signatures of a long list
        digest = held.content_sha256.hex()
        facts[held.record_id] = {
            "recall_id": hex32(found.id),
            "reason_code": found.reason_code,
            "decided_by": statement.decided_by,
            "statement": sign_statement(keys, statement, [held.record_id], content_sha256=digest),
        }
    await recall_records(connection, records, facts=facts, at=statement.decided_at, actor=actor)


def require_standing(records: Sequence[ManagedRecord]) -> None:
    """Refuse with QH-063 records that were recalled or replaced."""
    ended = [held.record_id for held in records if not held.stands]
    if ended:
        raise DomainError("QH-063", records=listed(ended), count=len(ended))


async def move_recall(connection: AsyncConnection, recall_id: UUID, target: RecallState) -> None:
    """Move an open request and its items; QH-020 where it is open no longer."""
    source = RecallState.REQUESTED
    await move(connection, recall, {"id": recall_id}, source=source, target=target)
    await connection.execute(
        update(recall_item)
        .where(recall_item.c.recall_id == recall_id, recall_item.c.state == source)
        .values(state=target)
    )


async def append_event(
    connection: AsyncConnection,
    recall_id: UUID,
    kind: RecallEventKind,
    *,
    at: datetime,
    actor: Actor,
    reason: str | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write into a request's history what happened to it."""
    await connection.execute(
        insert(recall_event).values(
            recall_id=recall_id,
            kind=kind,
            at=at,
            actor_kind=actor.kind,
            actor_id=actor.id,
            reason=reason,
            facts=dict(facts or {}),
        )
    )
