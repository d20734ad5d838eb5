"""Who looked at a transcript (nhật ký tra cứu): told by kind and body, never by a person's name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import AuditTag, audit_event
from app.organisations.tables import account, client, organisation

LOOKS = (AuditTag.RECORD_LOOKED_UP, AuditTag.LOOKUP_REFUSED, AuditTag.RECORD_READ, AuditTag.PUPIL_READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a record.

    Attributes:
        by: the name of the software, or of the officer's body; None for the public, who give none.
        role: what the officer is, or what the sector system looks up for.
        part: what was looked at.
        is_refused: the date of birth was wrong.
    """

    id: UUID
    at: datetime
    kind: str
    by: str | None
    role: str | None
    part: str | None
    is_refused: bool


async def looks_at(
    connection: AsyncConnection,
    record_id: UUID,
    *,
    after: tuple[datetime, UUID] | None = None,
    newest_first: bool = False,
    limit: int,
) -> Sequence[Look]:
    """Give the looks at a record, oldest first (or newest), as the audit log has them."""
    order = (audit_event.c.at, audit_event.c.id)
    statement = (
        select(audit_event)
        .where(audit_event.c.subject == f"record:{record_id.hex}", audit_event.c.tag.in_(LOOKS))
        .order_by(*(column.desc() if newest_first else column for column in order))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(*order) > after)
    rows = (await connection.execute(statement)).all()
    clients = await _clients(connection, {UUID(row.actor_id) for row in rows if row.actor_kind == "client"})
    officers = await _officers(
        connection, {UUID(row.actor_id) for row in rows if row.actor_kind == "officer"}
    )
    named = {**clients, **officers}
    return [
        Look(
            id=row.id,
            at=row.at,
            kind="public" if row.actor_kind == "anonymous" else row.actor_kind,
            by=named.get(row.actor_id, (None, None))[0],
            role=named.get(row.actor_id, (None, None))[1],
            part=row.facts.get("part"),
            is_refused=row.tag == AuditTag.LOOKUP_REFUSED,
        )
        for row in rows
    ]


Named = dict[str, tuple[str | None, str | None]]


async def _clients(connection: AsyncConnection, ids: set[UUID]) -> Named:
    rows = await connection.execute(
        select(client.c.id, client.c.name, client.c.purpose).where(client.c.id.in_(ids))
    )
    return {row.id.hex: (row.name, row.purpose) for row in rows}


async def _officers(connection: AsyncConnection, ids: set[UUID]) -> Named:
    rows = await connection.execute(
        select(account.c.id, organisation.c.name, account.c.role)
        .join(organisation, organisation.c.id == account.c.organisation_id)
        .where(account.c.id.in_(ids))
    )
    return {row.id.hex: (row.name, row.role) for row in rows}
