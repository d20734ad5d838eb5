"""Forwarding over HTTP, at a province: ask for it, see how far it has come, read what is disputed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer, Role
from app.api.deps import Connection, Service, ServiceState, requires
from app.api.forwarding_bodies import DisputeOut, ForwardingOut
from app.api.paging import Cursor, Limit, Page, read_cursor, write_cursor
from app.api.snapshots import SnapshotId
from app.api.texts import identified
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.forwarding.requesting import disputes_of, forwarding_of, request_forwarding
from app.ids import hex32
from app.snapshots.reading import SnapshotView, find_snapshot, province_of

router = APIRouter(prefix="/api/v1/snapshots", tags=["forwarding"])

Department = Annotated[Officer, Depends(requires(Role.DEPARTMENT_OFFICER))]
Certifier = Annotated[
    Officer, Depends(requires(Role.DEPARTMENT_OFFICER, Role.MINISTRY_OFFICER, Role.INSPECTOR))
]


@router.post(
    "/{snapshot_id}/forward", status_code=202, summary="Chuyển bản chốt lên Bộ / Forward it to the ministry"
)
async def forward(
    *,
    actor: Department,
    connection: Connection,
    service: Service,
    snapshot_id: SnapshotId,
    again: Annotated[
        bool, Query(description="Gửi lượt mới sau khi Bộ nêu điểm chưa khớp / begin a further round")
    ] = False,
) -> ForwardingOut:
    """Ask that the worker forwards a snapshot; asking again gives the same forwarding.

    ``again=true`` begins a further round of one that the ministry disputed or refused: the registrations are
    told as they stand then, and only transcripts that the ministry does not hold are sent.
    Refuses with QH-126 where no ministry is configured, TH-080 a snapshot that stays at home.
    """
    found = await _find(connection, actor, snapshot_id)
    if service.settings.upstream_url is None:
        raise DomainError("QH-126")
    held = await request_forwarding(connection, found, is_again=again, now=service.clock(), actor=actor)
    return ForwardingOut.of(held)


@router.get("/{snapshot_id}/forwarding", summary="Đã chuyển đến đâu / How far forwarding has come")
async def read(
    actor: Certifier, connection: Connection, service: Service, snapshot_id: SnapshotId
) -> ForwardingOut:
    """Give state, attempts, the last error and the ministry's acknowledgement; QH-005 where nobody asked."""
    found = await _find(connection, actor, snapshot_id)
    await _note(connection, service, actor, found, part="forwarding")
    return ForwardingOut.of(await forwarding_of(connection, found.id))


@router.get("/{snapshot_id}/forwarding/disputes", summary="Điểm Bộ thấy chưa khớp / What is disputed")
async def disputes(
    *,
    actor: Certifier,
    connection: Connection,
    service: Service,
    snapshot_id: SnapshotId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DisputeOut]:
    """List what the ministry disputed in the latest round, by look-up code."""
    after = dispute_after(cursor)
    found = await _find(connection, actor, snapshot_id)
    held = await forwarding_of(connection, found.id)
    await _note(connection, service, actor, found, part="disputes")
    return await disputes_page(connection, found.id, held.round, limit=limit, after=after)


def dispute_after(cursor: str | None) -> tuple[str, str] | None:
    """Read the place after a dispute; DD-903 where it is none."""
    key = read_cursor(cursor, str, str)
    return None if key is None else (str(key[0]), str(key[1]))


async def disputes_page(
    connection: AsyncConnection, snapshot_id: UUID, turn: int, *, limit: int, after: tuple[str, str] | None
) -> Page[DisputeOut]:
    """Give a page of a round's disputes, by look-up code and cause."""
    rows = await disputes_of(connection, snapshot_id, turn, after=after, limit=limit + 1)
    more = None
    if len(rows) > limit:
        last = rows[limit - 1]
        more = write_cursor(last.subject, last.code)
    return Page(items=[DisputeOut.of(row) for row in rows[:limit]], next_cursor=more)


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
        tag=AuditTag.FORWARDING_READ,
        subject=f"snapshot:{hex32(found.id)}",
        facts={"part": part},
    )
