"""What will make schools miss their cut-off unless somebody acts: counted while there is time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import among
from app.deadlines.tables import extension
from app.organisations.tables import organisation
from app.recalls.tables import recall
from app.verify.certificates.tables import certificate

# Ages in days from which on a request that awaits a decision is counted in the next group.
AGES: Final = (0, 3, 7, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiringCertificate:
    """An approved certificate whose validity ends before the school's cut-off."""

    school_code: str
    role: str
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequests:
    """Requests of one kind and age that await a decision; ``from_days`` is the age's lower bound."""

    kind: str
    from_days: int
    count: int
    oldest_at: datetime


async def expiring_certificates(
    connection: AsyncConnection, schools: Collection[int], *, before: datetime, now: datetime
) -> Sequence[ExpiringCertificate]:
    """Give the approved certificates of schools that are valid now and not until ``before``."""
    rows = await connection.execute(
        select(organisation.c.code, certificate.c.role, certificate.c.not_after)
        .join(organisation, organisation.c.id == certificate.c.school_id)
        .where(
            among(certificate.c.school_id, schools),
            certificate.c.state == "approved",
            certificate.c.not_after > now,
            certificate.c.not_after < before,
        )
        .order_by(certificate.c.not_after, organisation.c.code)
    )
    return [ExpiringCertificate(school_code=row.code, role=row.role, not_after=row.not_after) for row in rows]


async def pending_requests(
    connection: AsyncConnection, schools: Collection[int], now: datetime
) -> Sequence[PendingRequests]:
    """Count by age what awaits a decision: certificates, recalls, extensions."""
    asked: tuple[tuple[str, Table, ColumnElement[datetime], str], ...] = (
        ("certificate", certificate, certificate.c.registered_at, "pending"),
        ("recall", recall, recall.c.requested_at, "requested"),
        ("extension", extension, extension.c.requested_at, "requested"),
    )
    found: list[PendingRequests] = []
    for kind, table, asked_at, state in asked:
        for place, days in enumerate(AGES):
            until = now - timedelta(days=days)
            statement = select(func.count(), func.min(asked_at)).where(
                among(table.c.school_id, schools), table.c.state == state, asked_at <= until
            )
            if place + 1 < len(AGES):
                statement = statement.where(asked_at > now - timedelta(days=AGES[place + 1]))
            count, oldest_at = (await connection.execute(statement)).one()
            if count:
                found.append(PendingRequests(kind=kind, from_days=days, count=count, oldest_at=oldest_at))
    return found
