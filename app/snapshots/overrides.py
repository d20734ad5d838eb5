"""Two officers' decision not to wait for a package that does not get answered (chốt không chờ gói bị treo).

Nothing is lost by it: the package is judged when it can be, its records stand in the ledger, and the signed
statement names it as left out. One officer asks, a second one of the department confirms: nobody decides
their own request.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer
from app.approvals import require_reason
from app.audit import AuditTag, record_act
from app.db import database_now
from app.deadlines.book import load_calendar
from app.deadlines.calendar import in_legal_zone
from app.errors import DomainError
from app.ids import hex32, listed
from app.snapshots.due import OFFICERS_NEEDED, holding_packages, is_sealed
from app.snapshots.scopes import Scope
from app.snapshots.tables import snapshot_override


async def leave_out(
    connection: AsyncConnection,
    scope: Scope,
    package_ids: Collection[UUID],
    *,
    reason: str,
    now: datetime,
    officer: Officer,
) -> None:
    """Say, as one of two officers, that a seal need not wait for some packages, each named.

    It waits for each of them until a second officer has said so too; others hold it as before. An officer who
    says the same again is the same one officer, and changes nothing.

    Refuses with QH-023 a missing reason, TH-050 a snapshot whose cut-off is to come, TH-051 a sealed one,
    TH-052 a package that does not hold this seal.
    """
    reason = require_reason(reason, action="override")
    cut_off = scope.cut_off(await load_calendar(connection, scope.province))
    moment = (await connection.execute(select(database_now()))).scalar_one()
    if moment < cut_off:
        raise DomainError("TH-050", kind=scope.kind, cut_off=in_legal_zone(cut_off).isoformat(sep=" "))
    if await is_sealed(connection, scope):
        raise DomainError("TH-051", kind=scope.kind, school_year=_written(scope))
    holding = {held.package_id: held for held in await holding_packages(connection, scope, cut_off)}
    others = set(package_ids) - set(holding)
    if others:
        raise DomainError("TH-052", kind=scope.kind, packages=listed(others), count=len(others))
    for package_id in sorted(package_ids):
        held = holding[package_id]
        await connection.execute(
            insert(snapshot_override)
            .values(
                province_code=scope.province,
                school_year=scope.school_year,
                kind=scope.kind,
                package_id=package_id,
                school_id=held.school_id,
                reason=reason,
                decided_by=officer.id,
            )
            .on_conflict_do_nothing()
        )
        await record_act(
            connection,
            now=now,
            actor=officer,
            tag=AuditTag.SNAPSHOT_OVERRIDDEN,
            subject=f"package:{hex32(package_id)}",
            school_id=held.school_id,
            facts={"kind": scope.kind, "school_year": scope.school_year},
        )


async def is_left_out(connection: AsyncConnection, package_id: UUID) -> bool:
    """Say whether two officers decided that some seal need not wait for a package."""
    override = snapshot_override.c
    decided = (
        select(override.kind)
        .where(override.package_id == package_id)
        .group_by(override.province_code, override.school_year, override.kind)
        .having(func.count() >= OFFICERS_NEEDED)
    )
    return bool(await connection.scalar(select(decided.exists())))


def _written(scope: Scope) -> str:
    return f"{scope.school_year}-{scope.school_year + 1}"
