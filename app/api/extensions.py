"""Extensions and the paper register over HTTP: the department's acts for single schools."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.api.calendar_bodies import DecisionIn, ExemptionIn, ExemptionOut, ExtensionIn, ExtensionOut
from app.api.deps import Connection, Reader, Service, requires
from app.api.paging import Cursor, Limit, Page, id_after
from app.api.texts import SchoolCode, SchoolYearText, identified
from app.db import database_now
from app.deadlines.exemptions import (
    find_exemption,
    list_exemptions,
    register_exemption,
    withdraw_exemption,
)
from app.deadlines.extensions import (
    decide_extension,
    find_extension,
    list_extensions,
    request_extension,
)
from app.deadlines.lives import ExtensionState
from app.errors import DomainError
from app.ingest.package import first_year
from app.organisations.tree import legal_date

router = APIRouter(prefix="/api/v1", tags=["calendar"])

Department = Annotated[Officer, Depends(requires(Role.DEPARTMENT_OFFICER))]
ExtensionId = Annotated[str, Path(max_length=40, description="extension_id, 32 hoặc 36 ký tự")]
ExemptionId = Annotated[str, Path(max_length=40, description="exemption_id, 32 hoặc 36 ký tự")]
SchoolFilter = Annotated[SchoolCode | None, Query(description="Mã trường / school code")]
YearFilter = Annotated[SchoolYearText | None, Query(description="Năm học / school year")]


@router.post("/extensions", status_code=201, summary="Đề nghị gia hạn cho một trường / Ask for an extension")
async def request(
    asked: ExtensionIn, actor: Department, connection: Connection, service: Service
) -> ExtensionOut:
    """Ask for a school to be let in after a cut-off; a second officer of the department decides."""
    extension_id = await request_extension(connection, asked.draft(), now=service.clock(), officer=actor)
    return await _extension(connection, extension_id)


@router.get("/extensions", summary="Gia hạn trong phạm vi / Extensions in scope")
async def extensions(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    state: Annotated[ExtensionState | None, Query(description="Trạng thái / state")] = None,
    school_code: SchoolFilter = None,
    school_year: YearFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ExtensionOut]:
    """List the extensions of schools that the caller may see, oldest first."""
    found = await list_extensions(
        connection,
        actor=actor,
        on=legal_date(service.clock()),
        state=state,
        school_code=school_code,
        school_year=None if school_year is None else first_year(school_year),
        after=id_after(cursor),
        limit=limit + 1,
    )
    moment = await _moment(connection)
    return Page.cut(found, limit, show=lambda row: ExtensionOut.of(row, moment), place=lambda row: row.id)


@router.post("/extensions/{extension_id}/approve", summary="Duyệt gia hạn / Approve")
async def approve(
    extension_id: ExtensionId,
    actor: Department,
    connection: Connection,
    service: Service,
    asked: DecisionIn | None = None,
) -> ExtensionOut:
    """Approve what another officer asked for: packages received from now on and before its end are taken."""
    return await _decide(
        connection, extension_id, ExtensionState.APPROVED, asked, now=service.clock(), officer=actor
    )


@router.post("/extensions/{extension_id}/decline", summary="Từ chối gia hạn / Decline")
async def decline(
    extension_id: ExtensionId,
    actor: Department,
    connection: Connection,
    service: Service,
    asked: DecisionIn | None = None,
) -> ExtensionOut:
    """Decline what another officer asked for; the reason is required."""
    return await _decide(
        connection, extension_id, ExtensionState.DECLINED, asked, now=service.clock(), officer=actor
    )


async def _decide(
    connection: AsyncConnection,
    extension_id: str,
    target: ExtensionState,
    asked: DecisionIn | None,
    *,
    now: datetime,
    officer: Officer,
) -> ExtensionOut:
    decided, reason = identified(extension_id), None if asked is None else asked.reason
    await decide_extension(connection, decided, target, reason=reason, now=now, officer=officer)
    return await _extension(connection, decided)


async def _extension(connection: AsyncConnection, extension_id: UUID) -> ExtensionOut:
    found = await find_extension(connection, extension_id)
    if found is None:
        raise DomainError("QH-005")
    return ExtensionOut.of(found, await _moment(connection))


async def _moment(connection: AsyncConnection) -> datetime:
    moment: datetime = (await connection.execute(select(database_now()))).scalar_one()
    return moment


@router.post("/exemptions", status_code=201, summary="Đăng ký dùng học bạ giấy / Register who stays on paper")
async def exempt(
    asked: ExemptionIn, actor: Department, connection: Connection, service: Service
) -> ExemptionOut:
    """Register a school, a grade or a class that keeps paper transcripts for a school year."""
    exemption_id = await register_exemption(connection, asked.draft(), now=service.clock(), officer=actor)
    return await _exemption(connection, exemption_id)


@router.get("/exemptions", summary="Sổ miễn trừ (học bạ giấy) / The paper register")
async def exemptions(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    school_code: SchoolFilter = None,
    school_year: YearFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ExemptionOut]:
    """List the entries for schools that the caller may see, oldest first; withdrawn ones stay listed."""
    found = await list_exemptions(
        connection,
        actor=actor,
        on=legal_date(service.clock()),
        school_code=school_code,
        school_year=None if school_year is None else first_year(school_year),
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=ExemptionOut.of, place=lambda row: row.id)


@router.post("/exemptions/{exemption_id}/withdraw", summary="Rút miễn trừ / Withdraw an exemption")
async def withdraw(
    exemption_id: ExemptionId, asked: DecisionIn, actor: Department, connection: Connection, service: Service
) -> ExemptionOut:
    """Take an entry out of force, for the reason given."""
    withdrawn = identified(exemption_id)
    await withdraw_exemption(connection, withdrawn, reason=asked.reason, now=service.clock(), officer=actor)
    return await _exemption(connection, withdrawn)


async def _exemption(connection: AsyncConnection, exemption_id: UUID) -> ExemptionOut:
    found = await find_exemption(connection, exemption_id)
    if found is None:
        raise DomainError("QH-005")
    return ExemptionOut.of(found)
