"""Explanations over HTTP: a school explains a query about its transcript, the authority reviews it."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role, Submitter
from app.api.deps import Connection, Reader, School, Service, ServiceState, requires
from app.api.paging import Cursor, Limit, Page, id_after
from app.api.scope import scope_of, uuid_of
from app.api.texts import Asked, Prose, identified
from app.errors import DomainError
from app.ids import hex32
from app.ingest.answers import PackageView, find_package
from app.ingest.package import school_year_of
from app.ingest.queries import (
    ExplanationState,
    ExplanationView,
    explain,
    explanations_of_item,
    find_explanation,
    list_explanations,
    review,
)
from app.organisations.tree import legal_date

router = APIRouter(prefix="/api/v1", tags=["explanations"])

Reviewer = Annotated[Officer, Depends(requires(Role.COMMUNE_OFFICER, Role.DEPARTMENT_OFFICER))]
PackageId = Annotated[str, Path(max_length=40, description="package_id, 32 hoặc 36 ký tự")]
Position = Annotated[int, Path(ge=0, le=1_000_000, description="Vị trí trong gói, từ 1 / from 1")]
ExplanationId = Annotated[str, Path(max_length=40, description="explanation_id, 32 hoặc 36 ký tự")]


class ExplanationIn(Asked):
    """Giải trình của trường / what the school says."""

    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]{3}$", examples=["MA-013"])]
    text: Prose


class ReviewIn(Asked):
    """Lý do / a reason."""

    reason: Prose | None = None


class ExplanationOut(BaseModel):
    """Một giải trình / an explanation."""

    explanation_id: str
    status: ExplanationState
    school_code: str
    school_year: str
    package_id: str
    position: int
    code: str
    text: str
    given_at: datetime
    decided_at: datetime | None
    reason: str | None = Field(description="Lý do của cơ quan quản lý / the authority's reason")

    @classmethod
    def of(cls, found: ExplanationView) -> Self:
        """Write an explanation out."""
        return cls(
            explanation_id=hex32(found.id),
            status=found.state,
            school_code=found.school_code,
            school_year=school_year_of(found.school_year),
            package_id=hex32(found.package_id),
            position=found.position,
            code=found.code,
            text=found.text,
            given_at=found.given_at,
            decided_at=found.decided_at,
            reason=found.reason,
        )


@router.post(
    "/packages/{package_id}/items/{position}/explanations",
    status_code=201,
    summary="Giải trình một cảnh báo / Explain a query",
)
async def explaining(
    package_id: PackageId,
    position: Position,
    asked: ExplanationIn,
    actor: School,
    connection: Connection,
    service: Service,
) -> ExplanationOut:
    """Say why what a finding of severity query asks about is right; the managing authority reviews it."""
    view = await _package(connection, package_id, actor, service)
    explanation_id = await explain(
        connection, view, position, code=asked.code, text=asked.text, now=service.clock(), actor=actor
    )
    return await _stored(connection, hex32(explanation_id))


@router.get(
    "/packages/{package_id}/items/{position}/explanations",
    summary="Các giải trình của một mục / What was explained of an item",
)
async def of_item(
    package_id: PackageId, position: Position, actor: Reader, connection: Connection, service: Service
) -> Page[ExplanationOut]:
    """Give everything that was explained of one item, oldest first."""
    view = await _package(connection, package_id, actor, service)
    found = await explanations_of_item(connection, view.package_id, position)
    return Page(items=[ExplanationOut.of(given) for given in found])


@router.get("/explanations", summary="Giải trình trong phạm vi / Explanations in scope")
async def listing(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    status: Annotated[ExplanationState | None, Query(description="Trạng thái / state")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ExplanationOut]:
    """List the explanations that the caller may see, oldest first."""
    found = await list_explanations(
        connection,
        actor=actor,
        on=legal_date(service.clock()),
        state=status,
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=ExplanationOut.of, place=lambda row: row.id)


@router.post("/explanations/{explanation_id}/accept", summary="Chấp nhận giải trình / Accept")
async def accept(
    explanation_id: ExplanationId,
    actor: Reviewer,
    connection: Connection,
    service: Service,
    asked: ReviewIn | None = None,
) -> ExplanationOut:
    """Accept an explanation: the finding stands as it is."""
    return await _review(connection, explanation_id, ExplanationState.ACCEPTED, asked, service, actor)


@router.post("/explanations/{explanation_id}/decline", summary="Không chấp nhận, có lý do / Decline")
async def decline(
    explanation_id: ExplanationId,
    asked: ReviewIn,
    actor: Reviewer,
    connection: Connection,
    service: Service,
) -> ExplanationOut:
    """Decline an explanation; the school explains anew, or replaces or recalls the transcript."""
    return await _review(connection, explanation_id, ExplanationState.DECLINED, asked, service, actor)


async def _package(
    connection: AsyncConnection, package_id: str, actor: Submitter | Officer, service: ServiceState
) -> PackageView:
    scope = scope_of(actor, service.clock())
    view = await find_package(connection, uuid_of(package_id, "package_id"), scope)
    if view is None:
        raise DomainError("QH-005")
    return view


async def _review(
    connection: AsyncConnection,
    explanation_id: str,
    target: ExplanationState,
    asked: ReviewIn | None,
    service: ServiceState,
    officer: Officer,
) -> ExplanationOut:
    await review(
        connection,
        identified(explanation_id),
        target,
        reason=None if asked is None else asked.reason,
        now=service.clock(),
        officer=officer,
    )
    return await _stored(connection, explanation_id)


async def _stored(connection: AsyncConnection, explanation_id: str) -> ExplanationOut:
    found = await find_explanation(connection, identified(explanation_id))
    if found is None:
        raise DomainError("QH-005")
    return ExplanationOut.of(found)
