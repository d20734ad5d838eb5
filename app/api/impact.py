"""The impact of a bad key (phạm vi ảnh hưởng) over HTTP: what it has signed, and what became of that."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.api.paging import Cursor, Limit, read_cursor, write_cursor
from app.api.scope import scope_of
from app.api.texts import Moment, identified
from app.audit import AuditTag, record_act
from app.db import database_now
from app.deadlines.locks import locks_of
from app.errors import DomainError
from app.ids import hex32
from app.ingest.package import school_year_of
from app.organisations.scope import require_in_scope
from app.organisations.tree import legal_date
from app.records import (
    RecordStatus,
    SignedCount,
    SignedRecord,
    count_signed_with,
    events_of,
    signed_with,
    status_of,
)
from app.verify.certificates.registry import find_registration

router = APIRouter(prefix="/api/v1/certificates", tags=["certificates"])

Overseer = Annotated[
    Officer,
    Depends(requires(Role.COMMUNE_OFFICER, Role.DEPARTMENT_OFFICER, Role.MINISTRY_OFFICER, Role.INSPECTOR)),
]


class SignedRecordOut(BaseModel):
    """Một học bạ đã ký bằng chứng thư số này / a record that the certificate signed."""

    record_id: str
    school_code: str
    school_year: str
    role: str
    signed_at: datetime
    status: RecordStatus | None


class SignedCountOut(BaseModel):
    """Số học bạ theo tình trạng / records by what became of them."""

    standing: int
    recalled: int
    replaced: int

    @classmethod
    def of(cls, count: SignedCount) -> Self:
        """Write a count out."""
        return cls(standing=count.standing, recalled=count.recalled, replaced=count.replaced)


class ImpactOut(BaseModel):
    """Phạm vi ảnh hưởng, theo thời gian ký / the impact, by signing time."""

    fingerprint: str
    since: datetime | None
    total: SignedCountOut | None = Field(description="chỉ ở trang đầu / on the first page only")
    items: list[SignedRecordOut]
    next_cursor: str | None = None


@router.get(
    "/{certificate_id}/impact",
    summary="Học bạ đã ký bằng chứng thư số này / What a certificate has signed",
)
async def impact(
    *,
    certificate_id: Annotated[str, Path(max_length=40)],
    actor: Overseer,
    connection: Connection,
    service: Service,
    since: Annotated[Moment | None, Query(description="Ký từ lúc / signed from then on")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ImpactOut:
    """List the records in the caller's scope that carry a signature by this certificate, oldest first.

    Nothing happens to them by itself when a certificate is revoked: what was signed before stays good, and
    what was signed after is the authority's to recall.
    """
    key = read_cursor(cursor, str, str, int)
    found = await find_registration(connection, identified(certificate_id))
    if found is None:
        raise DomainError("QH-005")
    now = service.clock()
    await require_in_scope(connection, actor, found.school_id, legal_date(now))
    scope = scope_of(actor, now)
    after = None if key is None else (_moment(str(key[0])), identified(str(key[1])), int(key[2]))
    signed = await signed_with(
        connection, found.fingerprint, scope, since=since, after=after, limit=limit + 1
    )
    total = (
        await count_signed_with(connection, found.fingerprint, scope, since=since) if key is None else None
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CERTIFICATE_READ,
        subject=hex32(found.id),
        school_id=found.school_id,
        facts={"part": "impact"},
    )
    return ImpactOut(
        fingerprint=found.fingerprint,
        since=since,
        total=None if total is None else SignedCountOut.of(total),
        items=await _items(connection, signed[:limit]),
        next_cursor=_cursor(signed[limit - 1]) if len(signed) > limit else None,
    )


def _cursor(last: SignedRecord) -> str:
    return write_cursor(last.signed_at.isoformat(), last.record.record_id, last.position)


def _moment(text: str) -> datetime:
    """Read a cursor's moment; DD-903 where it is none of ours."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DomainError("DD-903") from error
    if moment.tzinfo is None:
        raise DomainError("DD-903")
    return moment


async def _items(connection: AsyncConnection, signed: Sequence[SignedRecord]) -> list[SignedRecordOut]:
    moment = (await connection.execute(select(database_now()))).scalar_one()
    locks = await locks_of(connection, [one.record for one in signed])
    items: list[SignedRecordOut] = []
    for one in signed:
        events = [(event.kind, event.at) for event in await events_of(connection, one.record)]
        items.append(
            SignedRecordOut(
                record_id=hex32(one.record.record_id),
                school_code=one.record.school_code,
                school_year=school_year_of(one.record.school_year),
                role=one.role,
                signed_at=one.signed_at,
                status=status_of(events, moment, locks_at=locks[one.record.record_id]),
            )
        )
    return items
