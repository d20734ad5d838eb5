"""Forwarded snapshots over HTTP, at the ministry: a province sends them here, officers see what arrived."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer, ProvinceSystem, Role
from app.api.deps import Connection, Service, ServiceState, requires
from app.api.forwarding import dispute_after, disputes_page
from app.api.forwarding_bodies import (
    ArrivalOut,
    DisputeOut,
    MissingOut,
    OpeningIn,
    StandingOut,
    TakenOut,
)
from app.api.paging import Cursor, Limit, Page, id_after
from app.api.snapshots import SnapshotId, YearFilter
from app.api.texts import ProvinceCode, UuidText, identified
from app.errors import DomainError
from app.forwarding.arrivals import (
    ArrivalView,
    find_arrival,
    list_arrivals,
    missing_parts,
    missing_records,
)
from app.forwarding.closing import request_close
from app.forwarding.opening import open_arrival
from app.forwarding.parts import take_lines, take_registrations
from app.forwarding.receiving import take_transcripts
from app.forwarding.wire import MAX_PARTS
from app.ids import hex32
from app.ingest.package import first_year
from app.snapshots.reading import province_of

router = APIRouter(prefix="/api/v1/forwardings", tags=["forwarding"])

GZIP: Final = "application/gzip"
MINISTRY: Final = "ministry"

Sender = Annotated[ProvinceSystem, Depends(requires(Role.PROVINCE_SYSTEM))]
Watcher = Annotated[
    ProvinceSystem | Officer,
    Depends(requires(Role.PROVINCE_SYSTEM, Role.MINISTRY_OFFICER, Role.INSPECTOR)),
]
Number = Annotated[int, Path(ge=0, le=MAX_PARTS, description="Số thứ tự phần, từ 0 / number of the part")]

_PART = {
    "requestBody": {
        "required": True,
        "content": {GZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _at_ministry(service: ServiceState) -> None:
    """Refuse with QH-121 where this is a province's instance: nobody forwards to it."""
    if service.settings.tier != MINISTRY:
        raise DomainError("QH-121")


async def _part(request: Request, service: ServiceState) -> bytes:
    """Read a part's gzip; DD-902 for another kind of body."""
    _at_ministry(service)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != GZIP:
        raise DomainError("DD-902", expected=GZIP)
    return await request.body()


async def _seen(connection: AsyncConnection, actor: Actor) -> str | None:
    """Give the province whose arrivals a caller may see; None for all."""
    if isinstance(actor, ProvinceSystem):
        return actor.province_code
    return await province_of(connection, actor)


async def _standing(connection: AsyncConnection, found: ArrivalView) -> StandingOut:
    return StandingOut.with_parts(found, await missing_parts(connection, found))


@router.post("", summary="Mở đợt nhận bản chốt / State what will be forwarded")
async def open_(asked: OpeningIn, actor: Sender, connection: Connection, service: Service) -> StandingOut:
    """Take down what a province will forward in a round; the same again changes nothing.

    The answer says what is missing, before the first part as after any cut.
    """
    _at_ministry(service)
    found = await open_arrival(connection, asked.statement, asked.opening, now=service.clock(), actor=actor)
    return await _standing(connection, found)


@router.put(
    "/{snapshot_id}/registrations/{number}",
    status_code=204,
    summary="Một phần đăng ký chứng thư số / A part of the registrations",
    openapi_extra=_PART,
)
async def tell_registrations(
    request: Request, actor: Sender, service: Service, snapshot_id: SnapshotId, number: Number
) -> None:
    """Take schools and certificates with all decisions on them, as the province signed them (a JWS)."""
    octets = await _part(request, service)
    await take_registrations(service.bench, identified(snapshot_id), actor.province_code, number, octets)


@router.put(
    "/{snapshot_id}/manifest/{number}",
    status_code=204,
    summary="Một phần bảng kê / A part of the manifest",
    openapi_extra=_PART,
)
async def send_lines(
    request: Request, actor: Sender, service: Service, snapshot_id: SnapshotId, number: Number
) -> None:
    """Take lines of the manifest (gzip of NDJSON, canonical, by look-up code)."""
    octets = await _part(request, service)
    await take_lines(service.bench, identified(snapshot_id), actor.province_code, number, octets)


@router.get("/{snapshot_id}/missing", summary="Học bạ còn thiếu / Transcripts that are still to come")
async def missing(
    *,
    actor: Sender,
    connection: Connection,
    snapshot_id: SnapshotId,
    after: Annotated[UuidText | None, Query(description="Sau mã này / after this code")] = None,
) -> MissingOut:
    """Give what is neither held (from an earlier snapshot either) nor disputed in this round."""
    found = await find_arrival(connection, identified(snapshot_id), actor.province_code)
    start = None if after is None else identified(after)
    codes = await missing_records(connection, found, after=start)
    return MissingOut(record_ids=[hex32(code) for code in codes])


@router.post(
    "/{snapshot_id}/transcripts",
    summary="Một phần học bạ, nguyên văn đã ký / A part of transcripts, as they were signed",
    openapi_extra=_PART,
)
async def send_transcripts(
    request: Request, actor: Sender, service: Service, snapshot_id: SnapshotId
) -> TakenOut:
    """Verify transcripts and keep what holds; what does not is disputed, not stored.

    The part is a gzip: for each transcript a line of JSON (bytes, format_version, receipt, record_id), then
    so many octets of XML, then a line end.
    """
    octets = await _part(request, service)
    snapshot = identified(snapshot_id)
    return TakenOut.of(await take_transcripts(service.bench, snapshot, actor.province_code, octets))


@router.post("/{snapshot_id}/close", summary="Báo đã gửi đủ / Say that everything was sent")
async def close(
    actor: Sender, connection: Connection, service: Service, snapshot_id: SnapshotId
) -> StandingOut:
    """Let the ministry recount and answer; the acknowledgement shows when it is there."""
    _at_ministry(service)
    found = await request_close(connection, identified(snapshot_id), now=service.clock(), actor=actor)
    return await _standing(connection, found)


@router.get("", summary="Bản chốt các tỉnh chuyển đến / Snapshots that arrive from provinces")
async def arrivals(
    *,
    actor: Watcher,
    connection: Connection,
    province: Annotated[ProvinceCode | None, Query(description="Mã tỉnh / province code")] = None,
    school_year: YearFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ArrivalOut]:
    """List what arrives, oldest snapshot first; a province sees its own."""
    seen = await _seen(connection, actor)
    if seen is not None and province not in {None, seen}:
        raise DomainError("QH-005")
    found = await list_arrivals(
        connection,
        seen or province,
        school_year=None if school_year is None else first_year(school_year),
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page[ArrivalOut].cut(found, limit, show=ArrivalOut.of, place=lambda view: view.snapshot_id)


@router.get("/{snapshot_id}", summary="Một bản chốt chuyển đến / One snapshot that arrives")
async def read(actor: Watcher, connection: Connection, snapshot_id: SnapshotId) -> StandingOut:
    """Say how far it has come, what is missing, and what was answered."""
    found = await find_arrival(connection, identified(snapshot_id), await _seen(connection, actor))
    return await _standing(connection, found)


@router.get("/{snapshot_id}/disputes", summary="Điểm chưa khớp / What is disputed")
async def disputes(
    *,
    actor: Watcher,
    connection: Connection,
    snapshot_id: SnapshotId,
    turn: Annotated[int | None, Query(alias="round", ge=1, le=32767, description="Lượt / round")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DisputeOut]:
    """List the disputes of a round (the latest where none is named), by look-up code and cause."""
    after = dispute_after(cursor)
    found = await find_arrival(connection, identified(snapshot_id), await _seen(connection, actor))
    return await disputes_page(connection, found.snapshot_id, turn or found.round, limit=limit, after=after)
