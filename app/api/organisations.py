"""Organisations over HTTP: administrators keep the tree."""

from datetime import date
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.api.paging import Cursor, Limit, Page, text_after
from app.api.problems import problem
from app.api.texts import Asked, Line, OrganisationCode
from app.errors import DomainError
from app.organisations.importing import ImportKind, import_organisations
from app.organisations.kinds import Organisation, OrganisationKind
from app.organisations.tree import (
    OrganisationDraft,
    change_management,
    change_organisation,
    create_organisation,
    find_organisation,
    legal_date,
    list_organisations,
    managing_authority,
)

router = APIRouter(prefix="/api/v1/organisations", tags=["organisations"])

Administrator = Annotated[Officer, Depends(requires(Role.ADMINISTRATOR))]
Code = Annotated[str, Path(max_length=20, description="Mã đơn vị / organisation code")]

_CSV: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "Mã tỉnh,Mã xã,Tên xã\n66,24133,…"}
        },
    }
}


class OrganisationIn(Asked):
    """Đơn vị mới / a new organisation."""

    kind: OrganisationKind
    code: OrganisationCode
    name: Line
    parent_code: OrganisationCode | None = None
    levels: list[str] = Field(default_factory=list, max_length=8, examples=[["02"]])
    is_public: bool = True
    managed_by: OrganisationCode | None = Field(
        default=None, description="Cơ quan quản lý trường; bỏ trống: theo cấp học / none: by the levels"
    )
    valid_from: date | None = Field(default=None, description="Bỏ trống: hôm nay / none: today")


class OrganisationChange(Asked):
    """Sửa đơn vị / a change."""

    name: Line | None = None
    levels: list[str] | None = Field(
        default=None,
        max_length=8,
        description="Cấp học của trường / a school's levels",
        examples=[["02", "03"]],
    )
    is_public: bool | None = None
    valid_to: date | None = None


class ManagementIn(Asked):
    """Đổi cơ quan quản lý / another managing authority."""

    managed_by: OrganisationCode
    valid_from: date


class OrganisationOut(BaseModel):
    """Một đơn vị / an organisation."""

    code: str
    kind: OrganisationKind
    name: str
    province_code: str | None
    levels: list[str]
    is_public: bool
    valid_from: date
    valid_to: date | None

    @classmethod
    def of(cls, found: Organisation, **more: str | None) -> Self:
        """Write out an organisation."""
        return cls(
            code=found.code,
            kind=found.kind,
            name=found.name,
            province_code=found.province_code,
            levels=list(found.levels),
            is_public=found.is_public,
            valid_from=found.valid_from,
            valid_to=found.valid_to,
            **more,
        )


class OrganisationDetail(OrganisationOut):
    """Một đơn vị với cơ quan quản lý hiện nay / with who manages it today."""

    managed_by: str | None


class ImportOut(BaseModel):
    """Kết quả nhập / what an import did."""

    created: int
    renamed: int
    unchanged: int


@router.get("", summary="Danh sách đơn vị / Organisations")
async def listing(
    *,
    _: Administrator,
    connection: Connection,
    kind: OrganisationKind | None = None,
    province_code: Annotated[str | None, Query(pattern=r"^[0-9]{2}$")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[OrganisationOut]:
    """List organisations in the order of their codes."""
    found = await list_organisations(
        connection,
        kind=kind,
        province_code=province_code,
        after=text_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=OrganisationOut.of, place=lambda row: row.code)


@router.post("", status_code=201, summary="Tạo đơn vị / Create an organisation")
async def create(
    asked: OrganisationIn, actor: Administrator, connection: Connection, service: Service
) -> OrganisationDetail:
    """Create a ministry, department, commune or school, from a day on."""
    now = service.clock()
    draft = OrganisationDraft(
        kind=asked.kind,
        code=asked.code,
        name=asked.name,
        parent_code=asked.parent_code,
        levels=tuple(asked.levels),
        is_public=asked.is_public,
        managed_by=asked.managed_by,
        valid_from=asked.valid_from or legal_date(now),
    )
    created = await create_organisation(connection, draft, now=now, actor=actor)
    return await _detail(connection, created, max(legal_date(now), created.valid_from))


@router.post("/import", summary="Nhập CSV / Import a CSV", response_model=ImportOut, openapi_extra=_CSV)
async def import_csv(
    request: Request,
    actor: Administrator,
    connection: Connection,
    service: Service,
    kind: Annotated[ImportKind, Query()],
) -> ImportOut | Response:
    """Take all lines of a list of provinces, communes or schools, or none (QH-059 names every error)."""
    content = await request.body()
    report = await import_organisations(connection, content, kind, now=service.clock(), actor=actor)
    if report.findings:
        errors = [
            {
                "line": found.line,
                "code": found.code,
                "message_vi": found.message_vi,
                "message_en": found.message_en,
            }
            for found in report.findings
        ]
        reference = str(request.state.request_id)
        return problem("QH-059", facts={"count": len(errors)}, reference=reference, errors=errors)
    return ImportOut(created=report.created, renamed=report.renamed, unchanged=report.unchanged)


@router.get("/{code}", summary="Một đơn vị / One organisation")
async def one(code: Code, _: Administrator, connection: Connection, service: Service) -> OrganisationDetail:
    """Give an organisation, and for a school who manages it today."""
    found = await find_organisation(connection, code)
    if found is None:
        raise DomainError("QH-005")
    return await _detail(connection, found, legal_date(service.clock()))


@router.patch("/{code}", summary="Sửa đơn vị / Change an organisation")
async def change(
    code: Code, asked: OrganisationChange, actor: Administrator, connection: Connection, service: Service
) -> OrganisationOut:
    """Rename, change a school's levels or whether it is public, or end it from a day on; nothing is lost."""
    changed = await change_organisation(
        connection,
        code,
        now=service.clock(),
        actor=actor,
        name=asked.name,
        levels=asked.levels,
        is_public=asked.is_public,
        valid_to=asked.valid_to,
    )
    return OrganisationOut.of(changed)


@router.post("/{code}/management", summary="Đổi cơ quan quản lý trường / Change who manages a school")
async def manage(
    code: Code, asked: ManagementIn, actor: Administrator, connection: Connection, service: Service
) -> OrganisationDetail:
    """Give a school another managing authority from a day on; earlier acts stay as they were."""
    await change_management(
        connection,
        code,
        authority_code=asked.managed_by,
        valid_from=asked.valid_from,
        now=service.clock(),
        actor=actor,
    )
    found = await find_organisation(connection, code)
    assert found is not None
    return await _detail(connection, found, asked.valid_from)


async def _detail(connection: AsyncConnection, found: Organisation, on: date) -> OrganisationDetail:
    authority = await managing_authority(connection, found.id, on)
    return OrganisationDetail.of(found, managed_by=None if authority is None else authority.code)
