"""The ministry's report by province (báo cáo theo tỉnh): which snapshots arrived, when, and whether on time.

The law names the department's day (10/7, 25/8); a snapshot is sealed at that very instant and travels after
it. On time is what was complete at the ministry within the days that the policy ``forwarding_days`` allows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import database_now
from app.deadlines.book import load_calendar
from app.forwarding.arrivals import ArrivalView, list_arrivals
from app.forwarding.life import FORWARDED_KINDS, ArrivalState
from app.organisations.kinds import OrganisationKind
from app.organisations.tables import organisation
from app.policies.book import policies_at
from app.policies.policy_set import PolicyKey
from app.snapshots.scopes import Scope, SnapshotKind

# Two a province and year; a country has 34 provinces.
MOST_ARRIVALS = 1000


class Progress(StrEnum):
    """Where a province stands with one snapshot."""

    NOT_DUE = "not_due"  # its cut-off is to come
    AWAITED = "awaited"  # the cut-off has passed, the days allowed have not
    OVERDUE = "overdue"  # nothing has come, and the days allowed have passed
    RECEIVING = "receiving"
    CLOSING = "closing"
    ACKNOWLEDGED = "acknowledged"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceLine:
    """One line of the report: a province and one of its snapshots.

    Attributes:
        cut_off: by the ministry's calendar.
        due_at: until then it has to be complete.
        complete_at: when the province first said that everything was sent.
        is_on_time: None while neither has come: neither the snapshot nor the end of the days allowed.
        verified: transcripts that the ministry holds.
    """

    province: str
    name: str
    kind: SnapshotKind
    cut_off: datetime
    due_at: datetime
    progress: Progress
    complete_at: datetime | None
    is_on_time: bool | None
    rounds: int
    size: int | None
    verified: int | None
    disputes: int | None
    counts: Mapping[str, int]
    root: bytes | None


def is_on_time(complete_at: datetime | None, due_at: datetime, now: datetime) -> bool | None:
    """Say whether something was complete in time; None while that is open."""
    if complete_at is not None:
        return complete_at < due_at
    return None if now < due_at else False


def progress(found: ArrivalState | None, cut_off: datetime, due_at: datetime, now: datetime) -> Progress:
    """Say where a province stands: by what arrived, else by the clock."""
    if found is not None:
        return Progress(found)
    if now < cut_off:
        return Progress.NOT_DUE
    return Progress.AWAITED if now < due_at else Progress.OVERDUE


async def report_provinces(
    connection: AsyncConnection, school_year: int, *, province: str | None = None
) -> Sequence[ProvinceLine]:
    """Give a line for each department (or one) and each snapshot it owes of a school year, by code."""
    now: datetime = (await connection.execute(select(database_now()))).scalar_one()
    arrived = {
        (view.scope.province, view.scope.kind): view
        for view in await list_arrivals(connection, province, school_year=school_year, limit=MOST_ARRIVALS)
    }
    departments = select(organisation.c.province_code, organisation.c.name).where(
        organisation.c.kind == OrganisationKind.DEPARTMENT
    )
    if province is not None:
        departments = departments.where(organisation.c.province_code == province)
    policies = await policies_at(connection, now)
    lines: list[ProvinceLine] = []
    for row in await connection.execute(departments.order_by(organisation.c.province_code)):
        calendar = await load_calendar(connection, row.province_code)
        days = policies.value(PolicyKey.FORWARDING_DAYS, province=row.province_code, school_year=school_year)
        for kind in FORWARDED_KINDS:
            scope = Scope(province=row.province_code, school_year=school_year, kind=kind)
            cut_off = scope.cut_off(calendar)
            due_at = cut_off + timedelta(days=int(days))
            found = arrived.get((scope.province, kind))
            lines.append(_line(row.name, scope, found, cut_off=cut_off, due_at=due_at, now=now))
    return lines


def _line(
    name: str,
    scope: Scope,
    found: ArrivalView | None,
    *,
    cut_off: datetime,
    due_at: datetime,
    now: datetime,
) -> ProvinceLine:
    claims = {} if found is None or found.claims is None else found.claims
    complete_at = None if found is None else found.complete_at
    return ProvinceLine(
        province=scope.province,
        name=name,
        kind=scope.kind,
        cut_off=cut_off,
        due_at=due_at,
        progress=progress(None if found is None else found.state, cut_off, due_at, now),
        complete_at=complete_at,
        is_on_time=is_on_time(complete_at, due_at, now),
        rounds=0 if found is None else found.round,
        size=None if found is None else found.size,
        verified=claims.get("held"),
        disputes=claims.get("disputes"),
        counts=claims.get("counts", {}),
        root=None if found is None else found.root,
    )
