"""Sealed snapshots over HTTP: what was certified at a cut-off, with proofs, beside what is live."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer, Role
from app.api.deps import Connection, Reader, Service, ServiceState, requires
from app.api.paging import Cursor, Limit, Page, id_after, write_cursor
from app.api.scope import scope_of
from app.api.snapshot_bodies import (
    DifferenceOut,
    OverrideIn,
    PendingListOut,
    PendingOut,
    ProofOut,
    SnapshotHead,
    SnapshotOut,
)
from app.api.snapshot_files import archive_stream, manifest_stream
from app.api.texts import ProvinceCode, SchoolYearText, identified
from app.audit import AuditTag, record_act
from app.db import database_now
from app.deadlines.book import load_calendar
from app.errors import DomainError
from app.ids import hex32
from app.ingest.package import first_year
from app.keys import published
from app.organisations.tree import organisation_by_id
from app.records import find_record
from app.snapshots.difference import difference
from app.snapshots.due import has_packages, holding_packages, unsealed
from app.snapshots.overrides import leave_out
from app.snapshots.proofs import ProofKind, prove
from app.snapshots.reading import (
    SnapshotView,
    find_snapshot,
    list_snapshots,
    province_of,
    school_counts,
)
from app.snapshots.scopes import Scope, SnapshotKind

router = APIRouter(prefix="/api/v1/snapshots", tags=["snapshots"])

Certifier = Annotated[
    Officer, Depends(requires(Role.DEPARTMENT_OFFICER, Role.MINISTRY_OFFICER, Role.INSPECTOR))
]
Department = Annotated[Officer, Depends(requires(Role.DEPARTMENT_OFFICER))]
SnapshotId = Annotated[str, Path(max_length=40, description="snapshot_id, 32 hoặc 36 ký tự")]
RecordId = Annotated[str, Path(max_length=40, description="Mã tra cứu: UUID / look-up code")]
YearFilter = Annotated[SchoolYearText | None, Query(description="Năm học / school year")]
KindFilter = Annotated[SnapshotKind | None, Query(description="Loại bản chốt / kind")]


@router.get("", summary="Các bản chốt đã niêm phong / Sealed snapshots")
async def snapshots(
    *,
    actor: Certifier,
    connection: Connection,
    school_year: YearFilter = None,
    kind: KindFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[SnapshotHead]:
    """List the snapshots of the caller's province, or of all provinces, oldest first."""
    found = await list_snapshots(
        connection,
        await province_of(connection, actor),
        school_year=None if school_year is None else first_year(school_year),
        kind=kind,
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=SnapshotHead.of, place=lambda row: row.id)


@router.get("/pending", summary="Chưa niêm phong, và đang chờ gì / Not sealed yet, and what each waits for")
async def pending(
    *,
    actor: Certifier,
    connection: Connection,
    province: Annotated[ProvinceCode | None, Query(description="Mã tỉnh / province code")] = None,
) -> PendingListOut:
    """Say of each snapshot that is not sealed when it is due and which packages hold it.

    School years in which nothing came before the cut-off are not sealed, and not listed.
    An officer of the ministry names the province (QH-005 where none is named).
    """
    code = await province_of(connection, actor) or province
    if code is None or province not in {None, code}:
        raise DomainError("QH-005")
    moment = (await connection.execute(select(database_now()))).scalar_one()
    calendar = await load_calendar(connection, code)
    items = []
    for scope in await unsealed(connection, code, moment, calendar):
        cut_off = scope.cut_off(calendar)
        is_due = cut_off <= moment
        if is_due and not await has_packages(connection, scope, calendar):
            continue
        held = await holding_packages(connection, scope, cut_off) if is_due else []
        items.append(PendingOut.of(scope, cut_off, moment, held))
    return PendingListOut(items=items)


@router.post("/overrides", summary="Không chờ các gói bị treo / Seal without waiting for some packages")
async def override(
    asked: OverrideIn, actor: Department, connection: Connection, service: Service
) -> PendingOut:
    """Say, with a reason, that a seal need not wait for packages that do not get answered.

    It holds when a second officer of the department has said the same. The packages are judged when they
    can be; the signed statement names them as left out.
    """
    own = (await organisation_by_id(connection, actor.organisation_id)).province_code or ""
    scope = Scope(province=own, school_year=first_year(asked.school_year), kind=asked.kind)
    package_ids = {identified(text) for text in asked.package_ids}
    await leave_out(connection, scope, package_ids, reason=asked.reason, now=service.clock(), officer=actor)
    moment: datetime = (await connection.execute(select(database_now()))).scalar_one()
    cut_off = scope.cut_off(await load_calendar(connection, own))
    return PendingOut.of(scope, cut_off, moment, await holding_packages(connection, scope, cut_off))


@router.get("/{snapshot_id}", summary="Một bản chốt / One snapshot")
async def read(actor: Certifier, connection: Connection, snapshot_id: SnapshotId) -> SnapshotOut:
    """Give what was signed, and the counts by school."""
    found = await _find(connection, actor, snapshot_id)
    return SnapshotOut.with_schools(found, await school_counts(connection, found.id))


@router.get(
    "/{snapshot_id}/manifest",
    summary="Bảng kê: mỗi học bạ một dòng / The manifest, one line a record",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}}},
)
async def manifest(
    actor: Certifier, connection: Connection, service: Service, snapshot_id: SnapshotId
) -> StreamingResponse:
    """Stream the manifest (NDJSON): first the signed statement, then the records by look-up code."""
    found = await _find(connection, actor, snapshot_id)
    await _note(connection, service, actor, found, part="manifest")
    return StreamingResponse(
        manifest_stream(service, found),
        media_type="application/x-ndjson",
        headers=_named(found, "ndjson"),
    )


@router.get(
    "/{snapshot_id}/export",
    summary="Tệp lưu trữ tự kiểm tra được / An archive that verifies offline",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
async def export(
    actor: Certifier, connection: Connection, service: Service, snapshot_id: SnapshotId
) -> StreamingResponse:
    """Stream a ZIP of the manifest, the counts by school (CSV) and the service's public keys (JWKS)."""
    found = await _find(connection, actor, snapshot_id)
    await _note(connection, service, actor, found, part="export")
    counts = await school_counts(connection, found.id)
    keys = await published(connection)
    return StreamingResponse(
        archive_stream(service, found, counts, keys),
        media_type="application/zip",
        headers=_named(found, "zip"),
    )


@router.get(
    "/{snapshot_id}/proofs/{record_id}",
    summary="Chứng minh một mã có hoặc không có trong bản chốt / Proof that a code is in it, or is not",
)
async def proof(
    actor: Reader, connection: Connection, service: Service, snapshot_id: SnapshotId, record_id: RecordId
) -> ProofOut:
    """Give a proof that verifies offline with ``hocba verify-snapshot``.

    Schools and communes prove their own records only, and only that they are in: a proof of absence shows
    the neighbouring lines.
    """
    code = identified(record_id)
    is_certifier = actor.role in {Role.DEPARTMENT_OFFICER, Role.MINISTRY_OFFICER, Role.INSPECTOR}
    if is_certifier:
        found = await _find(connection, actor, snapshot_id)
    else:
        found = await find_snapshot(connection, identified(snapshot_id), None)
        if await find_record(connection, code, scope_of(actor, service.clock())) is None:
            raise DomainError("QH-005")
    made = await prove(connection, found, code)
    if made.kind is ProofKind.ABSENCE and not is_certifier:
        raise DomainError("QH-005")
    await _note(connection, service, actor, found, part=f"proof:{hex32(code)}")
    return ProofOut.of(made, found)


@router.get(
    "/{snapshot_id}/difference",
    summary="Số liệu sống so với bản chốt / Live against certified",
)
async def live_difference(
    *,
    actor: Certifier,
    connection: Connection,
    snapshot_id: SnapshotId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DifferenceOut:
    """Say what was recorded, recalled or replaced since, by look-up code."""
    after = id_after(cursor)
    found = await _find(connection, actor, snapshot_id)
    held = await difference(connection, found, after=after, limit=limit + 1)
    more = write_cursor(held.records[limit - 1].record_id) if len(held.records) > limit else None
    return DifferenceOut.of(held, limit, more)


async def _find(connection: AsyncConnection, actor: Actor, snapshot_id: str) -> SnapshotView:
    return await find_snapshot(connection, identified(snapshot_id), await province_of(connection, actor))


async def _note(
    connection: AsyncConnection, service: ServiceState, actor: Actor, found: SnapshotView, *, part: str
) -> None:
    """Write into the audit log who looked at which part."""
    await record_act(
        connection,
        now=service.clock(),
        actor=actor,
        tag=AuditTag.SNAPSHOT_READ,
        subject=f"snapshot:{hex32(found.id)}",
        facts={"part": part},
    )


def _named(found: SnapshotView, ending: str) -> dict[str, str]:
    name = f"snapshot-{found.scope.province}-{found.scope.school_year}-{found.scope.kind}.{ending}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}
