"""The ministry's copies over HTTP: one transcript by its look-up code, as it was signed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.api.deps import Connection, Service, ServiceState, requires
from app.api.texts import identified
from app.audit import AuditTag, record_act
from app.forwarding.copies import CopyView, find_copy, read_copy
from app.ids import hex32
from app.ingest.package import school_year_of
from app.records.status import RecordStatus
from app.snapshots.reading import province_of
from app.snapshots.scopes import SnapshotKind

router = APIRouter(prefix="/api/v1/forwarded-records", tags=["forwarding"])

Reader = Annotated[Officer, Depends(requires(Role.MINISTRY_OFFICER, Role.INSPECTOR))]
RecordId = Annotated[str, Path(max_length=40, description="Mã tra cứu: UUID / look-up code")]


class StatedOut(BaseModel):
    """A snapshot that states the transcript, and how it stood at its cut-off."""

    snapshot_id: str
    kind: SnapshotKind
    cut_off: datetime
    status: RecordStatus
    late: bool


class CopyOut(BaseModel):
    """A transcript as the ministry holds it (bản sao tại Bộ); its content is in the signed XML."""

    record_id: str
    province: str
    school_code: str
    school_year: str
    level: str
    grade: int
    format_version: str
    policy_version: str
    content_sha256: str
    xml_sha256: str
    received_at: datetime
    verified_at: datetime
    receipt: str
    signatures: list[Mapping[str, Any]]
    stated_in: list[StatedOut]

    @classmethod
    def of(cls, found: CopyView) -> Self:
        """Write a copy out."""
        same = ("school_code", "level", "grade", "format_version", "policy_version", "received_at")
        return cls(
            **{name: getattr(found, name) for name in same},
            record_id=hex32(found.record_id),
            province=found.province_code,
            school_year=school_year_of(found.school_year),
            content_sha256=found.content_sha256.hex(),
            xml_sha256=found.xml_sha256.hex(),
            verified_at=found.verified_at,
            receipt=found.receipt,
            signatures=list(found.signatures),
            stated_in=[
                StatedOut(
                    snapshot_id=hex32(one.snapshot_id),
                    kind=one.kind,
                    cut_off=one.cut_off,
                    status=one.status,
                    late=one.is_late,
                )
                for one in found.stated_in
            ],
        )


@router.get("/{record_id}", summary="Một học bạ tại Bộ / One transcript at the ministry")
async def read(actor: Reader, connection: Connection, service: Service, record_id: RecordId) -> CopyOut:
    """Give what the ministry knows of it: digests, signatures as judged, the receipt, the snapshots."""
    return CopyOut.of(await _find(connection, service, actor, record_id, part="metadata"))


@router.get(
    "/{record_id}/xml",
    summary="Bản XML đã ký, nguyên văn / The signed XML, octet for octet",
    response_class=Response,
    responses={200: {"content": {"application/xml": {}}}},
)
async def xml(actor: Reader, connection: Connection, service: Service, record_id: RecordId) -> Response:
    """Give the octets that the school signed and that province and ministry verified."""
    found = await _find(connection, service, actor, record_id, part="xml")
    return Response(await read_copy(connection, found), media_type="application/xml")


async def _find(
    connection: AsyncConnection, service: ServiceState, actor: Officer, record_id: str, *, part: str
) -> CopyView:
    """Find a copy in the caller's scope, and write into the audit log who looked at what."""
    found = await find_copy(connection, identified(record_id), await province_of(connection, actor))
    await record_act(
        connection,
        now=service.clock(),
        actor=actor,
        tag=AuditTag.RECORD_READ,
        subject=f"record:{hex32(found.record_id)}",
        facts={"part": part, "province": found.province_code},
    )
    return found
