"""The register of transfers: one with its records and its history, the list in a caller's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.organisations.scope import in_scope
from app.organisations.tables import organisation
from app.transfers.life import TransferState
from app.transfers.tables import transfer, transfer_event, transfer_item

_giver = organisation.alias("giver")
_taker = organisation.alias("taker")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferView:
    """A transfer of records from the school that manages them to another."""

    id: UUID
    from_school_id: int
    from_school_code: str
    from_school_name: str
    to_school_id: int
    to_school_code: str
    to_school_name: str
    needs_consent: bool
    released_at: datetime
    released_by_kind: str
    released_by: str
    note: str | None
    state: TransferState


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLine:
    """One move in a transfer's life."""

    source: TransferState | None
    target: TransferState
    at: datetime
    actor_kind: str
    actor_id: str
    reason: str | None


def _transfers() -> Select[tuple[object, ...]]:
    return (
        select(
            transfer,
            _giver.c.code.label("from_school_code"),
            _giver.c.name.label("from_school_name"),
            _taker.c.code.label("to_school_code"),
            _taker.c.name.label("to_school_name"),
        )
        .join(_giver, _giver.c.id == transfer.c.from_school_id)
        .join(_taker, _taker.c.id == transfer.c.to_school_id)
    )


def _view(row: Row[tuple[object, ...]]) -> TransferView:
    fields = {name: getattr(row, name) for name in TransferView.__dataclass_fields__}
    return TransferView(**{**fields, "state": TransferState(row.state)})


def concerns(actor: Actor, on: date) -> ColumnElement[bool]:
    """Give the condition that one of a transfer's two schools is in the caller's scope on that day."""
    return or_(in_scope(transfer.c.from_school_id, actor, on), in_scope(transfer.c.to_school_id, actor, on))


async def find_transfer(
    connection: AsyncConnection, transfer_id: UUID, *, actor: Actor, on: date
) -> TransferView | None:
    """Find a transfer by its id; None where there is none, or none that concerns the caller."""
    statement = _transfers().where(transfer.c.id == transfer_id, concerns(actor, on))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _view(row)


async def list_transfers(
    connection: AsyncConnection,
    *,
    actor: Actor,
    on: date,
    state: TransferState | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[TransferView]:
    """Give the transfers that concern the caller, oldest first."""
    statement = _transfers().where(concerns(actor, on)).order_by(transfer.c.id).limit(limit)
    if state is not None:
        statement = statement.where(transfer.c.state == state)
    if after is not None:
        statement = statement.where(transfer.c.id > after)
    return [_view(row) for row in await connection.execute(statement)]


async def records_of(connection: AsyncConnection, transfer_id: UUID) -> Sequence[UUID]:
    """Give the look-up codes that a transfer concerns, in order."""
    rows = await connection.execute(
        select(transfer_item.c.record_id)
        .where(transfer_item.c.transfer_id == transfer_id)
        .order_by(transfer_item.c.record_id)
    )
    return list(rows.scalars())


async def history(connection: AsyncConnection, transfer_id: UUID) -> Sequence[TransferLine]:
    """Give a transfer's history, oldest first."""
    rows = await connection.execute(
        select(transfer_event)
        .where(transfer_event.c.transfer_id == transfer_id)
        .order_by(transfer_event.c.id)
    )
    return [
        TransferLine(
            source=None if row.source is None else TransferState(row.source),
            target=TransferState(row.target),
            at=row.at,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            reason=row.reason,
        )
        for row in rows
    ]
