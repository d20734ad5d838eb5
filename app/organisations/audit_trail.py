"""Reading the audit log (tra cứu nhật ký) within the reader's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.audit import audit_event
from app.organisations.kinds import OrganisationKind
from app.organisations.scope import in_scope
from app.organisations.tables import organisation


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One act or look, as it was recorded."""

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: str
    tag: str
    subject: str
    school_code: str | None
    request_id: str | None
    facts: dict[str, object]


def _visible(reader: Officer, on: date) -> ColumnElement[bool]:
    """An administrator reads all; an inspector what concerns the schools in scope, the ministry's all."""
    if reader.role is Role.ADMINISTRATOR:
        return true()
    if reader.role is not Role.INSPECTOR:
        return false()
    is_national = exists().where(
        organisation.c.id == reader.organisation_id, organisation.c.kind == OrganisationKind.MINISTRY
    )
    return or_(
        in_scope(audit_event.c.school_id, reader, on), and_(audit_event.c.school_id.is_(None), is_national)
    )


async def read_audit(
    connection: AsyncConnection,
    reader: Officer,
    *,
    on: date,
    since: datetime | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Sequence[AuditLine]:
    """Give the lines that the reader may see, oldest first, from a moment or after a line on."""
    school = organisation.alias("school")
    statement = (
        select(audit_event, school.c.code.label("school_code"))
        .outerjoin(school, school.c.id == audit_event.c.school_id)
        .where(_visible(reader, on))
        .order_by(audit_event.c.at, audit_event.c.id)
        .limit(limit)
    )
    if since is not None:
        statement = statement.where(audit_event.c.at >= since)
    if after is not None:
        statement = statement.where(tuple_(audit_event.c.at, audit_event.c.id) > after)
    return [
        AuditLine(
            id=row.id,
            at=row.at,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            tag=row.tag,
            subject=row.subject,
            school_code=row.school_code,
            request_id=row.request_id,
            facts=row.facts,
        )
        for row in await connection.execute(statement)
    ]
