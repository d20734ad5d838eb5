"""Prompting authorities that leave requests unanswered (nhắc, chuyển cấp trên); silence never approves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.actors import System
from app.audit import AuditTag, record_act
from app.db import database_now, transaction
from app.ids import hex32
from app.organisations.kinds import OrganisationKind
from app.organisations.tables import organisation
from app.policies.book import policies_at
from app.policies.policy_set import PolicyKey, PolicySet
from app.recalls.decisions import append_event
from app.recalls.life import OpenRequest, Patience, Prompt, RecallEventKind, RecallState, due_prompt
from app.recalls.tables import recall, recall_event

BATCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """What one round did."""

    reminded: int
    escalated: int


async def prompt_overdue(engine: AsyncEngine) -> Prompted:
    """Remind and escalate whatever is due by the database's clock, in batches.

    Any number of machines may do so at once.
    """
    reminded = escalated = 0
    after: UUID | None = None
    while True:
        async with transaction(engine) as connection:
            rows = await _open_requests(connection, after, BATCH)
            now = (await connection.execute(select(database_now()))).scalar_one()
            done = await _prompt(connection, rows, now=now)
        reminded, escalated = reminded + done.reminded, escalated + done.escalated
        if not rows:
            return Prompted(reminded=reminded, escalated=escalated)
        after = rows[-1].id


async def _open_requests(
    connection: AsyncConnection, after: UUID | None, limit: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Take unanswered requests that are not escalated yet, oldest first, none another machine has in hand."""
    department = organisation.alias("department")
    statement = (
        select(
            recall.c.id,
            recall.c.school_id,
            recall.c.requested_at,
            organisation.c.province_code,
            department.c.id.label("department_id"),
            exists()
            .where(recall_event.c.recall_id == recall.c.id, recall_event.c.kind == RecallEventKind.REMINDED)
            .label("is_reminded"),
        )
        .join(organisation, organisation.c.id == recall.c.school_id)
        .join(
            department,
            and_(
                department.c.province_code == organisation.c.province_code,
                department.c.kind == OrganisationKind.DEPARTMENT,
                department.c.valid_to.is_(None),
            ),
        )
        .where(recall.c.state == RecallState.REQUESTED, recall.c.escalated_to.is_(None))
        .order_by(recall.c.id)
        .limit(limit)
        .with_for_update(of=recall, skip_locked=True)
    )
    if after is not None:
        statement = statement.where(recall.c.id > after)
    return (await connection.execute(statement)).all()


async def _prompt(
    connection: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]], *, now: datetime
) -> Prompted:
    """Prompt what is due: a reminder is a line of the history, an escalation lets the department decide."""
    policies = await policies_at(connection, now)
    reminded = escalated = 0
    for row in rows:
        request = OpenRequest(requested_at=row.requested_at, is_reminded=row.is_reminded, is_escalated=False)
        prompt = due_prompt(request, patience_of(policies, row.province_code), now=now)
        if prompt is Prompt.REMIND:
            await _note(connection, row, RecallEventKind.REMINDED, AuditTag.RECALL_REMINDED, now)
            reminded += 1
        elif prompt is Prompt.ESCALATE:
            await connection.execute(
                update(recall).where(recall.c.id == row.id).values(escalated_to=row.department_id)
            )
            await _note(connection, row, RecallEventKind.ESCALATED, AuditTag.RECALL_ESCALATED, now)
            escalated += 1
    return Prompted(reminded=reminded, escalated=escalated)


def patience_of(policies: PolicySet, province: str | None) -> Patience:
    """Give how long an authority of a province may leave a request unanswered."""
    remind = policies.value(PolicyKey.RECALL_REMINDER_DAYS, province=province)
    escalate = policies.value(PolicyKey.RECALL_ESCALATION_DAYS, province=province)
    return Patience(remind_after=timedelta(days=int(remind)), escalate_after=timedelta(days=int(escalate)))


async def _note(
    connection: AsyncConnection,
    row: Row[*tuple[Any, ...]],
    kind: RecallEventKind,
    tag: AuditTag,
    now: datetime,
) -> None:
    actor = System()
    await append_event(connection, row.id, kind, at=now, actor=actor)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=tag,
        subject=f"recall:{hex32(row.id)}",
        school_id=row.school_id,
    )
