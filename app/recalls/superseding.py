"""What a replacement does to open requests (yêu cầu hết hiệu lực): there is nothing left to recall."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import System
from app.audit import AuditTag, record_act
from app.db import database_now, move
from app.ids import hex32
from app.recalls.decisions import append_event
from app.recalls.life import RECALL_LIFECYCLE, RecallEventKind, RecallState
from app.recalls.tables import recall, recall_item

_REASON = "Học bạ đã được thay thế trước khi có quyết định / replaced before anybody decided"


async def supersede_requests(connection: AsyncConnection, replaced: Mapping[UUID, UUID]) -> None:
    """Close what is open for records that are replaced in this transaction, and say by which.

    A request for several records stays open for the others; with the last one it is closed itself. Requester
    and authority read it in the request's history. Nobody decided anything, so nothing is signed.

    Args:
        connection: of the transaction that replaces the records, which nobody else can recall meanwhile.
        replaced: the successor of each, by look-up code.
    """
    is_open = recall_item.c.state == RecallState.REQUESTED
    found = await connection.execute(
        select(recall.c.id, recall.c.school_id, recall_item.c.record_id)
        .join(recall_item, recall_item.c.recall_id == recall.c.id)
        .where(recall_item.c.record_id.in_(sorted(replaced)), is_open)
        .where(recall.c.state == RecallState.REQUESTED)
        .order_by(recall.c.id, recall_item.c.record_id)
        .with_for_update()
    )
    RECALL_LIFECYCLE.check(RecallState.REQUESTED, RecallState.SUPERSEDED)
    for row in found.all():
        at = (await connection.execute(select(database_now()))).scalar_one()
        of_request = recall_item.c.recall_id == row.id
        await connection.execute(
            update(recall_item)
            .where(of_request, recall_item.c.record_id == row.record_id, is_open)
            .values(state=RecallState.SUPERSEDED)
        )
        facts = {"record_id": hex32(row.record_id), "by": hex32(replaced[row.record_id])}
        await append_event(
            connection, row.id, RecallEventKind.SUPERSEDED, at=at, actor=System(), reason=_REASON, facts=facts
        )
        still_open = select(func.count()).select_from(recall_item).where(of_request, is_open)
        if not await connection.scalar(still_open):
            await move(
                connection, recall, {"id": row.id},
                source=RecallState.REQUESTED, target=RecallState.SUPERSEDED,
            )  # fmt: skip
        await record_act(
            connection,
            now=at,
            actor=System(),
            tag=AuditTag.RECALL_SUPERSEDED,
            subject=f"recall:{hex32(row.id)}",
            school_id=row.school_id,
            facts=facts,
        )
