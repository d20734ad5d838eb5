"""What anybody may read: limits, the catalogue of causes, formats and their schemas, the service's keys."""

from dataclasses import asdict
from typing import Annotated, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from app.api.deps import PUBLIC, Connection, Service
from app.api.rate_limits import SIGN_IN_RATES, Calls, Rate
from app.errors import DomainError
from app.findings import CATALOGUE, Responsible, Severity
from app.formats.registry import profile_for, versions
from app.keys import published

router = APIRouter(dependencies=[PUBLIC])


class RequestLimits(BaseModel):
    """What one HTTP request may be."""

    body_bytes: int = Field(description="Trừ gói học bạ / of all but packages")
    head_bytes: int
    body_seconds: float


class RateOut(BaseModel):
    """So many at once, filled again evenly within so many seconds, counted apart for each."""

    amount: int
    seconds: float
    per: str

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """Write out a line of the table."""
        return cls(amount=rate.allowance.amount, seconds=rate.allowance.seconds, per=rate.per)


class LimitsOut(BaseModel):
    """The limits that are enforced, from the very values that enforce them."""

    max_wait_seconds: int
    package: dict[str, int]
    request: RequestLimits
    calls: dict[Calls, RateOut] = Field(description="Hạn mức gọi / how often callers may call")
    failed_sign_ins: dict[str, RateOut]


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
    settings = service.settings
    return LimitsOut(
        max_wait_seconds=settings.max_wait_seconds,
        package=asdict(service.bench.limits),
        request=RequestLimits(
            body_bytes=settings.max_request_bytes,
            head_bytes=settings.max_head_bytes,
            body_seconds=settings.body_seconds,
        ),
        calls={calls: RateOut.of(rate) for calls, rate in service.rates.rates.items()},
        failed_sign_ins={name: RateOut.of(rate) for name, rate in SIGN_IN_RATES.items()},
    )


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
async def schema(
    version: Annotated[str, Path(max_length=10, description="1.0: xem GET /formats / see GET /formats")],
) -> Response:
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
