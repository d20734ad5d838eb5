"""What is due to be sealed, and which packages hold a seal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import database_now
from app.deadlines.book import load_calendar
from app.deadlines.calendar import Calendar
from app.deadlines.extensions import extensions_of
from app.deadlines.rules import Extension
from app.deadlines.tables import extension
from app.ingest.package import ItemState, PackageState
from app.ingest.tables import item, package, package_progress
from app.organisations.kinds import OrganisationKind
from app.organisations.tables import organisation
from app.snapshots.scopes import Scope, recent_scopes, year_begins_at
from app.snapshots.tables import snapshot, snapshot_override

OFFICERS_NEEDED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingPackage:
    """A package received before a cut-off that is not answered yet.

    Attributes:
        officers: how many officers said that the seal need not wait for it.
    """

    package_id: UUID
    school_id: int
    school_code: str
    received_at: datetime
    state: PackageState
    officers: int

    @property
    def is_left_out(self) -> bool:
        """Whether the seal does not wait for it: one officer asked for that, another one confirmed it."""
        return self.officers >= OFFICERS_NEEDED


async def due_scopes(connection: AsyncConnection) -> Sequence[Scope]:
    """Give what is past its cut-off and not sealed, of school years in which packages came before it."""
    moment = (await connection.execute(select(database_now()))).scalar_one()
    due: list[Scope] = []
    for province in await _provinces(connection):
        calendar = await load_calendar(connection, province)
        due += [
            scope
            for scope in await unsealed(connection, province, moment, calendar)
            if scope.cut_off(calendar) <= moment and await has_packages(connection, scope, calendar)
        ]
    return due


async def _provinces(connection: AsyncConnection) -> Sequence[str]:
    """Give the provinces that have a department here."""
    rows = await connection.execute(
        select(organisation.c.province_code)
        .where(organisation.c.kind == OrganisationKind.DEPARTMENT)
        .distinct()
        .order_by(organisation.c.province_code)
    )
    return [code for code in rows.scalars() if code is not None]


async def unsealed(
    connection: AsyncConnection, province: str, moment: datetime, calendar: Calendar
) -> Sequence[Scope]:
    """Give the scopes of a province that have no snapshot, of the present school year and the two before."""
    rows = await connection.execute(
        select(snapshot.c.school_year, snapshot.c.kind).where(snapshot.c.province_code == province)
    )
    sealed = {(row.school_year, row.kind) for row in rows}
    recent = recent_scopes(province, moment, calendar)
    return [scope for scope in recent if (scope.school_year, scope.kind) not in sealed]


async def is_sealed(connection: AsyncConnection, scope: Scope) -> bool:
    """Say whether a snapshot exists."""
    found = select(snapshot.c.id).where(
        snapshot.c.province_code == scope.province,
        snapshot.c.school_year == scope.school_year,
        snapshot.c.kind == scope.kind,
    )
    return (await connection.execute(found)).one_or_none() is not None


async def has_packages(connection: AsyncConnection, scope: Scope, calendar: Calendar) -> bool:
    """Say whether anything came in the school year before the cut-off: a year without is not sealed."""
    came = (
        exists()
        .where(organisation.c.province_code == scope.province)
        .where(package.c.school_id == organisation.c.id)
        .where(package.c.received_at >= year_begins_at(scope.school_year, calendar))
        .where(package.c.received_at < scope.cut_off(calendar))
    )
    return bool(await connection.scalar(select(came)))


async def holding_packages(
    connection: AsyncConnection, scope: Scope, cut_off: datetime
) -> Sequence[HoldingPackage]:
    """Give the packages for which the seal waits, and those that it need not wait for, oldest first."""
    officers = (
        select(func.count())
        .where(snapshot_override.c.province_code == scope.province)
        .where(snapshot_override.c.school_year == scope.school_year)
        .where(snapshot_override.c.kind == scope.kind)
        .where(snapshot_override.c.package_id == package.c.package_id)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(
            package.c.package_id,
            package.c.school_id,
            organisation.c.code,
            package.c.received_at,
            package_progress.c.state,
            officers.label("officers"),
        )
        .select_from(package_progress)
        .join(
            package,
            and_(
                package.c.school_id == package_progress.c.school_id,
                package.c.package_id == package_progress.c.package_id,
            ),
        )
        .join(organisation, organisation.c.id == package.c.school_id)
        .where(package_progress.c.state != PackageState.ANSWERED, *_of(scope, cut_off))
        .order_by(package.c.received_at, package.c.package_id)
    )
    return [
        HoldingPackage(
            package_id=row.package_id,
            school_id=row.school_id,
            school_code=row.code,
            received_at=row.received_at,
            state=PackageState(row.state),
            officers=row.officers,
        )
        for row in rows
    ]


async def count_held(connection: AsyncConnection, scope: Scope, cut_off: datetime) -> int:
    """Count the items received before the cut-off that await a certificate or revocation data.

    They are answered, as held, so they hold no seal; those accepted later show in the difference.
    """
    statement = (
        select(func.count())
        .select_from(item)
        .join(
            package,
            and_(package.c.school_id == item.c.school_id, package.c.package_id == item.c.package_id),
        )
        .join(organisation, organisation.c.id == item.c.school_id)
        .where(item.c.state == ItemState.HELD, *_of(scope, cut_off))
    )
    return int((await connection.execute(statement)).scalar_one())


def _of(scope: Scope, cut_off: datetime) -> tuple[ColumnElement[bool], ...]:
    """Give the conditions that a package can hold records of a snapshot."""
    is_of_year = (
        package.c.school_year <= scope.school_year
        if scope.is_final
        else package.c.school_year == scope.school_year
    )
    return organisation.c.province_code == scope.province, is_of_year, package.c.received_at < cut_off


async def extensions_in(connection: AsyncConnection, scope: Scope) -> Mapping[int, Sequence[Extension]]:
    """Give the extensions that schools of the province were granted, by school; most have none."""
    schools = await connection.execute(
        select(extension.c.school_id)
        .join(organisation, organisation.c.id == extension.c.school_id)
        .where(organisation.c.province_code == scope.province, extension.c.school_year == scope.school_year)
        .distinct()
    )
    return {school_id: await extensions_of(connection, school_id) for school_id in schools.scalars()}
