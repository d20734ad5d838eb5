"""What anybody may read: limits, the catalogue of causes, formats and their schemas, the service's keys."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from app.api.deps import PUBLIC, Connection, Service
from app.errors import DomainError
from app.findings import CATALOGUE, Responsible, Severity
from app.formats.registry import profile_for, versions
from app.keys import published

router = APIRouter(dependencies=[PUBLIC])


class LimitsOut(BaseModel):
    """The limits that are enforced, from the very values that enforce them."""

    max_wait_seconds: int
    package: dict[str, int]


class CauseOut(BaseModel):
    """One entry of the catalogue."""

    code: str
    severity: Severity
    who: Responsible
    title: str
    title_en: str
    detail: str
    detail_en: str
    hint: str
    hint_en: str


class FormatOut(BaseModel):
    """One version of the document format that is accepted."""

    version: str
    schema_url: str


@router.get(
    "/api/v1/limits",
    tags=["public"],
    summary="Các giới hạn đang áp dụng / The limits in force",
)
async def limits(service: Service) -> LimitsOut:
    """Give every limit; each has an error code of its own (GET /api/v1/error-codes)."""
    return LimitsOut(max_wait_seconds=service.settings.max_wait_seconds, package=asdict(service.bench.limits))


@router.get(
    "/api/v1/error-codes",
    tags=["public"],
    summary="Danh mục mã lỗi / The catalogue of causes",
)
async def error_codes() -> list[CauseOut]:
    """Give every code that an answer or a finding may carry, with what to do and who must."""
    return [
        CauseOut(
            code=cause.code,
            severity=cause.severity,
            who=cause.who,
            title=cause.title_vi,
            title_en=cause.title_en,
            detail=cause.detail_vi,
            detail_en=cause.detail_en,
            hint=cause.hint_vi,
            hint_en=cause.hint_en,
        )
        for cause in CATALOGUE.values()
    ]


@router.get("/api/v1/formats", tags=["public"], summary="Các định dạng được nhận / The formats accepted")
async def formats() -> list[FormatOut]:
    """List the versions of the document format, with the address of each one's XSD."""
    return [
        FormatOut(version=version, schema_url=f"/api/v1/formats/{version}/schema.xsd")
        for version in versions()
    ]


@router.get(
    "/api/v1/formats/{version}/schema.xsd",
    tags=["public"],
    summary="Lược đồ XSD của định dạng / The format's XSD",
    response_class=Response,
    responses={200: {"content": {"application/xml": {}}}},
)
async def schema(version: Annotated[str, Path(max_length=10)]) -> Response:
    """Give the XSD that documents are validated against."""
    profile = profile_for(version)
    if profile is None:
        raise DomainError("DD-904")
    return Response(profile.schema_path.read_bytes(), media_type="application/xml")


@router.get(
    "/.well-known/jwks.json",
    tags=["public"],
    summary="Khóa công khai của dịch vụ / The service's public keys",
)
async def jwks(connection: Connection) -> dict[str, list[dict[str, object]]]:
    """Give every key the service has ever signed with (RFC 7517), so that old receipts still verify."""
    return {"keys": [dict(key) for key in await published(connection)]}
