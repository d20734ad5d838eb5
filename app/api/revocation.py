"""How fresh the revocation data is, over HTTP, for who keeps the trust list."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.findings import Finding
from app.verify.revocation.answer import EvidenceKind
from app.verify.revocation.freshness import ListedCrl, Source, freshness

router = APIRouter(prefix="/api/v1/revocation", tags=["trust-anchors"])

Keeper = Annotated[Officer, Depends(requires(Role.ADMINISTRATOR, Role.MINISTRY_OFFICER))]


class CrlOut(BaseModel):
    """CRL mới nhất của một khoá CA và một phạm vi / the newest list of a key and scope."""

    issuer: str
    issuer_key: str = Field(description="SHA-256 của khoá công khai / of the public key")
    scope: str = Field(description="all | users | authorities, và địa chỉ điểm phân phối / and addresses")
    number: str | None = Field(description="hệ 16 / hexadecimal")
    this_update: datetime
    next_update: datetime
    is_current: bool
    sha256: str
    source: str
    fetched_at: datetime

    @classmethod
    def of(cls, listed: ListedCrl, now: datetime) -> Self:
        """Write a list out."""
        names = [name for name in cls.model_fields if name != "is_current"]
        return cls(**{name: getattr(listed, name) for name in names}, is_current=now < listed.next_update)


class SourceOut(BaseModel):
    """Lần tải gần nhất từ một địa chỉ / the last try at an address."""

    address: str
    kind: EvidenceKind
    tried_at: datetime
    succeeded_at: datetime | None
    code: str | None
    message_vi: str | None
    message_en: str | None

    @classmethod
    def of(cls, source: Source) -> Self:
        """Write an address out."""
        fault = None if source.code is None else Finding(code=source.code, facts=source.facts)
        return cls(
            address=source.address,
            kind=source.kind,
            tried_at=source.tried_at,
            succeeded_at=source.succeeded_at,
            code=source.code,
            message_vi=None if fault is None else fault.message_vi,
            message_en=None if fault is None else fault.message_en,
        )


class RevocationOut(BaseModel):
    """Tình trạng dữ liệu thu hồi / how the revocation data stands."""

    lists: list[CrlOut]
    sources: list[SourceOut]
    silent: list[str] = Field(description="CA tin cậy chưa có CRL / trusted authorities without a list")
    asks_responders: bool = Field(description="OCSP đang bật / OCSP is switched on")
    responses: int = Field(description="câu trả lời OCSP còn hiệu lực / current OCSP answers")


@router.get("", summary="Tình trạng dữ liệu thu hồi chứng thư số / How fresh the revocation data is")
async def view(_: Keeper, connection: Connection, service: Service) -> RevocationOut:
    """Give every list at hand, how fetching went at every address, and which authorities are silent."""
    now = service.clock()
    found = await freshness(connection, now)
    return RevocationOut(
        lists=[CrlOut.of(listed, now) for listed in found.lists],
        sources=[SourceOut.of(source) for source in found.sources],
        silent=list(found.silent),
        asks_responders=service.refresher.asks_responders,
        responses=found.responses,
    )
