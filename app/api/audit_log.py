"""The audit log over HTTP: inspectors read it within their scope, administrators as a whole."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.api.paging import Cursor, Limit, Page, read_cursor, write_cursor
from app.api.texts import Moment, checked_moment, identified
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.ids import hex32
from app.organisations.audit_trail import AuditLine, read_audit
from app.organisations.tree import legal_date

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

AuditReader = Annotated[Officer, Depends(requires(Role.INSPECTOR, Role.ADMINISTRATOR))]


class AuditOut(BaseModel):
    """Một dòng nhật ký / one line of the log."""

    event_id: str
    at: datetime
    actor_kind: str
    actor_id: str
    tag: str
    subject: str
    school_code: str | None
    request_id: str | None
    facts: dict[str, object]


@router.get("", summary="Nhật ký hệ thống / The audit log")
async def listing(
    *,
    reader: AuditReader,
    connection: Connection,
    service: Service,
    since: Annotated[Moment | None, Query(description="Từ thời điểm / from a moment on")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AuditOut]:
    """Give acts and looks, oldest first. Reading the log is recorded in it."""
    now = service.clock()
    found = await read_audit(
        connection, reader, on=legal_date(now), since=since, after=place_of(cursor), limit=limit + 1
    )
    await record_act(
        connection, now=now, actor=reader, tag=AuditTag.AUDIT_READ, subject="-", facts={"lines": len(found)}
    )
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[_written(line) for line in found[:limit]],
        next_cursor=None if last is None else write_cursor(last.at.isoformat(), last.id),
    )


def place_of(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Read the place after a line of the log; DD-903 where it is none."""
    key = read_cursor(cursor, str, str)
    if key is None:
        return None
    try:
        return checked_moment(datetime.fromisoformat(str(key[0]))), identified(str(key[1]))
    except (ValueError, TypeError) as error:
        raise DomainError("DD-903") from error


def _written(line: AuditLine) -> AuditOut:
    return AuditOut(
        event_id=hex32(line.id),
        at=line.at,
        actor_kind=line.actor_kind,
        actor_id=line.actor_id,
        tag=line.tag,
        subject=line.subject,
        school_code=line.school_code,
        request_id=line.request_id,
        facts=line.facts,
    )
