"""The register of recall requests: one with its records and its history, the list in a caller's scope."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.organisations.scope import in_scope
from app.organisations.tables import organisation
from app.recalls.life import RecallEventKind, RecallState
from app.recalls.tables import recall, recall_event, recall_item


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallView:
    """A request (yêu cầu thu hồi) for one or more records of one managing school."""

    id: UUID
    school_id: int
    school_code: str
    school_name: str
    province_code: str | None
    reason_code: str
    reason: str
    requested_at: datetime
    requested_by_kind: str
    requested_by: str
    escalated_to: int | None
    state: RecallState
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallLine:
    """One thing that happened to a request."""

    kind: RecallEventKind
    at: datetime
    actor_kind: str
    actor_id: str
    reason: str | None
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallOfRecord:
    """A request as the history of one of its records shows it."""

    recall_id: UUID
    state: RecallState
    reason_code: str
    requested_at: datetime


def _recalls() -> Select[tuple[object, ...]]:
    total = (
        select(func.count())
        .where(recall_item.c.recall_id == recall.c.id)
        .correlate(recall)
        .scalar_subquery()
        .label("total")
    )
    return select(
        recall,
        organisation.c.code.label("school_code"),
        organisation.c.name.label("school_name"),
        organisation.c.province_code,
        total,
    ).join(organisation, organisation.c.id == recall.c.school_id)


def _view(row: Row[tuple[object, ...]]) -> RecallView:
    fields = {name: getattr(row, name) for name in RecallView.__dataclass_fields__}
    return RecallView(**{**fields, "state": RecallState(row.state)})


async def find_recall(connection: AsyncConnection, recall_id: UUID) -> RecallView | None:
    """Find a request by its id, in nobody's scope in particular."""
    row = (await connection.execute(_recalls().where(recall.c.id == recall_id))).one_or_none()
    return None if row is None else _view(row)


async def list_recalls(
    connection: AsyncConnection,
    *,
    actor: Actor,
    on: date,
    state: RecallState | None = None,
    reason_code: str | None = None,
    school_code: str | None = None,
    is_escalated: bool | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[RecallView]:
    """Give the requests that the caller may see on that day, oldest first."""
    statement = _recalls().where(in_scope(recall.c.school_id, actor, on)).order_by(recall.c.id).limit(limit)
    if state is not None:
        statement = statement.where(recall.c.state == state)
    if reason_code is not None:
        statement = statement.where(recall.c.reason_code == reason_code)
    if school_code is not None:
        statement = statement.where(organisation.c.code == school_code)
    if is_escalated is not None:
        statement = statement.where(recall.c.escalated_to.is_not(None) == is_escalated)
    if after is not None:
        statement = statement.where(recall.c.id > after)
    return [_view(row) for row in await connection.execute(statement)]


async def records_of(
    connection: AsyncConnection, recall_ids: Collection[UUID], state: RecallState | None = None
) -> Sequence[UUID]:
    """Give the look-up codes that requests concern (those whose part of it stands so), in order."""
    statement = (
        select(recall_item.c.record_id)
        .where(recall_item.c.recall_id.in_(sorted(recall_ids)))
        .order_by(recall_item.c.record_id)
    )
    if state is not None:
        statement = statement.where(recall_item.c.state == state)
    return list((await connection.execute(statement)).scalars())


async def items_of(connection: AsyncConnection, recall_id: UUID) -> Mapping[UUID, RecallState]:
    """Give the records of a request, in order, with what became of it for each."""
    rows = await connection.execute(
        select(recall_item.c.record_id, recall_item.c.state)
        .where(recall_item.c.recall_id == recall_id)
        .order_by(recall_item.c.record_id)
    )
    return {row.record_id: RecallState(row.state) for row in rows}


async def history(connection: AsyncConnection, recall_id: UUID) -> Sequence[RecallLine]:
    """Give what happened to a request, oldest first."""
    rows = await connection.execute(
        select(recall_event).where(recall_event.c.recall_id == recall_id).order_by(recall_event.c.id)
    )
    return [
        RecallLine(
            kind=RecallEventKind(row.kind),
            at=row.at,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            reason=row.reason,
            facts=row.facts,
        )
        for row in rows
    ]


async def recalls_of_record(connection: AsyncConnection, record_id: UUID) -> Sequence[RecallOfRecord]:
    """Give every request that was ever made for a record, oldest first."""
    rows = await connection.execute(
        select(recall.c.id, recall_item.c.state, recall.c.reason_code, recall.c.requested_at)
        .join(recall_item, recall_item.c.recall_id == recall.c.id)
        .where(recall_item.c.record_id == record_id)
        .order_by(recall.c.requested_at, recall.c.id)
    )
    return [
        RecallOfRecord(
            recall_id=row.id,
            state=RecallState(row.state),
            reason_code=row.reason_code,
            requested_at=row.requested_at,
        )
        for row in rows
    ]
